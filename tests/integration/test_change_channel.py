"""What another machine writes, or a person by hand, is heard of within a second, or nothing that is remembered is served."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve, field
from sqlalchemy import Connection, create_engine, func, select, text

from menshen.adapters.conformance.sessions import new_session
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.memory.fakes import FakeClock, FakeLastSeen, FakeTokenCodec
from menshen.adapters.remembering.announcing import AnnouncingUnitOfWork
from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.adapters.remembering.judgements import RememberedJudgements
from menshen.adapters.sql.change_channel import TRUST_SECONDS, SqlChannel
from menshen.adapters.sql.database import Database
from menshen.adapters.sql.tables import changes
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import Presences
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.presences import Presence, Principal
from menshen.domain.sessions import EndReason, Session, SessionEnd, SessionId, SessionKicked
from menshen.domain.tokens import AccessTokenClaims
from menshen.domain.use_cases.authentication import Authenticate
from menshen.domain.users import User, UserId
from menshen.entrypoints.realms import user_realm
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .patience import until
from .stores import migrated, opened

START = datetime.fromisoformat("2026-01-02T03:04:05.678901+00:00")
BOUND = 1.0
"""Seconds within which whatever was written counts."""

ROUNDS = 30
HAND_MADE = "UPDATE x_user SET fee_percentage = {} WHERE id = {}"


@define(eq=False)
class Counted:
    """Presences that counts how often it is read."""

    inner: Presences
    reads: int = 0

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        self.reads += 1
        return self.inner.by_session(user_id, session_id)


@define(eq=False)
class Machine:
    """A process on a machine of its own, with epochs that no other shares."""

    database: Database
    store: Store = field(init=False)
    epochs: LocalEpochs = field(factory=LocalEpochs)
    channel: SqlChannel = field(init=False)
    codec: FakeTokenCodec = field(factory=FakeTokenCodec)
    authenticate: RememberedJudgements = field(init=False)
    reading: Counted = field(init=False)

    def __attrs_post_init__(self) -> None:
        store = sql_store(self.database)
        self.store = evolve(store, work=AnnouncingUnitOfWork(store.work, self.epochs))
        self.channel = SqlChannel(self.database, self.epochs)
        self.reading = Counted(store[Presences])
        clock = FakeClock(START)
        judge = Authenticate(self.reading, self.codec, clock, FakeLastSeen(store.work), user_realm(Settings()))
        self.authenticate = RememberedJudgements(judge, self.epochs, self.channel, clock, 100)

    def principal(self, session: Session) -> Principal:
        """Whom the guard lets in. Raises what it raises."""
        token = f"the token of {session.id}"
        self.codec.issued[token] = AccessTokenClaims(
            subject=session.user_id,
            session_id=session.id,
            token_id="x",
            issued_at=START.replace(microsecond=0),
            expires_at=START + timedelta(days=1),
        )
        return self.authenticate(token)

    def fee(self, session: Session) -> int:
        """What the guard would show."""
        return self.principal(session).user.fee_percentage

    def shows(self, session: Session, fee: int) -> Callable[[], bool]:
        return lambda: self.fee(session) == fee

    def is_remembered(self, session: Session) -> bool:
        before = self.reading.reads
        self.fee(session)
        return self.reading.reads == before

    def remember(self, session: Session) -> None:
        """Ask until it comes from memory."""
        until(lambda: self.is_remembered(session))


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        found = f"sqlite:///{tmp_path_factory.mktemp('channel')}/accounts.sqlite3"
    else:
        server: DatabaseServer = request.getfixturevalue(request.param)
        found = server.new_database()
    migrated(found)
    return found


@pytest.fixture
def machines(url: str) -> Iterator[tuple[Machine, Machine]]:
    with ExitStack() as stack:
        one, other = (Machine(stack.enter_context(opened(url))) for _ in range(2))
        yield one, other
        one.channel.close()
        other.channel.close()


@pytest.fixture
def user(machines: tuple[Machine, Machine]) -> User:
    return Steps(machines[0].store).users.add(another_user())


@pytest.fixture
def session(machines: tuple[Machine, Machine], user: User) -> Session:
    session = new_session(user.id, started_at=START)
    Steps(machines[0].store).sessions.add(session)
    return session


@pytest.fixture
def bystander(machines: tuple[Machine, Machine]) -> User:
    return Steps(machines[1].store).users.add(another_user())


@pytest.fixture
def late(url: str) -> Iterator[Connection]:
    """A connection whose changes have their numbers long before they are committed."""
    if url.startswith("sqlite"):
        pytest.skip("SQLite has one writer at a time")
    engine = create_engine(url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def by_hand(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def told(url: str, user_id: int) -> int:
    """How many changes of the user there are to hear of."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(select(func.count()).where(changes.c.user_id == user_id)).scalar_one()
    engine.dispose()
    return rows


def test_what_is_written_by_hand_counts_within_a_second(
    url: str, machines: tuple[Machine, Machine], session: Session
) -> None:
    one, _ = machines
    took = []
    for number in range(ROUNDS):
        one.remember(session)
        by_hand(url, HAND_MADE.format(number + 10, session.user_id))
        took.append(until(one.shows(session, number + 10)))
    assert max(took) < BOUND, took


def test_what_another_machine_writes_counts_there_at_once_and_here_within_a_second(
    machines: tuple[Machine, Machine], user: User, session: Session
) -> None:
    one, other = machines
    took = []
    for number in range(ROUNDS):
        one.remember(session)
        other.remember(session)
        Steps(other.store).users.save(evolve(user, fee_percentage=number + 10))
        assert other.fee(session) == number + 10
        took.append(until(one.shows(session, number + 10)))
    assert max(took) < BOUND, took


def test_a_session_that_another_machine_ends_is_refused_within_a_second(
    machines: tuple[Machine, Machine], session: Session
) -> None:
    one, other = machines
    one.remember(session)

    def end(tx: Transaction) -> None:
        tx.lock(session.user_id)
        tx.sessions.end([session.id], SessionEnd(START, EndReason.KICKED))

    other.store.work.transact(end)

    def is_over() -> bool:
        try:
            one.principal(session)
        except SessionKicked:
            return True
        return False

    assert until(is_over) < BOUND


def test_what_is_undone_and_what_decides_nothing_is_no_change(
    url: str, machines: tuple[Machine, Machine], session: Session
) -> None:
    _, other = machines
    before = told(url, session.user_id)

    def undone(tx: Transaction) -> None:
        user = tx.lock(session.user_id)
        assert user is not None
        tx.users.save(evolve(user, fee_percentage=99))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        other.store.work.transact(undone)
    Steps(other.store).sessions.see([(session.id, START)], START)
    refreshed = evolve(session.refreshing, digest=b"\x01" * 32, rotations=1)
    assert Steps(other.store).sessions.rotate(session.id, old=session.refreshing.digest, new=refreshed)
    assert told(url, session.user_id) == before
    by_hand(url, HAND_MADE.format(9, session.user_id))
    assert told(url, session.user_id) == before + 1


def test_a_change_that_commits_after_a_later_one_is_heard_of(
    url: str, machines: tuple[Machine, Machine], session: Session, bystander: User, late: Connection
) -> None:
    one, other = machines
    elsewhere = new_session(bystander.id, started_at=START)
    Steps(other.store).sessions.add(elsewhere)
    one.remember(session)
    one.remember(elsewhere)
    late.execute(text(HAND_MADE.format(77, session.user_id)))
    by_hand(url, HAND_MADE.format(78, bystander.id))
    until(one.shows(elsewhere, 78))
    one.remember(session)
    time.sleep(0.1)
    assert one.fee(session) != 77
    late.commit()
    assert until(one.shows(session, 77)) < BOUND


def test_a_change_from_before_the_first_question_that_commits_afterwards_is_heard_of(
    url: str, machines: tuple[Machine, Machine], session: Session, bystander: User, late: Connection
) -> None:
    one, _ = machines
    late.execute(text(HAND_MADE.format(55, session.user_id)))
    by_hand(url, HAND_MADE.format(78, bystander.id))
    # Only now it begins to listen.
    one.remember(session)
    late.commit()
    assert until(one.shows(session, 55)) < BOUND


def test_what_cannot_be_asked_is_not_relied_on(
    monkeypatch: pytest.MonkeyPatch, url: str, machines: tuple[Machine, Machine], session: Session
) -> None:
    one, _ = machines
    one.remember(session)

    def gone(self: Database, work: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as then:
        then.setattr(Database, "read", gone)
        assert until(lambda: not one.channel.is_trusted()) < BOUND
        assert not one.is_remembered(session)
        by_hand(url, HAND_MADE.format(33, session.user_id))
    # Whatever was written meanwhile, nothing from before is served.
    until(one.channel.is_trusted)
    assert one.fee(session) == 33
    one.remember(session)


def test_an_answer_that_does_not_come_ends_the_trust_within_a_second(
    monkeypatch: pytest.MonkeyPatch, machines: tuple[Machine, Machine], session: Session
) -> None:
    one, _ = machines
    one.remember(session)
    usual = Database.read
    is_held = [True]

    def hangs(self: Database, work: Any) -> Any:
        while is_held[0]:
            time.sleep(0.01)
        return usual(self, work)

    with monkeypatch.context() as then:
        then.setattr(Database, "read", hangs)
        took = until(lambda: not one.channel.is_trusted())
        is_held[0] = False
    assert took < BOUND
    until(one.channel.is_trusted)


def test_after_a_pause_nothing_from_before_is_served(
    monkeypatch: pytest.MonkeyPatch, machines: tuple[Machine, Machine], session: Session
) -> None:
    one, _ = machines
    one.remember(session)
    epoch = one.epochs.of(session.user_id)
    usual = Database.read

    def pauses(self: Database, work: Any) -> Any:
        time.sleep(TRUST_SECONDS + 0.1)
        monkeypatch.setattr(Database, "read", usual)
        return usual(self, work)

    monkeypatch.setattr(Database, "read", pauses)
    until(lambda: not one.channel.is_trusted())
    until(one.channel.is_trusted)
    # What was pruned meanwhile nobody would have told it.
    assert one.epochs.of(session.user_id) != epoch


def test_without_the_triggers_nothing_is_ever_relied_on(url: str, tmp_path: Path) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("the same rule, and the schema of this database is for all tests")
    other = f"sqlite:///{tmp_path}/without.sqlite3"
    migrated(other)
    with opened(other) as database:
        with database.writing() as connection:
            [name] = connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name LIMIT 1")
            ).scalars()
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        channel = SqlChannel(database, LocalEpochs())
        for _ in range(20):
            assert not channel.is_trusted()
            time.sleep(0.02)
        channel.close()


def test_a_file_that_others_do_not_share_is_not_relied_on(machines: tuple[Machine, Machine]) -> None:
    is_shared = [True]
    channel = SqlChannel(machines[0].database, LocalEpochs(), lambda: is_shared[0])
    until(channel.is_trusted)
    is_shared[0] = False
    assert until(lambda: not channel.is_trusted()) < BOUND
    is_shared[0] = True
    until(channel.is_trusted)
    channel.close()
