"""Users, sessions and the audit log.

A copy of the tables as they were, so that a later change of ``tables.py`` does not change history. Every step checks
whether it has been done: on MariaDB a change of the schema cannot be undone, and after a run that was killed the next
one must be able to continue.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from menshen.adapters.sql.migration_steps import create_once
from menshen.adapters.sql.types import Digest, Money, UtcDateTime

revision = "0001"
down_revision = None

_metadata = MetaData()
_MARIADB: dict[str, Any] = {
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
    "mariadb_engine": "InnoDB",
}

users = Table(
    "x_user",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mid", Integer),
    Column("phone", String(80)),
    Column("user_name", String(80)),
    Column("openid", String(120)),
    Column("password", String(120)),
    Column("registration_time", UtcDateTime),
    Column("account_balance", Money, server_default=text("'0.0000'")),
    Column("state", String(120)),
    Column("fee_percentage", Integer, server_default=text("4")),
    # From here on the columns are ours. A row that is not an account was made by another program, and is not ours to
    # read.
    Column("is_account", Boolean, nullable=False, server_default=false()),
    Column("canonical_phone", String(11)),
    Column("state_until", UtcDateTime),
    Column("state_reason", String(200)),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("device_policy", Text),
    Index("uq_x_user_canonical_phone", "canonical_phone", unique=True),
    # Closed accounts are kept; those that still have a phone are to be erased.
    Index("ix_x_user_state", "state", "canonical_phone"),
    # Without it SQLite gives the id of a deleted last user to the next one, for whom the old tokens would then be
    # valid.
    sqlite_autoincrement=True,
    **_MARIADB,
)

sessions = Table(
    "x_session",
    _metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", Integer, ForeignKey("x_user.id", name="fk_x_session_user", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("device_type", String(16), nullable=False),
    Column("device_id", String(128)),
    Column("device_name", String(64)),
    Column("address", String(64)),
    Column("user_agent", String(256)),
    Column("started_at", UtcDateTime, nullable=False),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("idle_seconds", Integer, nullable=False),
    Column("refresh_digest", Digest, nullable=False),
    Column("refresh_rotations", Integer, nullable=False),
    Column("refresh_rotated_at", UtcDateTime, nullable=False),
    Column("refresh_expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    # The end or the expiry, whichever is first. With an index on ended_at, planners would scan all live sessions.
    Column("over_at", UtcDateTime, nullable=False),
    Column("end_reason", String(32)),
    Column("end_actor", String(80)),
    Column("end_device_type", String(16)),
    Column("end_device_name", String(64)),
    Index("ix_x_session_user_id", "user_id", "ended_at"),
    Index("ix_x_session_over_at", "over_at"),
    **_MARIADB,
)

audit = Table(
    "x_audit",
    _metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(32), nullable=False),
    Column("outcome", String(64), nullable=False),
    Column("subject", Integer),
    Column("detail", Text),
    Column("session_id", String(64)),
    Column("device_type", String(16)),
    Column("device_id", String(128)),
    Column("device_name", String(64)),
    Column("address", String(64)),
    Index("ix_x_audit_subject", "subject", "id"),
    Index("ix_x_audit_at", "at"),
    sqlite_autoincrement=True,
    **_MARIADB,
)


def upgrade() -> None:
    for table in (users, sessions, audit):
        create_once(table)
