"""The tables. Names and types of ``x_user`` are the contract's, so that a tutorial's database can be taken over."""

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint, text

from .types import Money, UtcDateTime

metadata = MetaData()

users = Table(
    "x_user",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("mid", Integer),
    Column("phone", String(80), nullable=False),
    Column("user_name", String(80)),
    Column("openid", String(120)),
    Column("password", String(120), nullable=False),
    Column("registration_time", UtcDateTime),
    Column("account_balance", Money, nullable=False, server_default=text("'0.0000'")),
    Column("state", String(120), nullable=False),
    Column("fee_percentage", Integer, nullable=False, server_default=text("4")),
    UniqueConstraint("phone", name="uq_x_user_phone"),
    # Without it SQLite gives the id of a deleted last user to the next one, and with it the tokens.
    sqlite_autoincrement=True,
)

sessions = Table(
    "x_session",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", Integer, ForeignKey("x_user.id", name="fk_x_session_user", ondelete="CASCADE"), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("end_reason", String(32)),
    Index("ix_x_session_user_id", "user_id", "ended_at"),
)
