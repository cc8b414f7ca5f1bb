"""The name of the key of a chain of refresh tokens. Older chains have none, and are not continued."""

from sqlalchemy import Column

from menshen.adapters.sql.migration_steps import add_column_once
from menshen.adapters.sql.types import WholeText

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    add_column_once("x_session", Column("refresh_key", WholeText(16)))
