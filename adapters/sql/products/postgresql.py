"""PostgreSQL, by psycopg."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from sqlalchemy import URL, Connection, Engine, Executable, Index, Table, event
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from .postgresql_tls import Link, link_of, machine_roots
from .product import (
    ANSWER_SECONDS,
    CHANGE_TRIGGERS,
    CONNECT_SECONDS,
    IDLE_SECONDS,
    STATEMENT_SECONDS,
    WAIT_SECONDS,
    WATCHED,
    WRITES,
    DriverMissing,
    in_other_words,
)
from .servers import DatabaseServer, pooled_engine

_MIGRATION_LOCK = 0x6D656E7368656E
"""A number unlikely to be used by others: "menshen" in ASCII."""

# Serialisation failure, deadlock, lock not available in time.
_REPEATABLE = frozenset({"40001", "40P01", "55P03"})

# With remote_write and the like a replica may lag; data that this server acknowledged is on its disk all the same.
_DANGEROUS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# No privilege; no PL/pgSQL.
_FORBIDDEN = frozenset({"42501", "42704"})

# It runs with the rights of those who made the tables: another program that may change a user needs none for x_change,
# and must not be able to put a table of its own in that place, so the schema is written into the function.
_FUNCTION = (
    "DO $do$ DECLARE place name; BEGIN"
    " SELECT nspname INTO STRICT place FROM pg_namespace WHERE oid ="
    " (SELECT relnamespace FROM pg_class WHERE oid = 'x_change'::regclass);"
    " EXECUTE format($format$CREATE OR REPLACE FUNCTION %1$I.menshen_tell_change() RETURNS trigger"
    " LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$ BEGIN"
    " IF TG_TABLE_NAME = 'x_user' THEN INSERT INTO %1$I.x_change (user_id) VALUES (OLD.id); RETURN NULL; END IF;"
    " INSERT INTO %1$I.x_change (user_id) VALUES (OLD.user_id);"
    " IF TG_OP = 'UPDATE' THEN IF OLD.user_id <> NEW.user_id THEN"
    " INSERT INTO %1$I.x_change (user_id) VALUES (NEW.user_id); END IF; END IF;"
    " RETURN NULL; END $body$ $format$, place); END $do$"
)

_TRIGGERS = (
    "SELECT tgname FROM pg_trigger WHERE tgrelid IN (to_regclass('x_user'), to_regclass('x_session'))"
    " AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
)


@frozen
class PostgreSql(DatabaseServer):
    """A PostgreSQL server."""

    failure_ends_transaction: bool = True

    def engine(self, url: URL, connections: int, *, is_patient: bool) -> Engine:
        if url.drivername not in {"postgresql", "postgresql+psycopg"}:
            raise ValueError("it must begin with postgresql+psycopg://")
        try:
            from .impatient_psycopg import MARK, ImpatientConnection
        except ImportError:
            raise DriverMissing("PostgreSQL needs a driver: pip install 'menshen[postgresql]'") from None
        if not url.database:
            raise ValueError("it must name a database: postgresql+psycopg://USER@HOST/DATABASE")
        statement, lock, idle = (0, 0, 0) if is_patient else (STATEMENT_SECONDS, WAIT_SECONDS, IDLE_SECONDS)
        limits = {
            "statement_timeout": f"{statement * 1000:.0f}",
            "lock_timeout": f"{lock * 1000:.0f}",
            "idle_in_transaction_session_timeout": f"{idle * 1000:.0f}",
        }
        lasting = {"default_transaction_isolation": "read\\ committed", "timezone": "UTC", MARK: "own", **limits}
        engine = pooled_engine(
            url.set(drivername="postgresql+psycopg"),
            connections,
            # A read is one statement and needs no transaction, which would cost two more round trips; a write begins
            # its own.
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": int(CONNECT_SECONDS),
                "options": " ".join([*_texts(url.query.get("options")), *(f"-c {k}={v}" for k, v in lasting.items())]),
                "application_name": "menshen",
                "client_encoding": "utf8",
                **_link_of(url).arguments,
            },
        )

        def connect(_dialect: object, _record: object, arguments: Any, more: Any) -> ImpatientConnection:
            found = ImpatientConnection.open(arguments, more)
            found.seconds = None if is_patient else ANSWER_SECONDS
            return found

        def begin(connection: Connection) -> None:
            if connection.get_execution_options().get(WRITES):
                raw = connection.connection.dbapi_connection
                connection.exec_driver_sql(_begin_pooled(limits) if getattr(raw, "is_pooled", False) else "BEGIN")

        event.listen(engine, "do_connect", connect)
        event.listen(engine, "begin", begin)
        return engine

    def exposures(self, url: URL) -> list[str]:
        found = _link_of(url).exposure
        return [] if found is None else [found]

    def may_be_repeated(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) in _REPEATABLE

    def is_read_only(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) == "25006"

    def is_duplicate(self, error: DBAPIError, index: Index) -> bool:
        is_unique = getattr(error.orig, "sqlstate", None) == "23505"
        return is_unique and _diagnosed(error, "constraint_name") == index.name

    def cause(self, error: DBAPIError) -> BaseException | None:
        # The details quote the row. Without a first line, the error does not come from the server.
        words = _diagnosed(error, "message_primary")
        return error.orig if words is None else in_other_words(error, words)

    def put(self, table: Table, row: Mapping[str, object]) -> Executable:
        return insert(table).values(row).on_conflict_do_update(index_elements=table.primary_key, set_=row)

    def change_function(self) -> Sequence[str]:
        return (_FUNCTION,)

    def change_triggers(self) -> Mapping[str, str]:
        differs = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in WATCHED)
        acts = {
            "tr_x_user_changed": ("UPDATE", ""),
            "tr_x_user_gone": ("DELETE", ""),
            "tr_x_session_changed": ("UPDATE", f" WHEN ({differs})"),
            "tr_x_session_gone": ("DELETE", " WHEN (OLD.ended_at IS NULL)"),
        }
        return {
            # Also one that somebody has disabled is put into force again.
            name: f"CREATE OR REPLACE TRIGGER {name} AFTER {act} ON {CHANGE_TRIGGERS[name]} FOR EACH ROW{when}"
            " EXECUTE FUNCTION menshen_tell_change()"
            for name, (act, when) in acts.items()
        }

    def change_triggers_there(self, connection: Connection) -> set[str]:
        return set(connection.exec_driver_sql(_TRIGGERS).scalars())

    def drop_change_trigger(self, name: str) -> str:
        return f"DROP TRIGGER {name} ON {CHANGE_TRIGGERS[name]}"

    def for_its_client(self, statement: str) -> str:
        return f"{statement};"

    def is_forbidden(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) in _FORBIDDEN

    def lock_all(self, connection: Connection) -> bool:
        connection.exec_driver_sql("BEGIN")
        return bool(connection.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_MIGRATION_LOCK})").scalar())

    def weaknesses(self, connection: Connection) -> list[str]:
        lines = [
            f"PostgreSQL's {name} is {dangerous}: a crash or a power cut may take back what was acknowledged"
            for name, dangerous in _DANGEROUS.items()
            if connection.exec_driver_sql(f"SHOW {name}").scalar() == dangerous
        ]
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
        if encoding != "UTF8":
            lines.append(f"the database's encoding is {encoding}: names that it cannot write are refused")
        return lines


def _link_of(url: URL) -> Link:
    from .impatient_psycopg import surroundings

    _, told = url.set(drivername="postgresql+psycopg").get_dialect()().create_connect_args(url)
    return link_of(told, surroundings(), machine_roots())


def _begin_pooled(limits: Mapping[str, str]) -> str:
    """Begins a transaction behind a pooler, with its own limits, as the session is not ours to set up."""
    return "; ".join(
        ["BEGIN ISOLATION LEVEL READ COMMITTED", *(f"SET LOCAL {name} = {value}" for name, value in limits.items())]
    )


def _diagnosed(error: DBAPIError, name: str) -> str | None:
    found: str | None = getattr(getattr(error.orig, "diag", None), name, None)
    return found


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else value
