"""What the service refuses, as exceptions: the base of all of them, and which one an answer becomes."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from .answers import EndedBy, Session
from .reading import AnswerUnreadable, Members

_KINDS: dict[tuple[bool, str], type["Refused"]] = {}
"""Each kind by whether it is a 401, and by its reason: two reasons are told with a 401 and with a 403."""


class Refused(Exception):
    """The service has answered no. Each kind has a class; an instance of this one has a reason that is newer.

    *code* is the HTTP status, *reason* the stable word for the kind, *msg* a sentence for people, and *data* what else
    the answer says.
    """

    kind: ClassVar[str]
    """The reason that a class is for."""

    def __init_subclass__(cls, *, reason: str | None = None) -> None:
        if reason is not None:
            cls.kind = reason
            _KINDS[issubclass(cls, Unauthenticated), reason] = cls

    def __init__(self, code: int, reason: str, msg: str, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, reason, msg, data)
        self.code, self.reason, self.msg, self.data = code, reason, msg, dict(data or {})

    def __str__(self) -> str:
        return f"{self.code} {self.reason}: {self.msg}"


class Unauthenticated(Refused):
    """A 401: the token, or its session, is not good, or not any more."""

    @property
    def ended_at(self) -> str | None:
        """When the session ended, in the service's time zone, where the answer says so."""
        with suppress(AnswerUnreadable):
            return Members(self.data).optional_text("ended_at")
        return None

    @property
    def by(self) -> EndedBy | None:
        """The device that ended the session, where the answer says so."""
        with suppress(AnswerUnreadable):
            return EndedBy.read(Members(self.data).members("by"))
        return None


class Unavailable(Refused):
    """A 503: not now; *retry_after* is after how many seconds to ask again, where the answer says so."""

    retry_after: float | None = None


def refused(code: int, reason: str, msg: str, data: Mapping[str, Any], retry_after: float | None = None) -> Refused:
    """The exception for such an answer, of the class that its reason has."""
    general = Unauthenticated if code == 401 else Unavailable if code == 503 else Refused
    refusal = _KINDS.get((code == 401, reason), general)(code, reason, msg, data)
    if isinstance(refusal, Unavailable):
        refusal.retry_after = retry_after
    return refusal


class TooManyDevices(Refused, reason="too_many_devices"):
    """The device policy has no place for this login."""

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The sessions that are in the way; the id of one goes into ``login(replace=...)``."""
        return tuple(Session.read(each) for each in Members(self.data).list("sessions"))
