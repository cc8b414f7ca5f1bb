"""The audit log: who did what to whom, when, from where, and how it came out. Never a password or a token."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from attrs import frozen

from .actors import Actor
from .devices import NO_CLIENT, Client, Device
from .sessions import SessionId
from .users import UserId

AuditId = NewType("AuditId", int)

DONE = "done"
"""The outcome of what was carried out; that of a refusal is its reason."""


class Action(StrEnum):
    """What can be recorded. A name is public and never changes its meaning."""

    REGISTER = "register"
    LOG_IN = "log_in"
    ADMIN_LOG_IN = "admin_log_in"
    END_SESSION = "end_session"
    KICK = "kick"
    CHANGE_PASSWORD = "change_password"
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


@frozen(kw_only=True)
class AuditEvent:
    """One line of the log. ``subject`` is the user it is about; None where no user is known by what was given."""

    at: datetime
    actor: Actor
    action: Action | str
    """A bare text is one that this version does not know."""

    subject: UserId | None
    outcome: str = DONE
    detail: str | None = None
    session_id: SessionId | None = None
    device: Device | None = None
    address: str | None = None


@frozen(kw_only=True)
class AuditEntry:
    """An event as the log holds it."""

    id: AuditId
    event: AuditEvent


def event_of(
    client: Client,
    *,
    at: datetime,
    actor: Actor,
    action: Action,
    subject: UserId | None,
    session_id: SessionId | None = None,
    detail: str | None = None,
) -> AuditEvent:
    """An event that came in by *client*."""
    return AuditEvent(
        at=at,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        session_id=session_id,
        device=None if client == NO_CLIENT else client.device,
        address=client.address,
    )
