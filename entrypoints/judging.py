"""The guard on an event loop: what is remembered is judged at once, and only what has to be read gets a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from os import getpid
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from attrs import define, field, frozen

from ..domain.errors import StoreUnavailable
from ..domain.ports.reading import WouldWait
from ..domain.presences import Principal
from .databases import SERVING_THREADS
from .guarding.envelopes import Refused
from .guarding.guard import Guard

ANSWER_SECONDS = 4.0
"""How long something may take in a thread; then the caller is told to try again."""

WAITING = 256
"""How many may wait for a thread. Who comes then is told to try again: an endless queue would help nobody."""

P = ParamSpec("P")
R = TypeVar("R")


@frozen
class _Pool:
    """The threads of one process, and the places of those who use them or wait."""

    threads: ThreadPoolExecutor
    places: BoundedSemaphore


@define(eq=False)
class Threads:
    """A bounded executor that is made when it is first asked, in each process, so that a server may fork after the import."""

    most: int
    waiting: int
    _pools: dict[int, _Pool] = field(factory=dict, init=False, repr=False)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What *work* returns or raises, from a thread, in the caller's context.

        Raises StoreUnavailable if that takes too long, or too many wait.
        """
        pool = self._pool()
        if not pool.places.acquire(blocking=False):
            raise StoreUnavailable("too many requests wait for the store")
        try:
            future = pool.threads.submit(copy_context().run, partial(work, *args, **kwargs))
        except BaseException:
            pool.places.release()
            raise
        # Also when nobody waits for it any more: until then it has its place.
        future.add_done_callback(lambda _: pool.places.release())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise StoreUnavailable("the answer took too long") from None

    def _pool(self) -> _Pool:
        found = self._pools.get(getpid())
        if found is None:
            made = _Pool(ThreadPoolExecutor(self.most, "menshen"), BoundedSemaphore(self.most + self.waiting))
            # Of two that are made at once one is never used, and has no threads then.
            found = self._pools.setdefault(getpid(), made)
        return found


THREADS = Threads(SERVING_THREADS, WAITING)
"""The one executor of the process: for guards that have to read, and for mounted account routes. It has as many threads as
the service itself, of which half are never waiting for the hasher."""


@frozen
class AsyncJudge:
    """Judges as *judge* does, and never stops the event loop for the store.

    *without_waiting* is that of the accounts; None for a judge that always reads.
    """

    judge: Guard
    without_waiting: Callable[[], AbstractContextManager[None]] | None
    threads: Threads = THREADS

    async def __call__(
        self, token: str | None, authorization: str | None, accept_language: str | None
    ) -> Principal | Refused:
        found = self.at_once(token, authorization, accept_language)
        return found or await self.by_reading(token, authorization, accept_language)

    def at_once(
        self, token: str | None, authorization: str | None, accept_language: str | None
    ) -> Principal | Refused | None:
        """The same without a coroutine; None where something has to be read."""
        if self.without_waiting is None:
            return None
        try:
            with self.without_waiting():
                return self.judge(token, authorization, accept_language)
        except WouldWait:
            return None

    async def by_reading(
        self, token: str | None, authorization: str | None, accept_language: str | None
    ) -> Principal | Refused:
        """The same in a thread."""
        try:
            return await self.threads.run(self.judge, token, authorization, accept_language)
        except StoreUnavailable as refusal:
            return self.judge.envelopes.refused(accept_language, refusal)
