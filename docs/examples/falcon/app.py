"""A Falcon app with accounts: everything is guarded but the news."""

import falcon

from menshen import Accounts

accounts = Accounts.from_environment()


class News:
    def on_get(self, req, resp):
        resp.media = {"news": "open to everybody"}


class Orders:
    def on_get(self, req, resp):
        resp.media = {"orders_of": req.context.user.phone.digits}


app = falcon.App(middleware=[accounts.default_deny(exempt=["/news"])])
app.add_route("/news", News())
app.add_route("/orders", Orders())
accounts.mount(app)
