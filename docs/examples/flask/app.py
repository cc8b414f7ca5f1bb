"""A Flask app with accounts: everything is guarded but the news."""

from flask import Flask, g

from menshen import Accounts
from menshen.entrypoints.flask import default_deny

accounts = Accounts.from_environment()

app = Flask(__name__)
default_deny(app, accounts, exempt=["/news"])


@app.get("/news")
def news():
    return {"news": "open to everybody"}


@app.get("/orders")
def orders():
    return {"orders_of": g.user.phone.digits}


accounts.mount(app)
