"""Several steps in one transaction of the database."""

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from attrs import frozen

from ...domain.ports.stores import Parts
from ...domain.ports.writing import Transaction, personal_among
from .database import REPEAT_SECONDS, Database
from .failures import Full, Repeatable, final
from .step import Step
from .user_writing import lock_user

T = TypeVar("T")

MAX_REPEATS = 5


@frozen
class SqlUnitOfWork:
    """UnitOfWork on a relational database."""

    database: Database
    writers: Mapping[type, Callable[[Step], Any]]
    """Makes the adapter for each port within a transaction."""

    def transact(self, work: Callable[[Transaction], T], *, is_vital: bool = False) -> T:
        begin = time.monotonic()
        attempt = 1
        with final():
            while True:
                try:
                    return self._once(work, is_vital=is_vital)
                except Full:
                    if not (is_vital and attempt <= MAX_REPEATS and self.database.reserve.give()):
                        raise
                except Repeatable:
                    if attempt > MAX_REPEATS or time.monotonic() - begin > REPEAT_SECONDS:
                        raise
                # Jitter, so that transactions that collided do not collide again.
                time.sleep(secrets.randbelow(1000) / 1000 * 0.02 * 2**attempt)
                attempt += 1

    def _once(self, work: Callable[[Transaction], T], *, is_vital: bool) -> T:
        with self.database.attempt(is_vital=is_vital) as connection:
            step = Step(connection, self.database.product)
            parts, personal = Parts(self.writers, step), personal_among(self.writers)
            return work(Transaction(part=parts, locking=partial(lock_user, step), personal=personal))
