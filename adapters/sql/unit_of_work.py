"""Several steps in one transaction of the database."""

import secrets
import time
from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

from ...domain.ports import Transaction
from .audit import SqlAuditLog
from .database import REPEAT_SECONDS, Database, OneTransaction
from .failures import Full, Repeatable, final
from .sessions import SqlSessionRepository
from .users import SqlUserRepository

T = TypeVar("T")

MAX_REPEATS = 5


@frozen
class SqlTransaction:
    """The repositories on the connection of one transaction."""

    users: SqlUserRepository
    sessions: SqlSessionRepository
    audit: SqlAuditLog


@frozen
class SqlUnitOfWork:
    """UnitOfWork on a relational database."""

    database: Database

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
                # Jitter, so that those who met do not meet again.
                time.sleep(secrets.randbelow(1000) / 1000 * 0.02 * 2**attempt)
                attempt += 1

    def _once(self, work: Callable[[Transaction], T], *, is_vital: bool) -> T:
        with self.database.attempt(is_vital=is_vital) as connection:
            same = OneTransaction(connection, self.database.product)
            return work(SqlTransaction(SqlUserRepository(same), SqlSessionRepository(same), SqlAuditLog(same)))
