"""The routes of the tutorial, and logging out."""

from typing import Any

import falcon
from attrs import frozen

from ...domain.use_cases.login import Login, Logout
from ...domain.use_cases.registration import RegisterAndLogin
from ...domain.users import User
from .envelope import Envelopes
from .guard import Guard
from .json_body import optional_int_member, optional_text_member, read_object, text_member
from .languages import Text


@frozen
class RegisterResource:
    """POST /api/user/register"""

    register: RegisterAndLogin
    envelopes: Envelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        body = read_object(req)
        granted = self.register(
            phone=text_member(body, "phone"),
            password=text_member(body, "password"),
            user_name=optional_text_member(body, "user_name"),
            invited_by=optional_int_member(body, "invited_by"),
        )
        req.context.user = granted.user
        self.envelopes.write(req, resp, Text("注册成功", "Registered."), token=granted.access_token)


@frozen
class LoginResource:
    """POST /api/user/login"""

    login: Login
    envelopes: Envelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        body = read_object(req)
        granted = self.login(phone=text_member(body, "phone"), password=text_member(body, "password"))
        req.context.user = granted.user
        self.envelopes.write(req, resp, Text("登陆成功", "Logged in."), token=granted.access_token)


@frozen
class LogoutResource:
    """POST /api/user/logout"""

    logout: Logout
    guard: Guard
    envelopes: Envelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.guard.check(req, resp)
        self.logout(req.context.session)
        self.envelopes.write(req, resp, Text("退出成功", "Logged out."))


@frozen
class UserInfoResource:
    """GET /api/user/user_info"""

    guard: Guard
    envelopes: Envelopes

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.guard.check(req, resp)
        self.envelopes.write(req, resp, Text("获取信息成功", "Here is the user."), data=self._shown(req.context.user))

    def _shown(self, user: User) -> dict[str, Any]:
        """The contract's members and no other, under the tutorial's names."""
        registered_at = user.registered_at
        return {
            "id": user.id,
            "mid": user.referrer_id,
            "phone": user.phone.digits,
            "user_name": user.user_name,
            "openid": user.wechat_openid,
            "registration_time": None if registered_at is None else self.envelopes.local_text(registered_at),
            "account_balance": user.account_balance,
            "state": user.state.text,
            "fee_percentage": user.fee_percentage,
        }
