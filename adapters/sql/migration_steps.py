"""Steps of a migration that can be repeated: the next run continues where one was killed."""

from typing import Any

from alembic import context, op
from sqlalchemy import Column, Table, inspect
from sqlalchemy.schema import CreateIndex, CreateTable


def create_once(table: Table) -> None:
    """Create *table* and its indexes, as far as they do not exist."""
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    there: set[str | None] = set()
    if context.is_offline_mode() or not inspect(op.get_bind()).has_table(table.name):
        op.execute(CreateTable(table))
    else:
        there = {index["name"] for index in inspect(op.get_bind()).get_indexes(table.name)}
    for index in indexes:
        if index.name not in there:
            op.execute(CreateIndex(index))


def add_column_once(table_name: str, column: "Column[Any]") -> None:
    """Add *column* to a table, unless it exists."""
    if not context.is_offline_mode():
        there = {each["name"] for each in inspect(op.get_bind()).get_columns(table_name)}
        if column.name in there:
            return
    op.add_column(table_name, column)


def add_index_once(table_name: str, name: str, column: str) -> None:
    """Add an index on one column of a table, unless it exists."""
    if not context.is_offline_mode():
        there = {each["name"] for each in inspect(op.get_bind()).get_indexes(table_name)}
        if name in there:
            return
    op.create_index(name, table_name, [column])
