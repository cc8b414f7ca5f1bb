"""The guard on an event loop: at once where it need not wait, and otherwise in a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from os import getpid

from attrs import field, frozen

from ..domain.ports.reading import WouldWait
from ..domain.presences import Principal
from .guarding.envelopes import Refused
from .guarding.guard import Guard

READING_THREADS = 16
"""How many judgements of a process may wait for the store at a time; more queue."""


@frozen
class Threads:
    """A bounded executor that each process makes when it first asks, so that it survives the fork of a server."""

    most: int
    _made: dict[int, ThreadPoolExecutor] = field(factory=dict, init=False, repr=False)

    def __call__(self) -> ThreadPoolExecutor:
        found = self._made.get(getpid())
        # Of two that are made at once one is never used, and has no threads then.
        return found or self._made.setdefault(getpid(), ThreadPoolExecutor(self.most, "menshen-guard"))


THREADS = Threads(READING_THREADS)
"""The one pool of all guards of the process."""


@frozen
class AsyncJudge:
    """Judges as *judge* does, without ever stopping the event loop for the store.

    *without_waiting* is that of the accounts; None for a judge that always reads.
    """

    judge: Guard
    without_waiting: Callable[[], AbstractContextManager[None]] | None
    threads: Callable[[], ThreadPoolExecutor] = THREADS

    async def __call__(
        self, token: str | None, authorization: str | None, accept_language: str | None
    ) -> Principal | Refused:
        if self.without_waiting is not None:
            try:
                with self.without_waiting():
                    return self.judge(token, authorization, accept_language)
            except WouldWait:
                pass
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads(), self.judge, token, authorization, accept_language)
