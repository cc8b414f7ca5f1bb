"""An open route, a guarded one, and the account routes, in Starlette."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from menshen import Accounts
from menshen.entrypoints.starlette import Guarded, user_of

accounts = Accounts.from_environment()


async def news(request: Request) -> JSONResponse:
    return JSONResponse({"news": "open to everybody"})


async def orders(request: Request) -> JSONResponse:
    return JSONResponse({"orders_of": user_of(request).phone.digits})


app = Starlette(
    routes=[Route("/news", news), Route("/orders", orders)],
    # Everything is guarded but these, also what is added later.
    middleware=[Middleware(Guarded, accounts=accounts, exempt=["/news"])],
)
accounts.mount(app)
