"""An open route, a guarded one, and the account routes, in an ASGI app of Falcon."""

import falcon.asgi

from menshen import Accounts
from menshen.entrypoints.falcon_asgi import DefaultDeny

accounts = Accounts.from_environment()


class News:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = {"news": "open to everybody"}


class Orders:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        resp.media = {"orders_of": req.context.user.phone.digits}


# Everything is guarded but these, also what is added later.
app = falcon.asgi.App(middleware=[DefaultDeny(accounts, exempt=["/news"])])
app.add_route("/news", News())
app.add_route("/orders", Orders())
accounts.mount(app)
