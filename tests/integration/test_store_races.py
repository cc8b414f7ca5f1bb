"""Many at the same moment, against the use cases on each store: sixteen threads, and four processes of four threads each.

In 20 rounds all register one phone; 50 more come over HTTP to four processes (``tests/faults/f05_one_phone.py``). Under each
of five device policies come 1,000 logins from threads in memory and from processes on SQLite, and 300 in the other cases. In
10 rounds all refresh one token, and in 8 a freeze comes between logins. SQLite's files lie in memory where the system has a
folder for that, and the servers do not wait for the disk: the race is in the store, and what the disk has to promise is shown elsewhere.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import ClassVar

import pytest
from attrs import evolve, field, frozen

from menshen.adapters.memory.fakes import FakeClock
from menshen.domain.actors import Actor
from menshen.domain.admission import surplus
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import Refusal
from menshen.domain.ports.reading import UserFilter
from menshen.domain.refresh_tokens import REUSE_GRACE
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.users import Phone, User
from menshen.entrypoints.settings import MEMORY_URL
from menshen.entrypoints.wiring import Service

from .databases import DatabaseServer
from .racers import (
    RACERS_PASSWORD,
    Attempt,
    Outcome,
    Racers,
    RacingThreads,
    file_in_memory,
    open_race_service,
    patiently,
    racing_processes,
)
from .servers import clean_environment
from .stores import migrated

RACERS = 16
PROCESSES = 4

ROUNDS_OF_REFRESHING = 10
FREEZES = 8

OPERATOR = Actor.operator("the races")

_numbers = count(1)


@frozen
class Race:
    """Logins on devices that take turns, under a policy, and how many of them are live in the end."""

    table: Mapping[str, int | str]
    limited: int
    devices: tuple[tuple[str, str | None], ...] = (("other", None),)
    unlimited_of_a_hundred: int = 0
    policy: DevicePolicy = field(init=False)

    @policy.default
    def _policy(self) -> DevicePolicy:
        return DevicePolicy.from_table(self.table)

    def live(self, logins: int) -> int:
        """How many of so many logins are live in the end."""
        return self.limited + logins // 100 * self.unlimited_of_a_hundred


RACES = {
    "the newest alone": Race({"total": 1}, 1),
    # Beside these, one login in a hundred is on the web, without a limit.
    "a phone and a PC": Race(
        {"phone": 1, "pc": 1},
        2,
        (("web", None), *[("phone", None), ("pc", None), ("phone", None)] * 33),
        unlimited_of_a_hundred=1,
    ),
    "five, the idle go": Race(
        {"total": 5, "overflow": "evict_idle"}, 5, tuple(("pc", f"device {number}") for number in range(10))
    ),
    "three, no newcomers": Race({"total": 3, "overflow": "reject_new"}, 3),
    "each device once": Race({}, 7, tuple(("phone", f"device {number}") for number in range(7))),
}


def new_phone() -> str:
    """A number that nobody has."""
    return f"138{next(_numbers):08}"


def new_racer(service: Service) -> User:
    """A user of whom nobody else knows."""
    return service.register_user(phone=new_phone(), password=RACERS_PASSWORD)


def phone_of(user: User) -> str:
    assert user.phone is not None
    return user.phone.digits


def refusal_of(service: Service, token: str) -> str | None:
    """Why the guard refuses *token*; None where it lets it in."""
    try:
        service.authenticate(token)
    except Refusal as refusal:
        return refusal.reason
    return None


class Races:
    """Subclasses give the fixtures ``service`` and ``racers``, on the same store."""

    logins: ClassVar[int]
    """For each policy."""

    registrations: ClassVar[int] = 20
    """Rounds of them."""

    def test_of_sixteen_who_register_one_phone_exactly_one_is_acknowledged(
        self, service: Service, racers: Racers
    ) -> None:
        refused: Counter[str | None] = Counter()
        for _ in range(self.registrations):
            phone = new_phone()
            outcomes = racers.race([Attempt(phone, registers=True)] * RACERS)
            refused.update(outcome.refused for outcome in outcomes)
            [acknowledged] = [outcome for outcome in outcomes if outcome.refused is None]
            [user] = service.find_users(UserFilter(phone=Phone(phone)))
            assert [session.id for session in service.sessions_of(user.id)] == [acknowledged.session_id]
            assert service.authenticate(acknowledged.access_token).user == user.profile
        assert refused.keys() <= {None, "phone_taken", "store_unavailable"}
        assert refused["store_unavailable"] <= self.registrations * RACERS // 100

    @pytest.mark.parametrize("race", RACES.values(), ids=RACES.keys())
    def test_of_hundreds_of_logins_at_once_those_are_live_whom_the_policy_allows(
        self, service: Service, racers: Racers, race: Race
    ) -> None:
        live_in_the_end = race.live(self.logins)
        user = new_racer(service)
        service.operate.set_policy(user.id, policy=race.policy, actor=OPERATOR)
        devices = [race.devices[number % len(race.devices)] for number in range(self.logins)]
        outcomes = racers.race([Attempt(phone_of(user), kind, device_id) for kind, device_id in devices])
        live = service.sessions_of(user.id)
        assert len(live) == live_in_the_end
        assert surplus(race.policy, live) == frozenset()
        known = [session.device.id for session in live if session.device.id is not None]
        assert len(known) == len(set(known))
        let_in = [outcome for outcome in outcomes if outcome.refused is None]
        turned_away = self.logins - live_in_the_end if "reject_new" in race.table.values() else 0
        assert Counter(outcome.refused for outcome in outcomes) == Counter(
            {None: self.logins - turned_away, "too_many_devices": turned_away}
        )
        live_ids = {session.id for session in live}
        assert live_ids <= {outcome.session_id for outcome in let_in}
        for outcome in let_in:
            expected = None if outcome.session_id in live_ids else "session_replaced"
            assert refusal_of(service, outcome.access_token) == expected

    def test_refreshes_at_once_all_get_the_one_successor(self, service: Service, racers: Racers) -> None:
        for _ in range(ROUNDS_OF_REFRESHING):
            user = new_racer(service)
            granted = service.login(PhoneAndPassword(phone_of(user), RACERS_PASSWORD))
            outcomes = racers.race([Attempt(refresh_token=granted.refresh_token)] * RACERS)
            assert [outcome.refused for outcome in outcomes] == [None] * RACERS
            [successor] = {outcome.refresh_token for outcome in outcomes}
            assert successor != granted.refresh_token
            for outcome in outcomes:
                assert outcome.session_id == granted.session.id
                assert refusal_of(service, outcome.access_token) is None
            stored = service.refresh.sessions.by_id(granted.session.id)
            assert stored is not None
            assert stored.refreshing.rotations == 1
            self._assert_only_the_last_works(service, granted.refresh_token, successor)

    def _assert_only_the_last_works(self, service: Service, first: str, successor: str) -> None:
        after = service.refresh(successor)
        assert after.refresh_token not in {first, successor}
        assert refusal_of(service, after.access_token) is None
        # For a moment it still gets the current one; then it is a stolen one.
        assert service.refresh(first).refresh_token == after.refresh_token
        late = evolve(service.refresh, clock=FakeClock(service.clock.now() + REUSE_GRACE + timedelta(seconds=1)))
        with pytest.raises(Refusal) as refused:
            late(first)
        assert refused.value.reason == "refresh_token_reused"
        assert refusal_of(service, after.access_token) == "refresh_token_reused"

    def test_after_a_freeze_no_session_is_live_whoever_logs_in_meanwhile(
        self, service: Service, racers: Racers
    ) -> None:
        mixed = 0
        for number in range(FREEZES):
            user = new_racer(service)
            found = self._freeze_meanwhile(service, racers, user, number)
            assert found.keys() <= {None, "user_not_active"}
            mixed += len(found) == 2
        assert mixed, "no freeze came between logins"

    def _freeze_meanwhile(
        self, service: Service, racers: Racers, user: User, let_in_before: int
    ) -> Counter[str | None]:
        """Freeze *user* when so many logins are in. Returns how the logins came out."""
        with ThreadPoolExecutor(1) as pool:
            # Each thread logs in three times: those who wait for the store when the freeze comes are served before it.
            racing = pool.submit(racers.race, [Attempt(phone_of(user))] * 3 * RACERS)
            while len(patiently(lambda: service.sessions_of(user.id))) < let_in_before and not racing.done():
                time.sleep(0.0005)
            patiently(lambda: service.operate.freeze(user.id, reason="a race", until=None, actor=OPERATOR))
            assert patiently(lambda: service.sessions_of(user.id)) == []
            outcomes = racing.result(60)
        assert service.sessions_of(user.id) == []
        self._assert_none_comes_back(service, user, outcomes)
        return Counter(outcome.refused for outcome in outcomes)

    def _assert_none_comes_back(self, service: Service, user: User, outcomes: list[Outcome]) -> None:
        tokens = [outcome.access_token for outcome in outcomes if outcome.refused is None]
        assert {refusal_of(service, token) for token in tokens} <= {"user_not_active"}
        service.operate.unfreeze(user.id, actor=OPERATOR)
        assert {refusal_of(service, token) for token in tokens} <= {"user_frozen"}


class Threads:
    """Sixteen in this process."""

    @pytest.fixture
    def racers(self, service: Service) -> Racers:
        return RacingThreads(service, RACERS)


class Processes:
    """Four, of four threads each."""

    @pytest.fixture(scope="class")
    @classmethod
    def racers(cls, url: str) -> Iterator[Racers]:
        with racing_processes(
            url, processes=PROCESSES, threads=RACERS // PROCESSES, environment=clean_environment({})
        ) as racers:
            yield racers


class OnDatabase:
    """Subclasses give the fixture ``url``, of a database with its tables."""

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls, url: str) -> Iterator[Service]:
        with closed_after(open_race_service(url)) as service:
            yield service


class OnSqlite(OnDatabase):
    logins: ClassVar[int] = 1000

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls) -> Iterator[str]:
        with file_in_memory() as path:
            migrated(f"sqlite:///{path}")
            yield f"sqlite:///{path}"


class OnPostgreSql(OnDatabase):
    logins: ClassVar[int] = 300

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, postgresql: DatabaseServer) -> str:
        url = postgresql.new_database()
        migrated(url)
        return url


class OnMariaDb(OnDatabase):
    logins: ClassVar[int] = 300

    @pytest.fixture(scope="class")
    @classmethod
    def url(cls, mariadb: DatabaseServer) -> str:
        url = mariadb.new_database()
        migrated(url)
        return url


class TestProcessesOnSqlite(OnSqlite, Processes, Races):
    pass


class TestProcessesOnPostgreSql(OnPostgreSql, Processes, Races):
    pass


class TestProcessesOnMariaDb(OnMariaDb, Processes, Races):
    pass


class TestThreadsOnSqlite(OnSqlite, Threads, Races):
    # A thousand are those of the processes.
    logins: ClassVar[int] = 300


class TestThreadsOnPostgreSql(OnPostgreSql, Threads, Races):
    pass


class TestThreadsOnMariaDb(OnMariaDb, Threads, Races):
    pass


class TestThreadsInMemory(Threads, Races):
    logins: ClassVar[int] = 1000

    @pytest.fixture
    def service(self) -> Iterator[Service]:
        with closed_after(open_race_service(MEMORY_URL)) as service:
            yield service


@contextmanager
def closed_after(service: Service) -> Iterator[Service]:
    try:
        yield service
    finally:
        service.close()
