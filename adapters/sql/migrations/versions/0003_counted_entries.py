"""Entries of the audit log that count many events of one kind."""

from sqlalchemy import Column, Integer, String, text

from menshen.adapters.sql.migration_steps import add_column_once, add_index_once
from menshen.adapters.sql.types import UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    add_column_once("x_audit", Column("times", Integer, nullable=False, server_default=text("1")))
    add_column_once("x_audit", Column("last_at", UtcDateTime))
    add_column_once("x_audit", Column("shown", Integer))
    add_column_once("x_audit", Column("likeness", String(32)))
    add_index_once("x_audit", "ix_x_audit_likeness", "likeness")
