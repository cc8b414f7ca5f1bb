"""Requests to a service and their outcomes, in a log that only grows."""

import json
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import IO

from attrs import asdict, define, field, frozen


class Kind(StrEnum):
    """The kind of a request."""

    REGISTER = "register"
    LOG_IN = "log in"
    LOG_OUT = "log out"
    AUTHENTICATE = "authenticate"
    GUESS = "guess"
    """A login with a wrong password, or one whose change was acknowledged: to be refused, whatever happens."""
    REUSE = "reuse"
    """A token whose session ended, which was acknowledged: to be refused, whatever happens."""
    REFRESH = "refresh"
    """With the newest refresh token of a session that nobody ends."""
    CHANGE_PASSWORD = "change password"
    """From the first password of a user to the other one."""


class Outcome(StrEnum):
    """What the caller knows afterwards."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """No answer, or a 503: it may have happened, or not."""


@frozen
class Operation:
    """One request; times are from a monotonic clock."""

    kind: Kind
    phone: str
    begin: float
    end: float
    outcome: Outcome
    status: int = 0
    """Zero where no answer came."""
    reason: str | None = None
    token: str | None = None
    """The token that it returned or used; for a refresh, the refresh token used."""
    refresh_token: str | None = None
    """The refresh token that it returned."""
    flaw: str | None = None
    """What is wrong with the answer, whatever it says."""

    @property
    def seconds(self) -> float:
        return self.end - self.begin


@define(eq=False)
class Journal:
    """A line for each operation, written before the next step."""

    path: Path
    _file: IO[str] = field(init=False)
    _lock: Lock = field(factory=Lock, init=False)
    _acknowledged: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._file = self.path.open("a")

    @property
    def acknowledged(self) -> int:
        """How many registrations were acknowledged."""
        return self._acknowledged

    def close(self) -> None:
        self._file.close()

    def append(self, operation: Operation) -> None:
        line = json.dumps(asdict(operation))
        with self._lock:
            self._file.write(line + os.linesep)
            self._file.flush()
            self._acknowledged += operation.kind is Kind.REGISTER and operation.outcome is Outcome.OK

    def operations(self) -> Sequence[Operation]:
        """All of them, as recorded."""
        found = []
        for line in self.path.read_text().splitlines():
            fields = json.loads(line)
            found.append(Operation(**{**fields, "kind": Kind(fields["kind"]), "outcome": Outcome(fields["outcome"])}))
        return found
