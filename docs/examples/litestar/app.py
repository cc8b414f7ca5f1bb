"""An open route, a guarded one, and the account routes, in Litestar."""

from litestar import Litestar, get

from menshen import Accounts
from menshen.entrypoints.litestar import GuardPlugin, LetIn

accounts = Accounts.from_environment()


@get("/news")
async def news() -> dict[str, str]:
    return {"news": "open to everybody"}


@get("/orders")
async def orders(principal: LetIn) -> dict[str, str]:
    return {"orders_of": principal.user.phone.digits}


# Every route is guarded but these, also what is added later.
app = Litestar([news, orders], plugins=[GuardPlugin(accounts, exempt=["/news"])])
accounts.mount(app)
