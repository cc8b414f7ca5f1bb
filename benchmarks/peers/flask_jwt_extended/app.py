"""Flask-JWT-Extended with Flask-SQLAlchemy and automatic user loading, set up as its documentation says, and 10,000 users.

``python app.py PORT FOLDER`` makes the database, writes a token into FOLDER/token, and serves.
"""

import multiprocessing
import sys
from datetime import timedelta
from pathlib import Path

from flask import Flask, jsonify
from flask_jwt_extended import JWTManager, create_access_token, current_user, jwt_required
from flask_sqlalchemy import SQLAlchemy
from granian import Granian
from granian.constants import Interfaces

port, folder = int(sys.argv[1]), Path(sys.argv[2])
USERS = 10_000

app = Flask(__name__)
app.config["JWT_SECRET_KEY"] = "a key that is long enough for HS256, and no secret"
app.config["JWT_ACCESS_TOKEN_EXPIRES"] = timedelta(hours=10)
app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/app.sqlite3"
jwt = JWTManager(app)
db = SQLAlchemy(app)


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    username = db.Column(db.Text, nullable=False, unique=True)
    full_name = db.Column(db.Text, nullable=False)


@jwt.user_identity_loader
def user_identity_lookup(user):
    return str(user.id)


@jwt.user_lookup_loader
def user_lookup_callback(_jwt_header, jwt_data):
    return User.query.filter_by(id=jwt_data["sub"]).one_or_none()


@app.get("/healthz")
def alive():
    return "alive"


@app.get("/user_info")
@jwt_required()
def user_info():
    return jsonify(id=current_user.id, full_name=current_user.full_name, username=current_user.username)


@app.get("/orders")
@jwt_required()
def orders():
    return {"orders_of": current_user.username}


def fill():
    with app.app_context():
        db.create_all()
        for number in range(1, USERS + 1):
            db.session.add(User(id=number, username=f"138{number:08}", full_name="somebody"))
        db.session.commit()
        (folder / "token").write_text(create_access_token(identity=db.session.get(User, USERS // 2)))


if __name__ == "__main__":
    fill()
    multiprocessing.set_start_method("fork", force=True)
    Granian(
        "app", address="127.0.0.1", port=port, interface=Interfaces.WSGI, blocking_threads=1, log_enabled=False
    ).serve(target_loader=lambda *_: app, wrap_loader=False)
