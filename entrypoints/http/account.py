"""What users do with their own account."""

import falcon
from attrs import frozen

from ...domain.sessions import SessionId
from ...domain.use_cases.account import ChangePassword, EndSessions, ListSessions, RenameUser
from ...domain.use_cases.closing import CloseAccount
from ..guarding.languages import Text
from ..guarding.refusals import MemberMissing
from .clients import Clients
from .envelope import FalconEnvelopes
from .guard import principal_of
from .json_body import optional_text_member, read_object, text_member
from .users import user_data


@frozen
class SessionsResource:
    """GET and DELETE /api/user/sessions, and POST /api/user/sessions/end: many clients send no body with DELETE."""

    list_sessions: ListSessions
    end_sessions: EndSessions
    clients: Clients
    envelopes: FalconEnvelopes

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        principal = principal_of(req)
        sessions = [
            {**self.envelopes.session(session), "current": session.id == principal.session.id}
            for session in self.list_sessions(principal)
        ]
        self.envelopes.write(req, resp, Text("获取会话成功", "Here are the sessions."), data={"sessions": sessions})

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        ended = self.end_sessions.others(
            principal_of(req),
            password=optional_text_member(read_object(req), "password"),
            client=self.clients.of(req),
        )
        self.envelopes.write(req, resp, Text("已退出其他设备", "The others are signed out."), data={"ended": ended})

    on_post_end = on_delete


@frozen
class SessionResource:
    """DELETE /api/user/sessions/{session_id}, and POST /api/user/sessions/{session_id}/end"""

    end_sessions: EndSessions
    clients: Clients
    envelopes: FalconEnvelopes

    def on_delete(self, req: falcon.Request, resp: falcon.Response, session_id: str) -> None:
        self.end_sessions(
            principal_of(req),
            session_id=SessionId(session_id),
            password=optional_text_member(read_object(req), "password"),
            client=self.clients.of(req),
        )
        self.envelopes.write(req, resp, Text("已退出该设备", "It is signed out."))

    on_post_end = on_delete


@frozen
class PasswordResource:
    """POST /api/user/password"""

    change_password: ChangePassword
    clients: Clients
    envelopes: FalconEnvelopes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        body = read_object(req)
        self.change_password(
            principal_of(req),
            old=text_member(body, "old_password"),
            new=text_member(body, "new_password"),
            client=self.clients.of(req),
        )
        self.envelopes.write(req, resp, Text("修改密码成功", "The password is changed."))


@frozen
class ProfileResource:
    """PATCH and POST /api/user/profile: mini-programs have no PATCH."""

    rename_user: RenameUser
    clients: Clients
    envelopes: FalconEnvelopes

    def on_patch(self, req: falcon.Request, resp: falcon.Response) -> None:
        body = read_object(req)
        if "user_name" not in body:
            raise MemberMissing("user_name")
        user = self.rename_user(
            principal_of(req), user_name=optional_text_member(body, "user_name"), client=self.clients.of(req)
        )
        self.envelopes.write(
            req, resp, Text("修改资料成功", "The profile is changed."), data=user_data(user, self.envelopes)
        )

    on_post = on_patch


@frozen
class AccountResource:
    """DELETE /api/user, and POST /api/user/close: many clients send no body with DELETE."""

    close_account: CloseAccount
    clients: Clients
    envelopes: FalconEnvelopes

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        password = text_member(read_object(req), "password")
        closes_at = self.close_account(principal_of(req), password=password, client=self.clients.of(req))
        self.envelopes.write(
            req,
            resp,
            Text("注销申请成功,在此之前登陆即可撤销", "The account closes then; logging in before takes it back."),
            data={"closes_at": self.envelopes.local_text(closes_at)},
        )

    on_post_close = on_delete
