"""An open route, a guarded one, and the account routes, in FastAPI."""

from typing import Annotated

from fastapi import Depends, FastAPI

from menshen import Accounts
from menshen.domain.presences import Principal
from menshen.entrypoints.fastapi import Guard, Guarded

accounts = Accounts.from_environment()
app = FastAPI()
# Everything is guarded but these, also what is added later.
app.add_middleware(Guarded, accounts=accounts, exempt=["/news", "/docs", "/openapi.json"])
accounts.mount(app)

# Says who it is, and to the readers of /docs that the route needs a token. It guards its route without the middleware, too.
LetIn = Annotated[Principal, Depends(Guard(app, accounts))]


@app.get("/news")
async def news() -> dict[str, str]:
    return {"news": "open to everybody"}


@app.get("/orders")
async def orders(principal: LetIn) -> dict[str, str]:
    return {"orders_of": principal.user.phone.digits}
