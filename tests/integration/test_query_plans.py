"""Each statement that the repositories send finds its rows by the index that is meant for it, on each product.

The statements are run, and explained, on tables that are large enough for a planner to care. PostgreSQL and MariaDB
have statistics, as they always do a little later; SQLite has none, as in production.
"""

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from attrs import frozen
from sqlalchemy import Connection, text

from menshen.adapters.conformance.audit import new_event
from menshen.adapters.conformance.sessions import new_session
from menshen.adapters.conformance.users import new_user
from menshen.adapters.sql.audit import SqlAuditTrail, SqlAuditWriter
from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.session_writing import SqlSessionWriter
from menshen.adapters.sql.sessions import PRESENCE, SqlSessions
from menshen.adapters.sql.user_writing import SqlUserWriter
from menshen.adapters.sql.users import SqlUsers
from menshen.domain.audit import AuditId, EntryKind
from menshen.domain.passwords import HashLikeness
from menshen.domain.ports.reading import UserFilter
from menshen.domain.ports.writing import AuditPruning, SessionSweep, Transaction
from menshen.domain.sessions import EndReason, Refreshing, SessionEnd, SessionId, SessionKind
from menshen.domain.use_cases.housekeeping import BATCH
from menshen.domain.users import Phone, Standing, User, UserId

from .filling import DEVICE_TYPES, SPAN, analyze, fill_audit, fill_sessions, fill_users, phone_of, session_id_of
from .query_plans import Observed, observed
from .stores import connection_of, migrated

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
USERS = 20_000
PAGE = 20
MANY = 700
"""More sessions than go into one statement."""
DUE = 10
"""Accounts that are due to close."""

ANNA = UserId(12_017)
SESSION = SessionId(session_id_of(ANNA, DEVICE_TYPES.index("pc")))
SESSIONS = [SessionId(session_id_of(user_id, DEVICE_TYPES.index("pc"))) for user_id in range(1, MANY + 1)]
END = SessionEnd(NOW, EndReason.KICKED)
ROTATED = Refreshing(digest=bytes(32), rotations=1, rotated_at=NOW, expires_at=NOW + timedelta(days=14))
HOUR = timedelta(hours=1)
LATER = NOW + timedelta(seconds=1)


@frozen
class Use:
    """One use of a method: which indexes it is meant to use, all of them, and how many rows it may read at most.

    By what it knows of the rows a product may prefer the *other* ones.
    """

    name: str
    call: Callable[[Transaction], object]
    indexes: set[str]
    rows: int = 10
    others: set[str] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def method(self) -> str:
        return self.name.partition(":")[0]

    def complaints(self, seen: Observed) -> list[str]:
        complaints = []
        if seen.accesses not in (self.indexes, self.others):
            complaints.append(f"it uses {sorted(seen.accesses)}, not {sorted(self.indexes)}")
        if seen.rows_read > self.rows:
            complaints.append(f"it reads {seen.rows_read} rows, more than {self.rows}")
        return complaints


def anna(tx: Transaction) -> User:
    found = tx.lock(ANNA)
    assert found is not None
    return found


T = TypeVar("T")


@frozen
class Same:
    """A database that is read on the one connection of a transaction."""

    connection: Connection

    def read(self, work: Callable[[Connection], T]) -> T:
        return work(self.connection)


def same(tx: Transaction) -> Any:
    return Same(connection_of(tx))


def users(tx: Transaction) -> SqlUsers:
    return SqlUsers(same(tx))


def sessions(tx: Transaction) -> SqlSessions:
    return SqlSessions(same(tx))


def trail(tx: Transaction) -> SqlAuditTrail:
    return SqlAuditTrail(same(tx))


def presence(tx: Transaction) -> None:
    asked = {"user_id": ANNA, "session_id": SESSION}
    assert connection_of(tx).execute(PRESENCE.statement, asked).one().session_id == SESSION


def found(wanted: UserFilter, after: int = 0) -> Callable[[Transaction], object]:
    return lambda tx: users(tx).find(wanted, after=UserId(after), limit=PAGE, now=NOW)


def hashes(tx: Transaction) -> object:
    return users(tx).password_hashes(after=ANNA, limit=PAGE, unlike=[HashLikeness("$argon2id$", "m=19456")])


def gives(result: object, expected: object) -> None:
    """What is looked at is worth it only where the call did what it is for."""
    assert result == expected


def counted_twice(tx: Transaction) -> None:
    event = new_event(ANNA)
    for _ in range(2):
        tx.audit.count(event, HOUR)


def noted_and_read(tx: Transaction) -> None:
    tx[AuditPruning].note_pruned(NOW)
    gives(tx[AuditPruning].pruned_at(), NOW)


BY_ID = {"x_user.id"}
BY_STATE = {"ix_x_user_state"}
SESSIONS_BY_ID = {"x_session.id"}

USES = [
    Use("users.add", lambda tx: tx.users.add(new_user()), set()),
    Use("users.add: with a referrer", lambda tx: tx.users.add(new_user(referrer_id=ANNA)), BY_ID),
    Use("users.by_id", lambda tx: gives(users(tx).by_id(ANNA) is None, False), BY_ID),
    Use("users.by_phone", lambda tx: tx.users.by_phone(Phone(phone_of(ANNA))), {"uq_x_user_canonical_phone"}),
    Use("users.lock", anna, BY_ID),
    Use("users.save", lambda tx: tx.users.save(anna(tx)), BY_ID),
    Use("users.find", found(UserFilter(), after=ANNA), BY_ID, 2 * PAGE),
    Use("users.find: by id", found(UserFilter(user_id=ANNA)), BY_ID),
    Use("users.find: by phone", found(UserFilter(phone=Phone(phone_of(ANNA)))), {"uq_x_user_canonical_phone"}),
    # A search that admins make from time to time: not worth an index that every registration and renaming writes. It
    # goes on by id until the page is full, and through the whole table where hardly anybody has such a name.
    Use("users.find: by name", found(UserFilter(name_prefix="nobody")), BY_ID, 2 * USERS, others={"all of x_user"}),
    # Nearly everybody is active.
    Use("users.find: active", found(UserFilter(standing=Standing.ACTIVE)), BY_ID, 2 * PAGE),
    # Those that are rare can be looked up; where they are not, a walk by id soon fills the page.
    *(
        Use(f"users.find: {standing}", found(UserFilter(standing=standing)), BY_STATE, PAGE * 150, others=BY_ID)
        for standing in (Standing.FROZEN, Standing.CLOSING, Standing.CLOSED)
    ),
    # There are such only where another program writes states of its own.
    Use("users.find: unknown", found(UserFilter(standing=Standing.UNKNOWN)), BY_ID, 2 * USERS, others=BY_STATE),
    # One walk finds where the page ends, and another reads it.
    Use("users.password_hashes", hashes, BY_ID, 4 * PAGE),
    # It may look at those who can still take it back, but not at those who have been erased.
    Use(
        "users.due_to_close",
        lambda tx: gives(len(users(tx).due_to_close(NOW, BATCH)), DUE),
        BY_STATE,
        USERS // 100 + 5 * DUE,
    ),
    Use("sessions.add", lambda tx: tx.sessions.add(new_session(ANNA)), set()),
    Use(
        "sessions.live",
        lambda tx: gives(len(tx.sessions.live(ANNA, SessionKind.USER, NOW)), len(DEVICE_TYPES)),
        {"ix_x_session_user_id"},
    ),
    Use("sessions.end", lambda tx: gives(tx.sessions.end([SESSION], END), 1), SESSIONS_BY_ID),
    Use("sessions.end: a few", lambda tx: gives(tx.sessions.end(SESSIONS[:5], END), 5), SESSIONS_BY_ID, 20),
    Use("sessions.end: many", lambda tx: gives(tx.sessions.end(SESSIONS, END), MANY), SESSIONS_BY_ID, 3 * MANY),
    Use(
        "sessions.unended",
        lambda tx: gives(tx[SessionSweep].unended(after=SESSION, limit=BATCH).last is not None, True),
        SESSIONS_BY_ID,
        3 * BATCH,
    ),
    Use("sessions.by_id", lambda tx: tx.sessions.by_id(SESSION), SESSIONS_BY_ID),
    # By the driver it would not be seen; the statement is the same.
    Use("sessions.by_session", presence, BY_ID | SESSIONS_BY_ID),
    Use(
        "sessions.rotate",
        lambda tx: gives(tx.sessions.rotate(SESSION, old=bytes(range(32)), new=ROTATED), True),
        SESSIONS_BY_ID,
    ),
    Use("sessions.see", lambda tx: tx.sessions.see([(SESSION, LATER)], NOW), SESSIONS_BY_ID),
    Use(
        "sessions.see: many",
        lambda tx: tx.sessions.see([(each, LATER) for each in SESSIONS], NOW),
        SESSIONS_BY_ID,
        4 * MANY,
    ),
    Use("sessions.erase_of", lambda tx: tx[SessionSweep].erase_of(ANNA), {"ix_x_session_user_id"}),
    Use(
        "sessions.prune: nothing",
        lambda tx: gives(tx[SessionSweep].prune(NOW - 3 * SPAN, BATCH), 0),
        {"ix_x_session_over_at"},
    ),
    # Every third of the first logins has logged out; a year later all sessions have expired.
    Use(
        "sessions.prune: a few",
        lambda tx: gives(0 < tx[SessionSweep].prune(NOW - SPAN * 0.99, BATCH) < BATCH, True),
        {"ix_x_session_over_at", "x_session.id"},
        4 * BATCH,
    ),
    Use(
        "sessions.prune: many",
        lambda tx: gives(tx[SessionSweep].prune(NOW + timedelta(days=365), BATCH), BATCH),
        {"ix_x_session_over_at", "x_session.id"},
        4 * BATCH,
    ),
    Use("audit.append", lambda tx: tx.audit.append(new_event(ANNA)), set()),
    Use("audit.count: the first", lambda tx: tx.audit.count(new_event(ANNA), HOUR), {"ix_x_audit_likeness"}),
    Use("audit.count: more", counted_twice, {"ix_x_audit_likeness", "x_audit.id"}),
    Use(
        "audit.find: what was done",
        lambda tx: trail(tx).find(subject=None, before=None, limit=PAGE, kind=EntryKind.ACTS),
        {"along x_audit.id"},
        2 * PAGE,
    ),
    Use(
        "audit.find: newest",
        lambda tx: trail(tx).find(subject=None, before=None, limit=PAGE),
        {"along x_audit.id"},
        2 * PAGE,
    ),
    Use(
        "audit.find: before",
        lambda tx: trail(tx).find(subject=None, before=AuditId(USERS // 2), limit=PAGE),
        {"x_audit.id"},
        2 * PAGE,
    ),
    Use(
        "audit.find: about one user",
        lambda tx: trail(tx).find(subject=ANNA, before=None, limit=PAGE),
        {"ix_x_audit_subject"},
    ),
    Use(
        "audit.find: about one user, before",
        lambda tx: trail(tx).find(subject=ANNA, before=AuditId(USERS), limit=PAGE),
        {"ix_x_audit_subject"},
    ),
    Use("audit.earliest", lambda tx: gives(tx[AuditPruning].earliest(None) is None, False), {"along ix_x_audit_at"}),
    Use(
        "audit.earliest: since",
        lambda tx: gives(tx[AuditPruning].earliest(NOW - SPAN / 2) is None, False),
        {"ix_x_audit_at"},
    ),
    Use("audit.earliest: none since", lambda tx: gives(tx[AuditPruning].earliest(NOW + SPAN), None), {"ix_x_audit_at"}),
    # One row, or none.
    Use("audit.pruned_at", noted_and_read, {"x_mark.id"}, others={"all of x_mark"}),
    Use("audit.note_pruned", lambda tx: tx[AuditPruning].note_pruned(NOW), set()),
    Use("audit.erase_details", lambda tx: tx.audit.erase_details(ANNA, ["freeze"]), {"ix_x_audit_subject"}),
    Use("audit.prune: nothing", lambda tx: gives(tx[AuditPruning].prune(NOW - 3 * SPAN, BATCH), 0), {"ix_x_audit_at"}),
    Use(
        "audit.prune: many",
        lambda tx: gives(tx[AuditPruning].prune(NOW, BATCH), BATCH),
        {"ix_x_audit_at", "x_audit.id"},
        4 * BATCH,
    ),
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database of each product with many rows, which every test leaves as it was."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/accounts.sqlite3"
    else:
        url = request.getfixturevalue(request.param).new_database()
    migrated(url)
    database = open_database(url, connections=1, is_patient=True)
    fill_users(database, USERS, NOW)
    fill_sessions(database, USERS, NOW)
    fill_audit(database, USERS, NOW)
    _make_differences(database)
    if request.param != "sqlite":
        analyze(database)
    yield database
    database.close()


@pytest.mark.parametrize("use", USES, ids=str)
def test_each_use_finds_its_rows_by_its_index(database: Database, use: Use) -> None:
    seen = observed(database, use.call)
    assert not use.complaints(seen), seen.plans


def test_a_missing_index_is_noticed(database: Database) -> None:
    [use] = (use for use in USES if str(use) == "audit.prune: many")
    on_table = " ON x_audit" if database.engine.dialect.name == "mariadb" else ""
    with database.writing() as connection:
        connection.execute(text(f"DROP INDEX ix_x_audit_at{on_table}"))
    try:
        seen = observed(database, use.call)
    finally:
        with database.writing() as connection:
            connection.execute(text("CREATE INDEX ix_x_audit_at ON x_audit (at)"))
    assert len(use.complaints(seen)) == 2
    assert seen.accesses & {"all of x_audit", "along x_audit.id"}


def test_every_method_of_every_repository_is_looked_at() -> None:
    repositories: dict[str, tuple[type, ...]] = {
        "users": (SqlUsers, SqlUserWriter),
        "sessions": (SqlSessions, SqlSessionWriter),
        "audit": (SqlAuditTrail, SqlAuditWriter),
    }
    methods = {
        f"{noun}.{name}"
        for noun, classes in repositories.items()
        for each in classes
        for name, _ in inspect.getmembers(each, inspect.isfunction)
        if not name.startswith("_")
    } | {"users.lock"}
    assert {use.method for use in USES} == methods


def _make_differences(database: Database) -> None:
    """Users in every state that there is, each of which a user of a hundred has, and sessions that have ended."""
    soon, before = ((NOW + by).replace(tzinfo=None) for by in (SPAN, -SPAN))
    states = [
        ("id % 100 = 1", "冻结", None),
        ("id % 100 = 2", "冻结", soon),
        ("id % 100 = 3", "注销中", soon),
        ("id % 100 = 4", "已注销", None),
        (f"id % {USERS // DUE} = 5", "注销中", before),
        (f"id % {USERS // DUE} = 6", "已注销", None),
    ]
    with database.writing() as connection:
        for where, state, until in states:
            connection.execute(
                text(f"UPDATE x_user SET state = :state, state_until = :until WHERE {where}"),
                {"state": state, "until": until},
            )
        connection.execute(text("UPDATE x_user SET phone = NULL, canonical_phone = NULL WHERE id % 100 = 4"))
        connection.execute(
            text(
                "UPDATE x_session SET ended_at = started_at, over_at = started_at, end_reason = 'kicked'"
                " WHERE device_type = 'phone' AND user_id % 3 = 1"
            )
        )
