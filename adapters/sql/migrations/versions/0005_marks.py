"""Moments to remember: when the clock was last judged to be right, and old data was deleted."""

from sqlalchemy import Column, MetaData, String, Table

from menshen.adapters.sql.migration_steps import create_once
from menshen.adapters.sql.types import UtcDateTime

revision = "0005"
down_revision = "0004"

marks = Table(
    "x_mark",
    MetaData(),
    Column("name", String(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    mariadb_charset="utf8mb4",
    mariadb_collate="utf8mb4_nopad_bin",
    mariadb_engine="InnoDB",
)


def upgrade() -> None:
    create_once(marks)
