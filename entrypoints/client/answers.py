"""What the service answers, as values. Times are texts as it writes them: ``YYYY-MM-DD HH:MM:SS`` in its time zone."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from .reading import Members


@dataclass(frozen=True)
class Device:
    """A device as a login names it. *type*: phone, tablet, pc, web, mini_program or other."""

    type: str = "other"
    id: str | None = None
    name: str | None = None

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(found.text("type"), found.optional_text("id"), found.optional_text("name"))


@dataclass(frozen=True)
class EndedBy:
    """The device that ended a session."""

    type: str
    name: str | None

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(found.text("type"), found.optional_text("name"))


@dataclass(frozen=True, kw_only=True)
class User:
    """A user, under the names of the wire: *mid* is the id of the referrer, *account_balance* is exact."""

    id: int
    mid: int | None
    phone: str | None
    user_name: str | None
    openid: str | None
    registration_time: str | None
    account_balance: Decimal
    state: str
    fee_percentage: int

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(**_user(found))


def _user(found: Members) -> dict[str, Any]:
    return {
        "id": found.number("id"),
        "mid": found.optional_number("mid"),
        "phone": found.optional_text("phone"),
        "user_name": found.optional_text("user_name"),
        "openid": found.optional_text("openid"),
        "registration_time": found.optional_text("registration_time"),
        "account_balance": found.amount("account_balance"),
        "state": found.text("state"),
        "fee_percentage": found.number("fee_percentage"),
    }


@dataclass(frozen=True, kw_only=True)
class UserRecord(User):
    """A user as admins see them. *standing*: active, frozen, closing, closed or unknown."""

    standing: str
    state_until: str | None
    state_reason: str | None
    is_admin: bool
    device_policy: Mapping[str, int | str] | None

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(
            **_user(found),
            standing=found.text("standing"),
            state_until=found.optional_text("state_until"),
            state_reason=found.optional_text("state_reason"),
            is_admin=found.truth("is_admin"),
            device_policy=found.table("device_policy"),
        )


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session of a user."""

    id: str
    device: Device
    first_seen: str
    last_seen: str
    address: str | None
    user_agent: str | None

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(**_session(found))


def _session(found: Members) -> dict[str, Any]:
    return {
        "id": found.text("id"),
        "device": Device.read(found.members("device")),
        "first_seen": found.text("first_seen"),
        "last_seen": found.text("last_seen"),
        "address": found.optional_text("address"),
        "user_agent": found.optional_text("user_agent"),
    }


@dataclass(frozen=True, kw_only=True)
class OwnSession(Session):
    """One of one's own sessions; *current* is the one that asks."""

    current: bool

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(**_session(found), current=found.truth("current"))


@dataclass(frozen=True, kw_only=True)
class SessionEnd:
    """How a session ended."""

    at: str
    reason: str
    actor: str | None
    device: EndedBy | None

    @classmethod
    def read(cls, found: Members) -> Self:
        device = found.optional_members("device")
        return cls(
            at=found.text("at"),
            reason=found.text("reason"),
            actor=found.optional_text("actor"),
            device=None if device is None else EndedBy.read(device),
        )


@dataclass(frozen=True, kw_only=True)
class SessionRecord(Session):
    """A session as admins see it. *kind*: of a user, or of an admin."""

    kind: str
    end: SessionEnd | None

    @classmethod
    def read(cls, found: Members) -> Self:
        end = found.optional_members("end")
        return cls(**_session(found), kind=found.text("kind"), end=None if end is None else SessionEnd.read(end))


@dataclass(frozen=True)
class UserPage:
    """Users by id; *next* goes into ``after``, None where there is no more."""

    users: tuple[UserRecord, ...]
    next: int | None

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(tuple(UserRecord.read(each) for each in found.list("users")), found.optional_number("next"))


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """An entry of the audit log; one may count many events, *times* says how many."""

    id: int
    time: str
    actor: str
    action: str
    outcome: str
    subject: int | None
    detail: str | None
    session_id: str | None
    device: EndedBy | None
    address: str | None
    times: int
    last_time: str | None
    shown: int | None

    @classmethod
    def read(cls, found: Members) -> Self:
        device = found.optional_members("device")
        return cls(
            id=found.number("id"),
            time=found.text("time"),
            actor=found.text("actor"),
            action=found.text("action"),
            outcome=found.text("outcome"),
            subject=found.optional_number("subject"),
            detail=found.optional_text("detail"),
            session_id=found.optional_text("session_id"),
            device=None if device is None else EndedBy.read(device),
            address=found.optional_text("address"),
            times=found.number("times"),
            last_time=found.optional_text("last_time"),
            shown=found.optional_number("shown"),
        )


@dataclass(frozen=True)
class AuditPage:
    """Entries, newest first; *next* goes into ``before``, None where there is no more."""

    entries: tuple[AuditEntry, ...]
    next: int | None

    @classmethod
    def read(cls, found: Members) -> Self:
        return cls(tuple(AuditEntry.read(each) for each in found.list("entries")), found.optional_number("next"))


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What a token is: *verdict* is ``valid``, or the reason why it is refused."""

    verdict: str
    kind: str | None
    issued_at: str | None
    expires_at: str | None
    user: UserRecord | None
    session: SessionRecord | None

    @classmethod
    def read(cls, found: Members) -> Self:
        user, session = found.optional_members("user"), found.optional_members("session")
        return cls(
            verdict=found.text("verdict"),
            kind=found.optional_text("kind"),
            issued_at=found.optional_text("issued_at"),
            expires_at=found.optional_text("expires_at"),
            user=None if user is None else UserRecord.read(user),
            session=None if session is None else SessionRecord.read(session),
        )
