"""Which users were changed, by whatever program: triggers tell it, where they are allowed."""

from alembic import context, op
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table

from menshen.adapters.sql.changes import script, watch
from menshen.adapters.sql.migration_steps import create_once

revision = "0006"
down_revision = "0005"

changes = Table(
    "x_change",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("user_id", Integer, nullable=False),
    sqlite_autoincrement=True,
    mariadb_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
    mariadb_engine="InnoDB",
)


def upgrade() -> None:
    create_once(changes)
    if context.is_offline_mode():
        for statement in script(op.get_context().dialect.name):
            op.get_context().impl.static_output(statement + "\n")
    else:
        watch(op.get_bind())
