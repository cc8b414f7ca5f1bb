"""Several steps in one transaction of the database."""

from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

from ...domain.ports import Transaction
from .audit import SqlAuditLog
from .database import Database, OneTransaction
from .sessions import SqlSessionRepository
from .users import SqlUserRepository

T = TypeVar("T")


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

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with self.database.writing() as connection:
            same = OneTransaction(connection)
            return work(SqlTransaction(SqlUserRepository(same), SqlSessionRepository(same), SqlAuditLog(same)))
