"""MariaDB, by PyMySQL."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, Executable, Index, Table, event
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from . import mariadb_tls
from .product import (
    ANSWER_SECONDS,
    CHANGE_TRIGGERS,
    CONNECT_SECONDS,
    IDLE_SECONDS,
    STATEMENT_SECONDS,
    WAIT_SECONDS,
    WATCHED,
    DriverMissing,
    in_other_words,
)
from .servers import DatabaseServer, pooled_engine

# Lock not available in time, deadlock (also Galera's certification failure).
_REPEATABLE = frozenset({1205, 1213})

_DUPLICATE = 1062

# The server, the transaction, or the storage engine is read-only.
_READ_ONLY = frozenset({1290, 1792, 1836})

# No privilege (on the database, the table, in general), or a binary log that takes triggers only from administrators.
_FORBIDDEN = frozenset({1044, 1142, 1227, 1419})

_TRIGGERS = (
    "SELECT trigger_name FROM information_schema.triggers"
    " WHERE event_object_schema = DATABASE() AND event_object_table IN ('x_user', 'x_session')"
)

_DAY = 86400

_NOT_TEXT = {"ssl", "auth_plugin_map", "conv", "cursorclass"}
"""Options of PyMySQL that no URL may contain."""


@frozen
class MariaDb(DatabaseServer):
    """A MariaDB server, 10.6 or newer."""

    failure_ends_transaction: bool = False

    def engine(self, url: URL, connections: int, *, is_patient: bool) -> Engine:
        if url.drivername not in {"mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"}:
            raise ValueError("it must begin with mysql+pymysql://")
        try:
            from .quick_pymysql import QuickConnection, context_of
        except ImportError:
            raise DriverMissing("MariaDB needs a driver: pip install 'menshen[mariadb]'") from None
        if not url.database:
            raise ValueError("it must name a database: mysql+pymysql://USER@HOST/DATABASE")
        options = signature(QuickConnection).parameters.keys() - _NOT_TEXT | mariadb_tls.WORDS
        if unknown := url.query.keys() - options:
            raise ValueError(f"PyMySQL has no option {min(unknown)} that a URL could have")
        link = _link_of(url)
        if link.tls is not None:
            # Reports errors in its files now.
            link.tls.context()
        engine = pooled_engine(
            url.set(drivername="mariadb+pymysql").difference_update_query(mariadb_tls.WORDS),
            connections,
            # Under REPEATABLE READ, data read after waiting for a lock is older than the lock.
            isolation_level="READ COMMITTED",
            connect_args={
                "charset": "utf8mb4",
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": CONNECT_SECONDS,
                "write_timeout": CONNECT_SECONDS,
                **({"ssl_disabled": True} if link.is_clear else {}),
            },
        )
        limits = (0, _DAY, 0) if is_patient else (STATEMENT_SECONDS, int(WAIT_SECONDS), int(IDLE_SECONDS))

        def set_up(connection: Any, _record: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute(
                    # Data that does not fit is refused, never cut.
                    "SET SESSION sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION',"
                    " time_zone = '+00:00', max_statement_time = %s, innodb_lock_wait_timeout = %s,"
                    # Only the message text names the index of a duplicate, and we read the English one.
                    " idle_transaction_timeout = %s, lc_messages = 'en_US'",
                    limits,
                )

        def connect(_dialect: object, _record: object, arguments: Any, more: Any) -> QuickConnection:
            # PyMySQL would send a password in Latin-1, but the server expects UTF-8.
            encoded = {name: more[name].encode() for name in ("password", "passwd") if name in more}
            tls = {} if link.tls is None else {"ssl": context_of(link.tls)}
            found = QuickConnection(*arguments, **{**more, **encoded, **tls})
            found.seconds = _DAY if is_patient else ANSWER_SECONDS
            return found

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "connect", set_up)
        return engine

    def exposures(self, url: URL) -> list[str]:
        found = _link_of(url).exposure
        return [] if found is None else [found]

    def may_be_repeated(self, error: DBAPIError) -> bool:
        return _number(error) in _REPEATABLE

    def is_read_only(self, error: DBAPIError) -> bool:
        return _number(error) in _READ_ONLY

    def is_duplicate(self, error: DBAPIError, index: Index) -> bool:
        # Only the end: before it comes the value, which somebody else wrote.
        ends = tuple(f"for key '{name}'" for name in (index.name, f"{index.table}.{index.name}"))
        return _number(error) == _DUPLICATE and str(getattr(error.orig, "args", ("",))[-1]).endswith(ends)

    def cause(self, error: DBAPIError) -> BaseException | None:
        return in_other_words(error, f"error {_number(error)}") if isinstance(error, IntegrityError) else error.orig

    def put(self, table: Table, row: Mapping[str, object]) -> Executable:
        return insert(table).values(row).on_duplicate_key_update(row)

    def change_function(self) -> Sequence[str]:
        return ()

    def change_triggers(self) -> Mapping[str, str]:
        same = " AND ".join(f"OLD.{name} <=> NEW.{name}" for name in WATCHED)
        # INSERT ... SELECT would keep the lock of the counter until the end of the outer statement, while that waits
        # for rows; VALUES does not.
        tell = "INSERT INTO x_change (user_id) VALUES ({})"
        old, new = tell.format("OLD.user_id"), tell.format("NEW.user_id")
        acts = {
            "tr_x_user_changed": ("UPDATE", tell.format("OLD.id")),
            "tr_x_user_gone": ("DELETE", tell.format("OLD.id")),
            "tr_x_session_changed": (
                "UPDATE",
                f"IF NOT ({same}) THEN {old}; IF OLD.user_id <> NEW.user_id THEN {new}; END IF; END IF",
            ),
            "tr_x_session_gone": ("DELETE", f"IF OLD.ended_at IS NULL THEN {old}; END IF"),
        }
        return {
            name: f"CREATE TRIGGER {name} AFTER {act} ON {CHANGE_TRIGGERS[name]} FOR EACH ROW {body}"
            for name, (act, body) in acts.items()
        }

    def change_triggers_there(self, connection: Connection) -> set[str]:
        return set(connection.exec_driver_sql(_TRIGGERS).scalars())

    def drop_change_trigger(self, name: str) -> str:
        return f"DROP TRIGGER {name}"

    def for_its_client(self, statement: str) -> str:
        return f"DELIMITER //\n{statement}//\nDELIMITER ;"

    def is_forbidden(self, error: DBAPIError) -> bool:
        return _number(error) in _FORBIDDEN

    def lock_all(self, connection: Connection) -> bool:
        return connection.exec_driver_sql("SELECT GET_LOCK(CONCAT('menshen ', DATABASE()), 0)").scalar() == 1

    def weaknesses(self, connection: Connection) -> list[str]:
        lines = []
        flush = connection.exec_driver_sql("SELECT @@global.innodb_flush_log_at_trx_commit").scalar()
        if flush != 1:
            lines.append(
                f"MariaDB's innodb_flush_log_at_trx_commit is {flush}: a power cut may take back what was acknowledged"
            )
        if not connection.exec_driver_sql("SELECT @@global.innodb_doublewrite").scalar():
            lines.append(
                "MariaDB's innodb_doublewrite is off: a power cut may tear pages, and what was acknowledged is gone"
            )
        log, sync = connection.exec_driver_sql("SELECT @@global.log_bin, @@global.sync_binlog").one()
        if log and sync != 1:
            lines.append(f"MariaDB's sync_binlog is {sync}: after a power cut replicas may lack what was acknowledged")
        if "STRICT_" not in str(connection.exec_driver_sql("SELECT @@global.sql_mode").scalar()):
            lines.append("MariaDB's sql_mode is not strict: what other programs write here may be cut without a word")
        if connection.exec_driver_sql("SELECT @@character_set_database").scalar() != "utf8mb4":
            lines.append("the database's character set is not utf8mb4: other programs' tables may lose characters")
        return lines


def _link_of(url: URL) -> mariadb_tls.Link:
    return mariadb_tls.link_of({**url.translate_connect_args(), **url.query})


def _number(error: DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None
