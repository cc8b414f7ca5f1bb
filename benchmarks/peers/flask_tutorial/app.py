"""The tutorial's app: Flask, Flask-SQLAlchemy and PyJWT, with a decorator on each route, and 10,000 users.

``python app.py PORT FOLDER`` makes the database, writes a token into FOLDER/token, and serves.
"""

import multiprocessing
import sys
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path

import jwt
from flask import Flask, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from granian import Granian
from granian.constants import Interfaces

KEY, USERS = "a key of the tutorial, long enough for HS256", 10_000

db = SQLAlchemy()


class User(db.Model):
    __tablename__ = "x_user"
    id = db.Column(db.Integer, primary_key=True)
    mid = db.Column(db.Integer)
    phone = db.Column(db.String(20), unique=True)
    user_name = db.Column(db.String(80))
    openid = db.Column(db.String(80))
    password = db.Column(db.String(200))
    token = db.Column(db.String(500))
    registration_time = db.Column(db.DateTime)
    account_balance = db.Column(db.Numeric(12, 4), default=0)
    state = db.Column(db.String(20), default="正常")
    fee_percentage = db.Column(db.Integer, default=4)


def user_token_required(view):
    @wraps(view)
    def checked(*args, **kwargs):
        token = request.headers.get("token")
        if not token:
            return jsonify(code=401, data="", msg="token不存在")
        try:
            data = jwt.decode(token, KEY, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return jsonify(code=401, data="", msg="token无效")
        user = db.session.get(User, data["id"])
        if user is None or user.token != token or user.state != "正常":
            return jsonify(code=401, data="", msg="token过期")
        return view(user, *args, **kwargs)

    return checked


def create_app(folder):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/app.sqlite3"
    db.init_app(app)

    @app.get("/healthz")
    def alive():
        return "alive"

    @app.get("/api/user/user_info")
    @user_token_required
    def user_info(user):
        data = {
            "id": user.id,
            "mid": user.mid,
            "phone": user.phone,
            "user_name": user.user_name,
            "openid": user.openid,
            "registration_time": user.registration_time.strftime("%Y-%m-%d %H:%M:%S"),
            "account_balance": float(user.account_balance),
            "state": user.state,
            "fee_percentage": user.fee_percentage,
        }
        now = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        return jsonify(code=200, data=data, msg="获取信息成功", time=now)

    return app


def fill(app, folder):
    with app.app_context():
        db.create_all()
        now = datetime.now(UTC)
        for number in range(1, USERS + 1):
            db.session.add(User(id=number, phone=f"138{number:08}", user_name="somebody", registration_time=now))
        user = db.session.get(User, USERS // 2)
        user.token = jwt.encode({"id": user.id, "exp": now + timedelta(days=7)}, KEY, "HS256")
        db.session.commit()
        (folder / "token").write_text(user.token)


if __name__ == "__main__":
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    app = create_app(folder)
    fill(app, folder)
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "app", address="127.0.0.1", port=port, interface=Interfaces.WSGI, blocking_threads=1, log_enabled=False
    ).serve(target_loader=lambda *_: app, wrap_loader=False)
