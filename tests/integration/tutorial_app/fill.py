"""Fifty users of the shop, each with an order."""

from app import app
from models import Order, XUser, db

with app.app_context():
    db.create_all()
    for number in range(1, 51):
        user = XUser(phone=f"138001380{number:02}", user_name=f"用户{number}")
        user.set_password(f"old password {number}")
        db.session.add(user)
        db.session.flush()
        db.session.add(Order(buyer=user.id, what=f"tea no. {number}"))
    db.session.commit()
