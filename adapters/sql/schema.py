"""Which version the schema of a database has."""

from pathlib import Path

from attrs import frozen
from sqlalchemy import Connection, String, column, inspect, select, table

from .database import Database
from .tables import VERSION_TABLE, metadata

_STEPS = Path(__file__).with_name("migrations") / "versions"

VERSIONS = tuple(sorted(path.name.partition("_")[0] for path in _STEPS.glob("[0-9]*.py")))
"""Every version that there ever was, the oldest first, as the steps of the migration are called."""

_versions = table(VERSION_TABLE, column("version_num", String(32)))


class ForeignSchema(Exception):
    """The database holds tables of our names that no version of menshen that we know has made."""


@frozen
class Schema:
    """The schema of one database."""

    database: Database

    def version(self) -> str | None:
        """The version that the database has; None where it has none yet. Raises ForeignSchema, StoreUnavailable."""
        if not self.database.product.is_there(self.database.engine.url):
            return None
        with self.database.reading() as connection:
            return version_on(connection)

    def is_behind(self) -> bool:
        """Whether it has to be migrated before this menshen can work with it. Raises as ``version`` does."""
        return self.version() != VERSIONS[-1]


def version_on(connection: Connection) -> str | None:
    """What ``Schema.version`` says, on *connection*. Raises ForeignSchema."""
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
        # Where a database cannot undo a migration that was interrupted, it has at least made a table whole or not at all.
        if not {column["name"] for column in there.get_columns(name)}.issuperset(first_columns(name)):
            advice = "; if a tutorial did, `menshen adopt` takes it over" if name == "x_user" else ""
            raise ForeignSchema(f"the database holds a table {name} that menshen did not make{advice}")


_ADDED_LATER = {"x_session": {"refresh_recent", "refresh_key"}, "x_audit": {"times", "last_at", "shown", "likeness"}}
"""What a table of the first version lacks, by its name."""


def first_columns(table_name: str) -> set[str]:
    """The columns that one of our tables has had from the first version on."""
    return set(metadata.tables[table_name].columns.keys()) - _ADDED_LATER.get(table_name, set())
