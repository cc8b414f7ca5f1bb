"""Tokens, and the decorator for routes that need one."""

from datetime import UTC, datetime, timedelta
from functools import wraps

import jwt
from answers import answer
from flask import current_app, request
from models import XUser


def new_token(user):
    expires = datetime.now(UTC) + timedelta(days=7)
    return jwt.encode({"id": user.id, "exp": expires}, current_app.config["SECRET_KEY"], algorithm="HS256")


def user_token_required(view):
    @wraps(view)
    def with_token(*args, **kwargs):
        token = request.headers.get("token")
        if not token:
            return answer(401, "token不存在")
        try:
            user_id = jwt.decode(token, current_app.config["SECRET_KEY"], algorithms=["HS256"])["id"]
        except jwt.ExpiredSignatureError:
            return answer(401, "token过期")
        except jwt.InvalidTokenError:
            return answer(401, "token无效")
        user = XUser.query.get(user_id)
        if user is None:
            return answer(401, "用户不存在")
        if user.state != "正常":
            return answer(401, "该用户状态异常,请联系客服")
        return view(user.to_dict(), *args, **kwargs)

    return with_token
