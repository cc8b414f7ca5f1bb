"""The audit log: who did what to whom, when, from where, and how it came out. Never a password or a token."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import NewType

from attrs import evolve, field, frozen

from .actors import Actor
from .devices import NO_CLIENT, Client, Device
from .sessions import SessionId
from .users import UserId

AuditId = NewType("AuditId", int)

DONE = "done"
"""The outcome of an act that was carried out; the outcome of a refusal is its reason."""


class Action(StrEnum):
    """What can be recorded. A name is public and never changes its meaning."""

    REGISTER = "register"
    LOG_IN = "log_in"
    ADMIN_LOG_IN = "admin_log_in"
    END_SESSION = "end_session"
    KICK = "kick"
    KICK_EVERYBODY = "kick_everybody"
    CHANGE_PASSWORD = "change_password"
    CHANGE_PHONE = "change_phone"
    RENAME = "rename"
    CLOSE = "close"
    REOPEN = "reopen"
    ERASE = "erase"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    SET_FEE = "set_fee"
    SET_POLICY = "set_policy"
    GRANT_ADMIN = "grant_admin"
    REVOKE_ADMIN = "revoke_admin"
    JOIN = "join"
    """A row that an adoption had left out was joined with the account."""
    VOUCH_FOR_CLOCK = "vouch_for_clock"
    """An operator said that the clock is right, and had old data deleted."""
    READ = "read"
    """An operator or admin looked at what the service knows about people."""


TAKES_AWAY: Collection[Action] = frozenset(
    {
        Action.END_SESSION,
        Action.KICK,
        Action.KICK_EVERYBODY,
        Action.CLOSE,
        Action.ERASE,
        Action.FREEZE,
        Action.REVOKE_ADMIN,
    }
)
"""Acts that take rights away, each once or by an operator. They are vital, and still work when the store is full."""


class EntryKind(StrEnum):
    """Which entries to show: reads are so many that they would bury the changes."""

    ACTS = "acts"
    READS = "reads"
    ALL = "all"


@frozen(kw_only=True)
class AuditEvent:
    """One line of the log. ``subject`` is the user it is about; None if what was given identifies no user."""

    at: datetime
    actor: Actor
    action: str
    """An Action, or a text that this version does not know."""

    subject: UserId | None
    outcome: str = DONE
    detail: str | None = None
    session_id: SessionId | None = None
    device: Device | None = None
    address: str | None = None
    shown: int | None = None
    """For a read: how many users, sessions or entries were shown."""

    def likeness(self, window: timedelta) -> str:
        """The same for all events that one row of the log counts: equal except for their moments in one *window*.

        The windows are counted from the year 1, so that every process uses the same ones.
        """
        number = (self.at - datetime.min.replace(tzinfo=UTC)) // window
        what = (number, self.actor.text, str(self.action), self.subject, self.outcome, self.detail, self.address)
        return sha256(repr(what).encode("utf-8", "surrogatepass")).hexdigest()[:32]


@frozen(kw_only=True)
class AuditEntry:
    """An event as the log keeps it."""

    id: AuditId
    event: AuditEvent
    times: int = 1
    """How many events it counts; *event* is the first of them."""

    last_at: datetime | None = None
    """When the last of them happened, if there are several."""

    likeness: str | None = field(default=None, repr=False)

    def counting(self, event: AuditEvent) -> "AuditEntry":
        """This entry, with one more event counted."""
        shown = (self.event.shown or 0) + event.shown if event.shown is not None else self.event.shown
        last_at = max(self.last_at or self.event.at, event.at)
        return evolve(self, event=evolve(self.event, shown=shown), times=self.times + 1, last_at=last_at)


def event_of(
    client: Client,
    *,
    at: datetime,
    actor: Actor,
    action: Action,
    subject: UserId | None,
    session_id: SessionId | None = None,
    detail: str | None = None,
    shown: int | None = None,
) -> AuditEvent:
    """An event that came from *client*."""
    return AuditEvent(
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        session_id=session_id,
        device=None if client == NO_CLIENT else client.device,
        address=client.address,
        shown=shown,
    )
