"""The version of a database's schema."""

from pathlib import Path

from attrs import frozen
from sqlalchemy import Connection, String, column, inspect, select, table

from .database import Database
from .tables import VERSION_TABLE, metadata

_STEPS = Path(__file__).with_name("migrations") / "versions"

VERSIONS = tuple(sorted(path.name.partition("_")[0] for path in _STEPS.glob("[0-9]*.py*")))
"""Every version, the oldest first, named like the steps of the migration."""

_versions = table(VERSION_TABLE, column("version_num", String(32)))


class ForeignSchema(Exception):
    """The database has tables with our names that no known version of menshen has made."""


@frozen
class Schema:
    """The schema of one database."""

    database: Database

    def version(self) -> str | None:
        """The version of the database; None if it has none yet. Raises ForeignSchema, StoreUnavailable."""
        if not self.database.product.is_there(self.database.engine.url):
            return None
        with self.database.reading() as connection:
            return version_on(connection)

    def is_behind(self) -> bool:
        """Whether it has to be migrated before this menshen can use it. Raises what ``version`` raises."""
        return self.version() != VERSIONS[-1]


def version_on(connection: Connection) -> str | None:
    """``Schema.version``, on *connection*. Raises ForeignSchema."""
    there = inspect(connection)
    version = connection.scalar(select(_versions)) if there.has_table(VERSION_TABLE) else None
    if version is None:
        _check_tables(connection)
    elif version not in VERSIONS:
        raise ForeignSchema(f"the database has version {version}, which this menshen does not know: it is an older one")
    return version


def _check_tables(connection: Connection) -> None:
    there = inspect(connection)
    for name in sorted(set(there.get_table_names()) & set(metadata.tables)):
        # Even a database that cannot undo an interrupted migration has made each table completely or not at all.
        if not {column["name"] for column in there.get_columns(name)}.issuperset(first_columns(name)):
            advice = "; if a tutorial did, `menshen adopt` takes it over" if name == "x_user" else ""
            raise ForeignSchema(f"the database holds a table {name} that menshen did not make{advice}")


_ADDED_LATER = {"x_session": {"refresh_recent", "refresh_key"}, "x_audit": {"times", "last_at", "shown", "likeness"}}
"""The later columns of each table, by its name."""


def first_columns(table_name: str) -> set[str]:
    """The columns that one of our tables has had since the first version."""
    return set(metadata.tables[table_name].columns.keys()) - _ADDED_LATER.get(table_name, set())
