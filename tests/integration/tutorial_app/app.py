"""A shop, as it is after the tutorial."""

from answers import answer
from decorators import user_token_required
from flask import Flask
from models import Order, db
from user import user_api

app = Flask(__name__)
app.config["SECRET_KEY"] = "the shop's own secret, from the tutorial"
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.sqlite3"
db.init_app(app)
app.register_blueprint(user_api)


@app.route("/api/news")
def news():
    return answer(200, "", {"news": "open to everybody"})


@app.route("/api/orders")
@user_token_required
def orders(user_info):
    found = Order.query.filter_by(buyer=user_info["id"]).all()
    return answer(200, "", {"orders_of": user_info["phone"], "orders": [order.what for order in found]})


@app.route("/api/orders/<int:order_id>")
@user_token_required
def order(user_info, order_id):
    found = Order.query.filter_by(id=order_id, buyer=user_info["id"]).first()
    return answer(404, "订单不存在") if found is None else answer(200, "", {"what": found.what})
