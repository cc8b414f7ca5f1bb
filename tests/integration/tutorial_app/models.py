"""The tables of the shop."""

from datetime import datetime

from flask_sqlalchemy import SQLAlchemy
from werkzeug.security import check_password_hash, generate_password_hash

db = SQLAlchemy()


class XUser(db.Model):
    __tablename__ = "x_user"

    id = db.Column(db.Integer, primary_key=True, autoincrement=True)
    mid = db.Column(db.Integer)
    phone = db.Column(db.String(80))
    user_name = db.Column(db.String(80))
    openid = db.Column(db.String(120))
    password = db.Column(db.String(120))
    registration_time = db.Column(db.DateTime, default=datetime.now)
    token = db.Column(db.String(255))
    account_balance = db.Column(db.Numeric(20, 4), default=0.00)
    state = db.Column(db.String(120), default="正常")
    fee_percentage = db.Column(db.Integer, default=4)

    def set_password(self, password):
        self.password = generate_password_hash(password, method="pbkdf2:sha256:5000")

    def check_password(self, password):
        return check_password_hash(self.password, password)

    def to_dict(self):
        return {
            "id": self.id,
            "mid": self.mid,
            "phone": self.phone,
            "user_name": self.user_name,
            "openid": self.openid,
            "registration_time": self.registration_time.strftime("%Y-%m-%d %H:%M:%S"),
            "account_balance": float(self.account_balance),
            "state": self.state,
            "fee_percentage": self.fee_percentage,
        }


class Order(db.Model):
    __tablename__ = "shop_order"

    id = db.Column(db.Integer, primary_key=True, autoincrement=True)
    buyer = db.Column(db.Integer, db.ForeignKey("x_user.id"), nullable=False)
    what = db.Column(db.String(80), nullable=False)
