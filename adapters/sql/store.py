"""All the storage ports on one relational database."""

from ...domain.ports import Store
from .audit import SqlAuditLog
from .database import Database
from .sessions import SqlSessionRepository
from .unit_of_work import SqlUnitOfWork
from .users import SqlUserRepository


def sql_store(database: Database) -> Store:
    """The store on *database*, whose schema is there."""
    return Store(
        users=SqlUserRepository(database),
        sessions=SqlSessionRepository(database),
        audit=SqlAuditLog(database),
        work=SqlUnitOfWork(database),
        ping=database.ping,
        give_back=database.give_back,
        close=database.close,
        weaknesses=database.weaknesses,
        exposures=database.exposures,
        is_embedded=database.product.is_embedded,
    )
