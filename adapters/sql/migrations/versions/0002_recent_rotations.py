"""The times of the rotations before the last one, for refresh tokens replaced several times in quick succession."""

from sqlalchemy import Column, Text

from menshen.adapters.sql.migration_steps import add_column_once

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_column_once("x_session", Column("refresh_recent", Text))
