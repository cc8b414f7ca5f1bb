"""Bringing the schema of a database to the newest version, by Alembic."""

import io
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from .changes import watch
from .database import Database
from .schema import VERSIONS, Schema, version_on
from .tables import VERSION_TABLE, metadata


def migrate(database: Database) -> bool:
    """Migrate to the newest version. Of several at once, one does the work. Returns whether there was anything to do.

    *database* should be patient. Raises ForeignSchema, StoreUnavailable.
    """
    with database.alone() as connection:
        return migrate_on(connection)


def migrate_on(connection: Connection) -> bool:
    """What ``migrate`` does, in the transaction of *connection*. Raises ForeignSchema."""
    if version_on(connection) == VERSIONS[-1]:
        return False
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, VERSIONS[-1])
    return True


def watch_alone(database: Database) -> bool:
    """``watch``, on a *database* that is up to date. Raises StoreUnavailable."""
    with database.alone() as connection:
        return watch(connection)


def statements(database: Database) -> str:
    """The SQL that brings the database from the version it has to the newest. Raises ForeignSchema, StoreUnavailable."""
    text = io.StringIO()
    config = _config(text)
    config.attributes["dialect_name"] = database.engine.dialect.name
    begin = Schema(database).version() or "base"
    if begin != VERSIONS[-1]:
        command.upgrade(config, f"{begin}:{VERSIONS[-1]}", sql=True)
    return text.getvalue()


def differences(database: Database) -> list[object]:
    """The differences between the existing tables and those of ``tables.py``."""
    options = {"compare_type": True, "version_table": VERSION_TABLE, "include_object": _is_ours}
    with database.reading() as connection:
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _is_ours(_found: object, name: str | None, kind: str, _is_reflected: bool, _compared_to: object) -> bool:
    return kind != "table" or name in metadata.tables


def _config(output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config
