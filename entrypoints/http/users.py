"""The routes of the tutorial, logging out, and refreshing."""

from typing import Any

import falcon
from attrs import AttrsInstance, fields, frozen

from ...domain.sessions import SessionId
from ...domain.use_cases.issuing import Granted
from ...domain.use_cases.logout import Logout
from ...domain.use_cases.opening import OpenSession
from ...domain.use_cases.refreshing import RefreshSession
from ...domain.use_cases.registration import RegisterAndLogin
from ...domain.users import Profile
from ..guarding.envelopes import Envelopes
from ..guarding.languages import Text
from .clients import Clients
from .envelope import FalconEnvelopes
from .guard import principal_of
from .json_body import optional_int_member, optional_text_member, read_object, text_member

USER_INFO = "/api/user/user_info"
HERE_IS_THE_USER = Text("获取信息成功", "Here is the user.")


def write_granted(
    req: falcon.Request, resp: falcon.Response, envelopes: FalconEnvelopes, granted: Granted, msg: Text
) -> None:
    """The form in which tokens are issued (RFC 6749, 5.1, inside the contract's envelope)."""
    req.context.principal, req.context.granted = granted.principal, granted
    data = {
        "token_type": "Bearer",
        "expires_in": int(granted.access_token_ttl.total_seconds()),
        "session_id": granted.session.id,
        "refresh_token": granted.refresh_token,
    }
    envelopes.write(req, resp, msg, data=data, token=granted.access_token)


@frozen
class RegisterResource:
    """POST /api/user/register"""

    register: RegisterAndLogin
    clients: Clients
    envelopes: FalconEnvelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        body = read_object(req)
        granted = self.register(
            phone=text_member(body, "phone"),
            password=text_member(body, "password"),
            user_name=optional_text_member(body, "user_name"),
            invited_by=optional_int_member(body, "invited_by"),
            client=self.clients.logging_in(req, body),
        )
        write_granted(req, resp, self.envelopes, granted, Text("注册成功", "Registered."))


@frozen
class LoginResource:
    """POST /api/user/login and POST /api/admin/login. The body has a member for each part of the credentials."""

    login: OpenSession
    shown: type[AttrsInstance]
    clients: Clients
    envelopes: FalconEnvelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        body = read_object(req)
        replacing = optional_text_member(body, "replace")
        granted = self.login(
            self.shown(**{part.name: text_member(body, part.name) for part in fields(self.shown)}),
            client=self.clients.logging_in(req, body),
            replacing=None if replacing is None else SessionId(replacing),
        )
        write_granted(req, resp, self.envelopes, granted, Text("登陆成功", "Logged in."))


@frozen
class RefreshResource:
    """POST /api/user/token/refresh and POST /api/admin/token/refresh"""

    refresh: RefreshSession
    clients: Clients
    envelopes: FalconEnvelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        token = text_member(read_object(req), "refresh_token")
        granted = self.refresh(token, self.clients.of(req))
        write_granted(req, resp, self.envelopes, granted, Text("刷新成功", "Refreshed."))


@frozen
class LogoutResource:
    """POST /api/user/logout and POST /api/admin/logout"""

    logout: Logout
    clients: Clients
    envelopes: FalconEnvelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.logout(principal_of(req), self.clients.of(req))
        self.envelopes.write(req, resp, Text("退出成功", "Logged out."))


@frozen
class UserInfoResource:
    """GET /api/user/user_info"""

    envelopes: FalconEnvelopes

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.envelopes.write(req, resp, HERE_IS_THE_USER, data=user_data(principal_of(req).user, self.envelopes))


def user_data(user: Profile, envelopes: Envelopes) -> dict[str, Any]:
    """Only the contract's members, under the tutorial's names."""
    registered_at = user.registered_at
    return {
        "id": user.id,
        "mid": user.referrer_id,
        "phone": None if user.phone is None else user.phone.digits,
        "user_name": user.user_name,
        "openid": user.wechat_openid,
        "registration_time": None if registered_at is None else envelopes.local_text(registered_at),
        "account_balance": user.account_balance,
        "state": user.state.text,
        "fee_percentage": user.fee_percentage,
    }
