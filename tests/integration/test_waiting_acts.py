"""An admin's act that waits for a lock of the database, on each product."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from attrs import evolve

from menshen.adapters.conformance.sessions import START, new_session
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.memory.fakes import FakeClock
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.presences import Presence, Principal
from menshen.domain.realms import NotAnAdmin
from menshen.domain.sessions import SessionKicked, SessionKind
from menshen.domain.use_cases.operating import Operate
from menshen.domain.users import Profile, User, UserId
from menshen.entrypoints.realms import admin_realm
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .stores import opened

ROUNDS = 10


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('store')}/accounts.sqlite3"
    else:
        server: DatabaseServer = request.getfixturevalue(request.param)
        url = server.new_database()
    with opened(url) as database:
        yield sql_store(database)


ADMINS = admin_realm(Settings())


def admin_of(store: Store) -> tuple[User, Principal]:
    """An admin with a session that lives now."""
    user = Steps(store).users.add(another_user())

    def promote(tx: Transaction) -> User:
        locked = tx.lock(user.id)
        assert locked is not None
        promoted = evolve(locked, is_admin=True)
        tx.users.save(promoted)
        return promoted

    session = new_session(user.id, kind=SessionKind.ADMIN)
    Steps(store).sessions.add(session)
    admin = store.work.transact(promote)
    return admin, Presence(admin, session).admit(ADMINS, START)


def is_admin(store: Store, user_id: UserId) -> bool:
    found = store.users.by_id(user_id)
    assert found is not None
    return found.is_admin


def test_who_was_demoted_while_the_act_waited_does_nothing(store: Store) -> None:
    user, by = admin_of(store)
    target = Steps(store).users.add(another_user())
    operate = Operate(store.work, FakeClock(START), ADMINS)
    is_locked, is_asked = Event(), Event()

    def demote(tx: Transaction) -> None:
        locked = tx.lock(user.id)
        assert locked is not None
        is_locked.set()
        assert is_asked.wait(10)
        tx.users.save(evolve(locked, is_admin=False))

    with ThreadPoolExecutor(2) as pool:
        demoting = pool.submit(store.work.transact, demote)
        assert is_locked.wait(10)

        def act() -> Profile:
            is_asked.set()
            return operate.set_fee(target.id, percentage=50, actor=by)

        acting = pool.submit(act)
        demoting.result(30)
        with pytest.raises(NotAnAdmin):
            acting.result(30)
    assert store.users.by_id(target.id) == target


def test_of_two_admins_who_demote_each_other_one_is_left(store: Store) -> None:
    operate = Operate(store.work, FakeClock(START), ADMINS)
    for _ in range(ROUNDS):
        (first, by_first), (second, by_second) = admin_of(store), admin_of(store)

        def demote(whom: User, by: Principal) -> bool:
            try:
                operate.set_admin(whom.id, is_admin=False, actor=by)
            except (NotAnAdmin, SessionKicked):
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(demote, [second, first], [by_first, by_second]))
        assert sorted(done) == [False, True]
        assert [is_admin(store, each.id) for each in (first, second)] == done
