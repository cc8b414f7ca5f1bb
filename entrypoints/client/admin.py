"""The client of admins."""

from datetime import datetime
from typing import Unpack

from .account import credentials
from .answers import AuditPage, Device, Explanation, SessionRecord, UserPage, UserRecord
from .options import Options, SessionClient, segment, without_none
from .tokens import Tokens


class AdminClient(SessionClient):
    """An admin's session at the service at *base_url*, and everything that an admin can do there.

    It raises what Client raises.
    """

    def __init__(self, base_url: str, **options: Unpack[Options]) -> None:
        super().__init__(base_url, "/api/admin", **options)

    def login(
        self,
        phone: str,
        password: str,
        *,
        device: Device | None = None,
        remember: bool = False,
        replace: str | None = None,
    ) -> Tokens:
        """Log in as an admin."""
        return self._open("/login", {**credentials(phone, password, device, remember), **without_none(replace=replace)})

    def users(
        self,
        *,
        user_id: int | None = None,
        phone: str | None = None,
        name: str | None = None,
        state: str | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> UserPage:
        """Users by id, at most a hundred; *name* is how it begins, *state* like a standing."""
        wanted = without_none(id=user_id, phone=phone, name=name, state=state, after=after, limit=limit)
        return UserPage.read(self._get("/users", _query(wanted)))

    def user(self, user_id: int) -> UserRecord:
        """One user."""
        return UserRecord.read(self._get(f"/users/{user_id:d}"))

    def freeze(self, user_id: int, *, reason: str, until: datetime | None = None) -> UserRecord:
        """Freeze a user, for good without *until*, and end all their sessions. Raises ValueError for a time without a zone."""
        if until is not None and until.tzinfo is None:
            raise ValueError("until needs a time zone")
        body = {"reason": reason, "until": None if until is None else until.isoformat(timespec="seconds")}
        return UserRecord.read(self._post(f"/users/{user_id:d}/freeze", body))

    def unfreeze(self, user_id: int) -> UserRecord:
        """Take a freeze back."""
        return UserRecord.read(self._post(f"/users/{user_id:d}/unfreeze"))

    def set_fee(self, user_id: int, percentage: int) -> UserRecord:
        """Set the fee percentage of a user, 0 to 100."""
        reply = self._call("PUT", f"/users/{user_id:d}/fee", {"fee_percentage": percentage})
        return UserRecord.read(reply.data)

    def user_sessions(self, user_id: int) -> tuple[SessionRecord, ...]:
        """The live sessions of a user."""
        return tuple(SessionRecord.read(each) for each in self._get(f"/users/{user_id:d}/sessions").list("sessions"))

    def kick_session(self, user_id: int, session_id: str) -> int:
        """End one session of a user; how many have ended."""
        path = f"/users/{user_id:d}/sessions/{segment(session_id)}"
        return self._call("DELETE", path).data.number("ended")

    def kick_user(self, user_id: int) -> int:
        """End every session of a user; how many have ended."""
        return self._call("DELETE", f"/users/{user_id:d}/sessions").data.number("ended")

    def kick_everybody(self, password: str) -> int:
        """End every session of everybody, this one too; how many have ended. *password* is the admin's own."""
        ended = self._post("/sessions/kick", {"password": password}).number("ended")
        self._keeper.forget()
        return ended

    def audit(
        self,
        *,
        user: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        kind: str | None = None,
    ) -> AuditPage:
        """The audit log, newest first. *kind*: acts, reads or all."""
        return AuditPage.read(
            self._get("/audit", _query(without_none(user=user, before=before, limit=limit, kind=kind)))
        )

    def explain(self, token: str) -> Explanation:
        """Which check a token fails, if any, whose it is, and what ended its session."""
        return Explanation.read(self._post("/explain", {"token": token}))


def _query(wanted: dict[str, str | int]) -> dict[str, str]:
    return {name: str(value) for name, value in wanted.items()}
