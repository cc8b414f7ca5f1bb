"""Processes that migrate at the same moment or die in the middle, and what the database contains then."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, create_engine, make_url

from menshen.entrypoints.cli.main import main

from .racers import ended
from .servers import QUICK_HASHES, clean_environment

# One process that has loaded everything. Its children wait for one another, migrate, and say what they found.
_PROGRAM = """
import json, os, signal, sys
from sqlalchemy import event
from menshen.adapters.sql.database import open_database
from menshen.adapters.sql.migrating import migrate

def is_write(statement):
    return statement.lstrip().startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE"))

def work(url, dies_before, dies_after):
    database = open_database(url, connections=1, is_patient=True)
    done = 0

    def before(connection, cursor, statement, parameters, context, executemany):
        if is_write(statement) and done + 1 == dies_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def after(connection, cursor, statement, parameters, context, executemany):
        nonlocal done
        done += is_write(statement)
        if is_write(statement) and done == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.engine, "before_cursor_execute", before)
    event.listen(database.engine, "after_cursor_execute", after)
    return {"has_migrated": migrate(database), "statements": done}

def child(task, gate, output):
    os.read(gate, 1)
    try:
        found = work(**task)
    except BaseException as error:
        found = {"error": repr(error)}
    os.write(output, json.dumps(found).encode())
    os._exit(0)

for line in sys.stdin:
    gate, opener = os.pipe()
    children = []
    for task in json.loads(line):
        result, output = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(opener)
            child(task, gate, output)
        os.close(output)
        children.append((pid, result))
    os.close(opener)
    os.close(gate)
    told = []
    for pid, result in children:
        with open(result) as pipe:
            text = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        told.append({"code": code, **json.loads(text or "{}")})
    print(json.dumps(told), flush=True)
"""


@frozen
class Task:
    """One process that migrates the database at *url*; it kills itself right before or after that writing statement."""

    url: str
    dies_before: int | None = None
    dies_after: int | None = None


@frozen
class Done:
    """How a process ended, and what it reported if it was not killed."""

    code: int
    has_migrated: bool | None = None
    statements: int = 0
    error: str | None = None


@frozen
class Migrators:
    """Processes that migrate."""

    _process: "subprocess.Popen[str]" = field()

    def migrate(self, tasks: Sequence[Task]) -> list[Done]:
        """All *tasks* at the same moment, each in a process of its own."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        members = [{"url": task.url, "dies_before": task.dies_before, "dies_after": task.dies_after} for task in tasks]
        self._process.stdin.write(json.dumps(members) + "\n")
        self._process.stdin.flush()
        return [Done(**each) for each in json.loads(self._process.stdout.readline())]


@contextmanager
def migrators() -> Iterator[Migrators]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=clean_environment({}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Migrators(process)
    finally:
        ended(process)


@frozen
class Told:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def told(url: str, folder: Path, *arguments: str, **settings: str) -> Told:
    """One command on the database at *url*, in this process: starting another takes most of a second."""
    out, err = io.StringIO(), io.StringIO()
    environment = {
        "MENSHEN_DATABASE_URL": url,
        "MENSHEN_DATA_DIR": str(folder / "data"),
        **QUICK_HASHES,
        **{f"MENSHEN_{name}": value for name, value in settings.items()},
    }
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments, environment)
    return Told(code, out.getvalue(), err.getvalue())


def by_hand(url: str, *scripts: str) -> None:
    """Run SQL as an operator does: statement by statement, each committed."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for script in scripts:
            for statement in script.split(";"):
                if statement.strip():
                    connection.exec_driver_sql(statement.replace("%", "%%"))
    engine.dispose()


def by_client(url: str, script: str) -> None:
    """Run *script* as the product's own client does: a statement ends at the end of a line, with the delimiter."""
    delimiter, statement = ";", ""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for line in script.splitlines():
            if line.startswith("DELIMITER "):
                delimiter = line.removeprefix("DELIMITER ")
                continue
            statement += f"{line}\n"
            if not statement.rstrip().endswith(delimiter):
                continue
            statement = statement.strip().removesuffix(delimiter)
            if statement not in {"BEGIN", "COMMIT"}:
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
            statement = ""
    engine.dispose()
    assert not statement.strip()


def contents(url: str) -> dict[str, Any]:
    """The contents of a database: tables, in the database's own words, and rows."""
    if make_url(url).get_backend_name() == "sqlite" and not Path(str(make_url(url).database)).exists():
        return {}
    engine = create_engine(url)
    with engine.connect() as connection:
        found = _CONTENTS[engine.dialect.name](connection)
        if triggers := sorted(map(str, connection.exec_driver_sql(_TRIGGERS[engine.dialect.name]))):
            found["triggers"] = triggers
    engine.dispose()
    return found


def _sqlite(connection: Connection) -> dict[str, Any]:
    # The layout of the text does not matter.
    return _with_rows(
        connection,
        {
            row.name: re.sub(r"\s*([(),])\s*", r"\1", " ".join((row.sql or "").split()))
            for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type != 'trigger'")
        },
    )


def _mariadb(connection: Connection) -> dict[str, Any]:
    names = connection.exec_driver_sql("SHOW TABLES").scalars().all()
    tables = {name: connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1] for name in names}
    # The order in which indexes were made does not matter.
    return _with_rows(
        connection, {name: sorted(sql.replace(",\n", "\n").split("\n")) for name, sql in tables.items()}, names
    )


def _postgresql(connection: Connection) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, *column in connection.exec_driver_sql(
        "SELECT table_schema || '.' || table_name, column_name, data_type, character_maximum_length, numeric_precision,"
        " numeric_scale, datetime_precision, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, ordinal_position"
    ):
        found.setdefault(name, []).append(tuple(column))
    tables = list(found)
    found["indexes"] = (
        connection.exec_driver_sql(
            "SELECT indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        .scalars()
        .all()
    )
    found["constraints"] = sorted(
        connection.exec_driver_sql(
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)"
        ).scalars()
    )
    return _with_rows(connection, found, tables)


_TRIGGERS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "mysql": (
        "SELECT trigger_name, event_manipulation, event_object_table, action_statement FROM information_schema.triggers"
        " WHERE trigger_schema = DATABASE()"
    ),
    "postgresql": (
        "SELECT pg_get_triggerdef(trigger.oid), prosrc FROM pg_trigger AS trigger JOIN pg_proc AS function"
        " ON function.oid = tgfoid WHERE NOT tgisinternal"
    ),
}
_TRIGGERS["mariadb"] = _TRIGGERS["mysql"]

_CONTENTS = {"sqlite": _sqlite, "mysql": _mariadb, "mariadb": _mariadb, "postgresql": _postgresql}


def _with_rows(connection: Connection, found: dict[str, Any], tables: Sequence[str] | None = None) -> dict[str, Any]:
    if tables is None:
        tables = [name for name, sql in found.items() if sql.upper().startswith("CREATE TABLE")]
    rows = {
        f"rows of {name}": [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")]
        for name in tables
    }
    return {**found, **rows}
