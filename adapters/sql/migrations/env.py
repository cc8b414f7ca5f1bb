"""Run by Alembic, on the connection it was given, or to produce the SQL as text."""

from alembic import context

from menshen.adapters.sql.schema import VERSION_TABLE

connection = context.config.attributes.get("connection")
context.configure(
    connection=connection,
    dialect_name=context.config.attributes.get("dialect_name"),
    transactional_ddl=True if connection is None else None,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
