"""Registering, logging in, and the user's own data."""

import re

from answers import answer
from decorators import new_token, user_token_required
from flask import Blueprint, request
from models import XUser, db

user_api = Blueprint("user", __name__, url_prefix="/api/user")


@user_api.route("/register", methods=["POST"])
def register():
    phone, password = request.json.get("phone"), request.json.get("password")
    if not re.match(r"^1\d{10}$", phone):
        return answer(403, "注册失败,请输入11位手机号")
    if len(password) < 6 or len(password) > 32:
        return answer(403, "注册失败,密码长度请大于6位,小于32位")
    if XUser.query.filter_by(phone=phone).first():
        return answer(403, "注册失败,该手机已经注册,请直接登陆或更换手机后注册")
    user = XUser(phone=phone, user_name=request.json.get("user_name"))
    user.set_password(password)
    db.session.add(user)
    db.session.commit()
    return _logged_in(user, "注册成功")


@user_api.route("/login", methods=["POST"])
def login():
    user = XUser.query.filter_by(phone=request.json.get("phone")).first()
    if user is None:
        return answer(403, "用户不存在")
    if not user.check_password(request.json.get("password")):
        return answer(403, "密码错误")
    if user.state != "正常":
        return answer(403, "该用户状态不允许登陆")
    return _logged_in(user, "登陆成功")


@user_api.route("/user_info")
@user_token_required
def user_info(user_info):
    return answer(200, "获取信息成功", user_info)


def _logged_in(user, msg):
    user.token = new_token(user)
    db.session.commit()
    return answer(200, msg, token=user.token)
