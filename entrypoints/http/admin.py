"""What admins do over HTTP: the operators' use cases."""

from typing import Any

import falcon
from attrs import frozen

from ...domain.audit import AuditEntry
from ...domain.devices import Client
from ...domain.presences import Principal
from ...domain.sessions import SessionId, SessionOverview
from ...domain.use_cases.explaining import Explanation
from ...domain.users import MAX_USER_ID, NoSuchUser, Profile, UserId
from ..guarding.languages import Text
from ..wiring import Service
from .clients import Clients
from .envelope import FalconEnvelopes
from .guard import principal_of
from .json_body import int_member, optional_moment_member, read_object, text_member
from .queries import filter_parameters, kind_parameter, limit_parameter, number_parameter, user_id_parameter
from .users import user_data

_DONE = Text("操作成功", "Done.")


@frozen
class Desk:
    """What every admin resource needs: the use cases, and how users and sessions are shown."""

    service: Service
    clients: Clients
    envelopes: FalconEnvelopes

    def caller(self, req: falcon.Request) -> tuple[Principal, Client]:
        """Who acts, and from where."""
        return principal_of(req), self.clients.of(req)

    def write(self, req: falcon.Request, resp: falcon.Response, data: dict[str, Any]) -> None:
        self.envelopes.write(req, resp, _DONE, data=data)

    def user(self, user: Profile) -> dict[str, Any]:
        state, now = user.state, self.service.clock.now()
        return {
            **user_data(user, self.envelopes),
            "standing": state.standing(now),
            "state_until": None if state.until is None else self.envelopes.local_text(state.until),
            "state_reason": state.reason,
            "is_admin": user.is_admin,
            "device_policy": None if user.device_policy is None else user.device_policy.to_table(),
        }

    def session(self, session: SessionOverview) -> dict[str, Any]:
        end = session.end
        shown = {**self.envelopes.session(session), "kind": session.kind}
        if end is None:
            return shown
        ended = {
            "at": self.envelopes.local_text(end.at),
            "reason": end.reason,
            "actor": None if end.actor is None else end.actor.text,
            "device": None if end.by is None else {"type": end.by.type, "name": end.by.name},
        }
        return {**shown, "end": ended}


@frozen
class UsersResource:
    """GET /api/admin/users"""

    desk: Desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        actor, client = self.desk.caller(req)
        users = self.desk.service.browse.users(
            filter_parameters(req),
            after=user_id_parameter(req, "after") or 0,
            limit=limit_parameter(req),
            caller=actor,
            client=client,
        )
        data = {"users": [self.desk.user(user) for user in users], "next": users[-1].id if users else None}
        self.desk.write(req, resp, data)


@frozen
class UserResource:
    """GET /api/admin/users/{user_id}"""

    desk: Desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        actor, client = self.desk.caller(req)
        user = self.desk.service.browse.user(_user_id(user_id), caller=actor, client=client)
        self.desk.write(req, resp, self.desk.user(user))


@frozen
class FreezeResource:
    """POST /api/admin/users/{user_id}/freeze"""

    desk: Desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        actor, client = self.desk.caller(req)
        body = read_object(req)
        user = self.desk.service.operate.freeze(
            _user_id(user_id),
            reason=text_member(body, "reason"),
            until=optional_moment_member(body, "until"),
            actor=actor,
            client=client,
        )
        self.desk.write(req, resp, self.desk.user(user))


@frozen
class UnfreezeResource:
    """POST /api/admin/users/{user_id}/unfreeze"""

    desk: Desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        actor, client = self.desk.caller(req)
        user = self.desk.service.operate.unfreeze(_user_id(user_id), actor=actor, client=client)
        self.desk.write(req, resp, self.desk.user(user))


@frozen
class FeeResource:
    """PUT /api/admin/users/{user_id}/fee"""

    desk: Desk

    def on_put(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        actor, client = self.desk.caller(req)
        percentage = int_member(read_object(req), "fee_percentage")
        user = self.desk.service.operate.set_fee(_user_id(user_id), percentage=percentage, actor=actor, client=client)
        self.desk.write(req, resp, self.desk.user(user))


@frozen
class UserSessionsResource:
    """GET and DELETE /api/admin/users/{user_id}/sessions"""

    desk: Desk

    def on_get(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        actor, client = self.desk.caller(req)
        sessions = self.desk.service.browse.sessions(_user_id(user_id), caller=actor, client=client)
        self.desk.write(req, resp, {"sessions": [self.desk.session(session) for session in sessions]})

    def on_delete(self, req: falcon.Request, resp: falcon.Response, user_id: int) -> None:
        actor, client = self.desk.caller(req)
        ended = self.desk.service.operate.kick(_user_id(user_id), session_id=None, actor=actor, client=client)
        self.desk.write(req, resp, {"ended": ended})


@frozen
class UserSessionResource:
    """DELETE /api/admin/users/{user_id}/sessions/{session_id}"""

    desk: Desk

    def on_delete(self, req: falcon.Request, resp: falcon.Response, user_id: int, session_id: str) -> None:
        actor, client = self.desk.caller(req)
        ended = self.desk.service.operate.kick(
            _user_id(user_id), session_id=SessionId(session_id), actor=actor, client=client
        )
        self.desk.write(req, resp, {"ended": ended})


@frozen
class EverybodysSessionsResource:
    """POST /api/admin/sessions/kick"""

    desk: Desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        actor, client = self.desk.caller(req)
        password = text_member(read_object(req), "password")
        ended = self.desk.service.kick_everybody(caller=actor, password=password, client=client)
        self.desk.write(req, resp, {"ended": ended})


@frozen
class AuditResource:
    """GET /api/admin/audit"""

    desk: Desk

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        actor, client = self.desk.caller(req)
        entries = self.desk.service.browse.audit(
            subject=user_id_parameter(req, "user"),
            before=number_parameter(req, "before"),
            limit=limit_parameter(req),
            kind=kind_parameter(req),
            caller=actor,
            client=client,
        )
        data = {
            "entries": [_entry_data(entry, self.desk.envelopes) for entry in entries],
            "next": entries[-1].id if entries else None,
        }
        self.desk.write(req, resp, data)


@frozen
class ExplainResource:
    """POST /api/admin/explain"""

    desk: Desk

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        actor, client = self.desk.caller(req)
        token = text_member(read_object(req), "token")
        explanation = self.desk.service.browse.explain(token, caller=actor, client=client)
        self.desk.write(req, resp, self._shown(explanation))

    def _shown(self, explanation: Explanation) -> dict[str, Any]:
        claims, text = explanation.claims, self.desk.envelopes.local_text
        return {
            "verdict": explanation.verdict,
            "kind": explanation.kind,
            "issued_at": None if claims is None else text(claims.issued_at),
            "expires_at": None if claims is None else text(claims.expires_at),
            "user": None if explanation.user is None else self.desk.user(explanation.user),
            "session": None if explanation.session is None else self.desk.session(explanation.session),
        }


def _entry_data(entry: AuditEntry, envelopes: FalconEnvelopes) -> dict[str, Any]:
    event = entry.event
    return {
        "id": entry.id,
        "time": envelopes.local_text(event.at),
        "actor": event.actor.text,
        "action": event.action,
        "outcome": event.outcome,
        "subject": event.subject,
        "detail": event.detail,
        "session_id": event.session_id,
        "device": None if event.device is None else {"type": event.device.type, "name": event.device.name},
        "address": event.address,
        "times": entry.times,
        "last_time": None if entry.last_at is None else envelopes.local_text(entry.last_at),
        "shown": event.shown,
    }


def _user_id(number: int) -> UserId:
    """Raises NoSuchUser for a number that no user can have."""
    if not 0 < number <= MAX_USER_ID:
        raise NoSuchUser
    return UserId(number)
