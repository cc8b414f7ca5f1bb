"""Words that have to be said, in a thread of their own: whoever owes one waits for it, but not for long."""

import logging
from collections.abc import Set as AbstractSet
from threading import Condition, Thread
from typing import Protocol

from attrs import define, field

from ...domain.users import UserId

_log = logging.getLogger("menshen.store")


class Speaker(Protocol):
    """Says it, once; called by one thread."""

    def __call__(self, users: set[UserId] | None) -> None:
        """About these users, or about everybody. May raise anything."""
        ...

    def close(self) -> None: ...


@define(eq=False)
class Owed:
    """Users about whom something is to be said. What could not be said is said later, together with what has come since.

    For one process: what others owe, they say.
    """

    say: Speaker
    retry_seconds: float
    _users: set[UserId] = field(factory=set, init=False)
    _is_everybody: bool = field(default=False, init=False)
    _asked: int = field(default=0, init=False)
    """How often something was asked for; of these, how many have been tried to say, and how many have been said."""
    _tried: int = field(default=0, init=False)
    _said: int = field(default=0, init=False)
    _is_closing: bool = field(default=False, init=False)
    _changed: Condition = field(factory=Condition, init=False)
    _thread: Thread | None = field(default=None, init=False)

    def pay(self, users: AbstractSet[UserId] | None, patience_seconds: float) -> bool:
        """Whether it has been said, of these users or of everybody. At the latest after *patience_seconds* it is False."""
        with self._changed:
            self._owe(users)
            self._asked += 1
            mine = self._asked
            if self._is_closing or not self._is_running():
                return False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._tried >= mine, patience_seconds)
            return self._said >= mine

    def close(self, patience_seconds: float) -> None:
        """Try once more to say what is owed."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(patience_seconds)

    def _owe(self, users: AbstractSet[UserId] | None) -> None:
        if users is None:
            self._is_everybody = True
        else:
            self._users |= users

    def _is_running(self) -> bool:
        if self._thread is None:
            thread = Thread(target=self._run, name="menshen-words", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                _log.error("a change is not announced to other nodes: %s", error)
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_closing or self._asked > self._tried,
                    self.retry_seconds if self._asked > self._said else None,
                )
                is_last, asked = self._is_closing, self._asked
                users, self._users = (None if self._is_everybody else self._users), set()
                self._is_everybody = False
            is_said = asked == self._said or self._is_said(users)
            with self._changed:
                self._tried = asked
                if is_said:
                    self._said = asked
                else:
                    self._owe(users)
                self._changed.notify_all()
        self.say.close()

    def _is_said(self, users: set[UserId] | None) -> bool:
        try:
            self.say(users)
        except Exception as error:  # noqa: BLE001 - whatever it is, it has not been said
            if self._said == self._tried:
                _log.error("changes are not announced to other nodes for now, and so not acknowledged: %s", error)
            return False
        return True
