"""The tables. Names and types of ``x_user`` are the contract's, so that a tutorial's database can be adopted."""

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

from .types import Digest, Moments, Money, UtcDateTime, WholeText

VERSION_TABLE = "menshen_version"
"""Not Alembic's default name: in an adopted database that is the other application's."""

metadata = MetaData()

# Text is compared character by character: case, accents and trailing blanks all count.
MARIADB: dict[str, Any] = {
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
    "mariadb_engine": "InnoDB",
}

users = Table(
    "x_user",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mid", Integer),
    Column("phone", WholeText(80)),
    Column("user_name", WholeText(80)),
    Column("openid", WholeText(120)),
    Column("password", WholeText(120)),
    Column("registration_time", UtcDateTime),
    Column("account_balance", Money, server_default=text("'0.0000'")),
    Column("state", WholeText(120)),
    Column("fee_percentage", Integer, server_default=text("4")),
    # From here on the columns are ours. A row that is not an account was made by another program, and is not ours to
    # read.
    Column("is_account", Boolean, nullable=False, server_default=false()),
    Column("canonical_phone", String(11)),
    Column("state_until", UtcDateTime),
    Column("state_reason", WholeText(200)),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("device_policy", Text),
    Index("uq_x_user_canonical_phone", "canonical_phone", unique=True),
    # Closed accounts are kept; those that still have a phone are to be erased.
    Index("ix_x_user_state", "state", "canonical_phone"),
    # Without it SQLite gives the id of a deleted last user to the next one, for whom the old tokens would then be
    # valid.
    sqlite_autoincrement=True,
    **MARIADB,
)

sessions = Table(
    "x_session",
    metadata,
    Column("id", WholeText(64), primary_key=True),
    Column("user_id", Integer, ForeignKey("x_user.id", name="fk_x_session_user", ondelete="CASCADE"), nullable=False),
    Column("kind", WholeText(16), nullable=False),
    Column("device_type", WholeText(16), nullable=False),
    Column("device_id", WholeText(128)),
    Column("device_name", WholeText(64)),
    Column("address", WholeText(64)),
    Column("user_agent", WholeText(256)),
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
    Column("end_reason", WholeText(32)),
    Column("end_actor", WholeText(80)),
    Column("end_device_type", WholeText(16)),
    Column("end_device_name", WholeText(64)),
    Column("refresh_recent", Moments),
    Column("refresh_key", WholeText(16)),
    Index("ix_x_session_user_id", "user_id", "ended_at"),
    Index("ix_x_session_over_at", "over_at"),
    **MARIADB,
)

audit = Table(
    "x_audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", WholeText(80), nullable=False),
    Column("action", WholeText(32), nullable=False),
    Column("outcome", WholeText(64), nullable=False),
    Column("subject", Integer),
    Column("detail", Text),
    Column("session_id", WholeText(64)),
    Column("device_type", WholeText(16)),
    Column("device_id", WholeText(128)),
    Column("device_name", WholeText(64)),
    Column("address", WholeText(64)),
    # One entry may count many events of one kind: how many, until when, and what they have in common.
    Column("times", Integer, nullable=False, server_default=text("1")),
    Column("last_at", UtcDateTime),
    Column("shown", Integer),
    Column("likeness", String(32)),
    Index("ix_x_audit_subject", "subject", "id"),
    Index("ix_x_audit_at", "at"),
    Index("ix_x_audit_likeness", "likeness"),
    sqlite_autoincrement=True,
    **MARIADB,
)

changes = Table(
    "x_change",
    metadata,
    # Triggers write a row for each change of a user or a session that a remembered answer would not know, in the
    # transaction that changes it. An id is taken before the commit, so a lower one may become visible after a higher.
    # Without AUTOINCREMENT, SQLite would use the id of a deleted last row again.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("user_id", Integer, nullable=False),
    sqlite_autoincrement=True,
    **MARIADB,
)

marks = Table(
    "x_mark",
    metadata,
    # Moments to remember, each under a name.
    Column("name", WholeText(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    **MARIADB,
)
