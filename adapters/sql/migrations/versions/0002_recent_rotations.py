"""When the rotations before the last one were: for refresh tokens that were replaced several times in a moment."""

from sqlalchemy import Column, Text

from menshen.adapters.sql.migration_steps import add_column_once

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    add_column_once("x_session", Column("refresh_recent", Text))
