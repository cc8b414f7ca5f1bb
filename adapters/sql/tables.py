"""The tables. Names and types of ``x_user`` are the contract's, so that a tutorial's database can be taken over."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from .types import Money, UtcDateTime

metadata = MetaData()

users = Table(
    "x_user",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mid", Integer),
    Column("phone", String(80)),
    Column("user_name", String(80)),
    Column("openid", String(120)),
    Column("password", String(120), nullable=False),
    Column("registration_time", UtcDateTime),
    Column("account_balance", Money, nullable=False, server_default=text("'0.0000'")),
    Column("state", String(120), nullable=False),
    Column("fee_percentage", Integer, nullable=False, server_default=text("4")),
    # From here on the columns are ours.
    Column("state_until", UtcDateTime),
    Column("state_reason", String(200)),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("device_policy", Text),
    UniqueConstraint("phone", name="uq_x_user_phone"),
    Index("ix_x_user_state_until", "state", "state_until"),
    # Without it SQLite gives the id of a deleted last user to the next one, and with it the tokens.
    sqlite_autoincrement=True,
)

sessions = Table(
    "x_session",
    metadata,
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
    Column("refresh_digest", LargeBinary(32), nullable=False),
    Column("refresh_rotations", Integer, nullable=False),
    Column("refresh_rotated_at", UtcDateTime, nullable=False),
    Column("refresh_expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(32)),
    Column("end_actor", String(80)),
    Column("end_device_type", String(16)),
    Column("end_device_name", String(64)),
    Index("ix_x_session_user_id", "user_id", "ended_at"),
    Index("ix_x_session_expires_at", "expires_at"),
    Index("ix_x_session_ended_at", "ended_at"),
)

audit = Table(
    "x_audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
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
)
