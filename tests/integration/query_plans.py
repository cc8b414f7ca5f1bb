"""What a database does with the statements that are sent to it: by which index it finds the rows, and how many it reads.

An access is ``ix_x_session_user_id``, or ``x_user.id`` for a primary key, where rows are looked up; ``along x_user.id``
where they are read in the order of an index, from its beginning; ``all of x_user`` where the table is read row by row.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from typing import Any, cast

from attrs import field, frozen
from sqlalchemy import Connection, event

from menshen.adapters.sql.database import Database
from menshen.adapters.sql.tables import metadata
from menshen.domain.ports.writing import Transaction
from menshen.entrypoints.stores import sql_store

from .stores import connection_of

_EXPLAIN = {
    "sqlite": "EXPLAIN QUERY PLAN ",
    "postgresql": "EXPLAIN (FORMAT JSON) ",
    "mariadb": "EXPLAIN ",
}
_STEPS_OF_A_ROW = 60
"""SQLite counts steps of its virtual machine; this many are enough to look up and change a row."""

_numbers = count(1)

_COST_OF_PLANNING = 10.0
"""What PostgreSQL adds to a plan for the parameters at hand; more than it is for two tables."""

_PARAMETER = re.compile(r"%\((\w+)\)s")

_SEARCH = re.compile(r"SEARCH (?P<table>x_\w+) USING (?:INTEGER PRIMARY KEY|(?:COVERING )?INDEX (?P<index>\w+))")
_SCAN = re.compile(r"SCAN (?P<table>x_\w+)(?: USING (?:COVERING )?INDEX (?P<index>\w+))?")


@frozen
class Observed:
    """What a call made the database do."""

    accesses: set[str]
    rows_read: int
    plans: str = field(repr=False)


class _Undone(Exception):
    """Raised to roll everything back."""


def observed(database: Database, call: Callable[[Transaction], object]) -> Observed:
    """Carry out *call* in a transaction, each statement explained just before it is sent, and undo it."""
    product = database.engine.dialect.name
    accesses: set[str] = set()
    plans: list[str] = []
    rows_read = 0

    def explain(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        # An insertion looks nothing up, except the keys that the database itself checks.
        if not statement.startswith(("SELECT", "UPDATE", "DELETE")):
            return
        cursor = connection.connection.cursor()
        # No two are alike: SQLite's driver would keep what it was told before an index came or went.
        cursor.execute(f"{_EXPLAIN[product]}{statement} /* {next(_numbers)} */", parameters[0] if many else parameters)
        rows = list(cursor.fetchall())
        if product == "postgresql":
            general = _for_any_parameters(cursor, statement)
            rows += general if _cost(general) < _cost(rows) + _COST_OF_PLANNING else []
        cursor.close()
        plans.append(f"{statement[:200]}\n" + "\n".join(f"    {row}"[:400] for row in rows))
        accesses.update(each for row in rows for each in _ACCESSES[product](row))

    def work(tx: Transaction) -> None:
        nonlocal rows_read
        connection = connection_of(tx)
        with _counting(connection) as rows:
            begin = rows()
            event.listen(database.engine, "before_cursor_execute", explain)
            try:
                call(tx)
            finally:
                event.remove(database.engine, "before_cursor_execute", explain)
            rows_read = rows() - begin
        raise _Undone

    with suppress(_Undone):
        sql_store(database).work.transact(work)
    return Observed(accesses, rows_read, "\n".join(plans))


def _for_any_parameters(cursor: Any, statement: str) -> list[Any]:
    """The plan that PostgreSQL turns to where a connection sends the statement often, unless it seems to cost more."""
    names = list(dict.fromkeys(_PARAMETER.findall(statement)))
    numbered = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
    nothing = f"({', '.join(['NULL'] * len(names))})" if names else ""
    cursor.execute(f"PREPARE explained AS {numbered}")
    cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    cursor.execute(f"{_EXPLAIN['postgresql']}EXECUTE explained{nothing}")
    rows = list(cursor.fetchall())
    cursor.execute("SET LOCAL plan_cache_mode = auto")
    cursor.execute("DEALLOCATE explained")
    return rows


def _cost(rows: list[Any]) -> float:
    return float(rows[0][0][0]["Plan"]["Total Cost"])


@contextmanager
def _counting(connection: Connection) -> Iterator[Callable[[], int]]:
    """How many rows the transaction has read, roughly; EXPLAIN reads none."""
    product = connection.dialect.name
    if product == "postgresql":
        read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_xact_user_tables"
        yield lambda: int(connection.exec_driver_sql(read).scalar_one())
    elif product == "mariadb":
        read = "SHOW SESSION STATUS WHERE Variable_name IN ({})".format(
            ", ".join(f"'Handler_read_{name}'" for name in ("first", "key", "last", "next", "prev", "rnd", "rnd_next"))
        )
        yield lambda: sum(int(row[1]) for row in connection.exec_driver_sql(read))
    else:
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        driver.set_progress_handler(step, _STEPS_OF_A_ROW)
        try:
            yield lambda: steps
        finally:
            driver.set_progress_handler(None, 0)


def _by_sqlite(row: Any) -> Iterator[str]:
    detail = row[3]
    if found := _SEARCH.match(detail):
        yield _index(found["table"], found["index"])
    elif (found := _SCAN.match(detail)) and found["index"]:
        yield f"along {_index(found['table'], found['index'])}"
    elif found:
        # A table whose primary key is a number is kept in its order.
        key = metadata.tables[found["table"]].primary_key.columns[0]
        yield f"along {key.table.name}.id" if key.autoincrement is True else f"all of {key.table.name}"


def _by_postgresql(row: Any) -> Iterator[str]:
    yield from _of_node(row[0][0]["Plan"])


def _of_node(node: Mapping[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield f"all of {node['Relation Name']}"
    elif "Index Name" in node:
        along = "" if "Index Cond" in node else "along "
        yield along + _index(node.get("Relation Name", ""), node["Index Name"])
    for part in node.get("Plans", ()):
        yield from _of_node(part)


def _by_mariadb(row: Any) -> Iterator[str]:
    table, kind, keys = row[2], row[3], row[5]
    if kind == "ALL":
        yield f"all of {table}"
    elif keys is not None:
        for key in keys.split(","):
            yield ("along " if kind == "index" else "") + _index(table, key)


_ACCESSES: Mapping[str, Callable[[Any], Iterator[str]]] = {
    "sqlite": _by_sqlite,
    "postgresql": _by_postgresql,
    "mariadb": _by_mariadb,
}


def _index(table: str, name: str | None) -> str:
    """One name for what each product calls the primary key in its own way."""
    if name in {None, "PRIMARY"}:
        return f"{table}.id"
    assert name is not None
    primary = re.fullmatch(r"(?:sqlite_autoindex_)?(x_\w+?)(?:_pkey|_1)", name)
    return f"{primary[1]}.id" if primary else name
