"""Many at the same moment: against the use cases on each store, and against a server of two processes.

On each store 20 rounds of a thousand logins come from threads, and on SQLite 20 more from processes. The files lie in
memory where the system has a folder for that: the race is in the store, not on the disk, and what the disk has to promise
is shown elsewhere.
"""

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from attrs import field, frozen

from menshen.domain.actors import Actor
from menshen.domain.admission import surplus
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.errors import Refusal
from menshen.domain.users import User
from menshen.entrypoints.wiring import Service

from .racers import (
    RACERS_PASSWORD,
    Attempt,
    Outcome,
    Racers,
    RacingThreads,
    at_once,
    open_race_service,
    patiently,
    racing_processes,
)
from .servers import PASSWORD, Answer, Server, assert_envelope, clean_environment, serving

ROUNDS = 6

LOGINS = 1000
ROUNDS_OF_LOGINS = 20
REFRESHES = 16
THREADS = 32

OPERATOR = Actor.operator("the races")

_numbers = count(1)


@frozen
class Race:
    """Logins on devices that take turns, under a policy, and how many of them are live in the end."""

    table: Mapping[str, int | str]
    live: int
    devices: tuple[tuple[str, str | None], ...] = (("other", None),)
    policy: DevicePolicy = field(init=False)

    @policy.default
    def _policy(self) -> DevicePolicy:
        return DevicePolicy.from_table(self.table)


RACES = {
    "the newest alone": Race({"total": 1}, 1),
    # Beside these, one login in a hundred is on the web, without a limit.
    "a phone and a PC": Race(
        {"phone": 1, "pc": 1},
        2 + LOGINS // 100,
        (("web", None), *[("phone", None), ("pc", None), ("phone", None)] * 33),
    ),
    "five, the idle go": Race(
        {"total": 5, "overflow": "evict_idle"}, 5, tuple(("pc", f"device {number}") for number in range(10))
    ),
    "three, no newcomers": Race({"total": 3, "overflow": "reject_new"}, 3),
    "each device once": Race({}, 7, tuple(("phone", f"device {number}") for number in range(7))),
}


def new_racer(service: Service) -> User:
    """A user of whom nobody else knows."""
    return service.register_user(phone=f"138{next(_numbers):08}", password=RACERS_PASSWORD)


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

    @pytest.mark.parametrize("race", RACES.values(), ids=RACES.keys())
    def test_of_a_thousand_logins_at_once_those_are_live_whom_the_policy_allows(
        self, service: Service, racers: Racers, race: Race
    ) -> None:
        for _ in range(ROUNDS_OF_LOGINS // len(RACES)):
            user = new_racer(service)
            service.operate.set_policy(user.id, policy=race.policy, actor=OPERATOR)
            devices = [race.devices[number % len(race.devices)] for number in range(LOGINS)]
            outcomes = racers.race([Attempt(phone_of(user), kind, device_id) for kind, device_id in devices])
            live = service.sessions_of(user.id)
            assert len(live) == race.live
            assert surplus(race.policy, live) == frozenset()
            known = [session.device.id for session in live if session.device.id is not None]
            assert len(known) == len(set(known))
            let_in = [outcome for outcome in outcomes if outcome.refused is None]
            turned_away = LOGINS - race.live if "reject_new" in race.table.values() else 0
            assert Counter(outcome.refused for outcome in outcomes) == Counter(
                {None: LOGINS - turned_away, "too_many_devices": turned_away}
            )
            live_ids = {session.id for session in live}
            assert live_ids <= {outcome.session_id for outcome in let_in}
            for outcome in let_in:
                expected = None if outcome.session_id in live_ids else "session_replaced"
                assert refusal_of(service, outcome.access_token) == expected

    def test_refreshes_at_once_all_get_the_one_successor(self, service: Service, racers: Racers) -> None:
        for _ in range(20):
            user = new_racer(service)
            granted = service.login(phone=phone_of(user), password=RACERS_PASSWORD)
            outcomes = racers.race([Attempt(refresh_token=granted.refresh_token)] * REFRESHES)
            assert [outcome.refused for outcome in outcomes] == [None] * REFRESHES
            [successor] = {outcome.refresh_token for outcome in outcomes}
            assert successor != granted.refresh_token
            for outcome in outcomes:
                assert outcome.session_id == granted.session.id
                assert refusal_of(service, outcome.access_token) is None
            [live] = service.sessions_of(user.id)
            assert live.refreshing.rotations == 1
            self._assert_only_the_last_works(service, granted.refresh_token, successor)

    def _assert_only_the_last_works(self, service: Service, first: str, successor: str) -> None:
        after = service.refresh(successor)
        assert after.refresh_token not in {first, successor}
        assert refusal_of(service, after.access_token) is None
        with pytest.raises(Refusal) as refused:
            service.refresh(first)
        assert refused.value.reason == "refresh_token_reused"
        assert refusal_of(service, after.access_token) == "refresh_token_reused"

    def test_after_a_freeze_no_session_is_live_whoever_logs_in_meanwhile(
        self, service: Service, racers: Racers
    ) -> None:
        mixed = 0
        for number in range(20):
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
            racing = pool.submit(racers.race, [Attempt(phone_of(user))] * 3 * THREADS)
            while len(service.sessions_of(user.id)) < let_in_before and not racing.done():
                time.sleep(0.0005)
            patiently(lambda: service.operate.freeze(user.id, reason="a race", until=None, actor=OPERATOR))
            assert service.sessions_of(user.id) == []
            outcomes = racing.result(60)
        assert service.sessions_of(user.id) == []
        self._assert_none_comes_back(service, user, outcomes)
        return Counter(outcome.refused for outcome in outcomes)

    def _assert_none_comes_back(self, service: Service, user: User, outcomes: list[Outcome]) -> None:
        tokens = [outcome.access_token for outcome in outcomes if outcome.refused is None]
        assert {refusal_of(service, token) for token in tokens} <= {"user_not_active"}
        service.operate.unfreeze(user.id, actor=OPERATOR)
        assert {refusal_of(service, token) for token in tokens} <= {"user_frozen"}


class TestThreadsInMemory(Races):
    @pytest.fixture
    def service(self) -> Iterator[Service]:
        with closed_after(open_race_service(None)) as service:
            yield service

    @pytest.fixture
    def racers(self, service: Service) -> Racers:
        return RacingThreads(service, THREADS)


class TestThreadsOnSqlite(Races):
    @pytest.fixture(scope="class")
    @classmethod
    def service(cls) -> Iterator[Service]:
        with file_in_memory() as path, closed_after(open_race_service(path)) as service:
            yield service

    @pytest.fixture
    def racers(self, service: Service) -> Racers:
        return RacingThreads(service, THREADS)


class TestProcessesOnSqlite(Races):
    @pytest.fixture(scope="class")
    @classmethod
    def path(cls) -> Iterator[Path]:
        with file_in_memory() as path:
            yield path

    @pytest.fixture(scope="class")
    @classmethod
    def service(cls, path: Path) -> Iterator[Service]:
        with closed_after(open_race_service(path)) as service:
            yield service

    @pytest.fixture(scope="class")
    @classmethod
    def racers(cls, path: Path) -> Iterator[Racers]:
        with racing_processes(path, processes=4, threads=8, environment=clean_environment({})) as racers:
            yield racers


@contextmanager
def closed_after(service: Service) -> Iterator[Service]:
    try:
        yield service
    finally:
        service.close()


@contextmanager
def file_in_memory() -> Iterator[Path]:
    """Where a SQLite file may be made; on a disk where the system has no folder in memory."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder, "accounts.sqlite3")


class TestRegistering:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serving(tmp_path_factory.mktemp("registering"), WORKERS="2") as server:
            yield server

    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_of_fifty_at_once_exactly_one_is_acknowledged(self, server: Server, number: int) -> None:
        phone = f"1380013800{number}"

        def register(caller: int) -> tuple[str, Answer]:
            password = f"password of {caller}"
            with server.client() as client:
                return password, client.register(phone, password)

        answers = at_once(50, register)
        done = [(password, answer) for password, answer in answers if answer.status == 200]
        assert len(done) == 1, Counter(answer.reason for _, answer in answers)
        for _, answer in answers:
            assert_envelope(answer)
            assert (answer.status, answer.reason) in {
                (200, None),
                (403, "phone_taken"),
                (503, "busy"),
                (503, "store_unavailable"),
            }
            assert answer.status != 503 or int(answer.headers["retry-after"]) >= 1
        [(password, answer)] = done
        with server.client() as client:
            assert client.user_info(answer.token).json["data"]["phone"] == phone
            assert client.login(phone, password).status == 200
            assert client.register(phone).reason == "phone_taken"


class TestLoggingInOnOneDevice:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serving(tmp_path_factory.mktemp("logging-in"), WORKERS="2", MULTI_DEVICE_LOGIN="false") as server:
            yield server

    @pytest.mark.parametrize("number", range(ROUNDS))
    def test_of_thirty_two_at_once_exactly_one_token_lives(self, server: Server, number: int) -> None:
        phone = f"1390013900{number}"
        with server.client() as client:
            first = client.register(phone).token

        def log_in(_caller: int) -> Answer:
            with server.client() as client:
                return client.login(phone)

        answers = at_once(32, log_in)
        assert {answer.status for answer in answers} <= {200, 503}
        tokens = [answer.token for answer in answers if answer.status == 200]
        assert len(tokens) == len(set(tokens)) >= 2
        with server.client() as client:
            found = Counter((info.status, info.reason) for info in map(client.user_info, tokens))
            assert client.user_info(first).reason == "session_replaced"
        assert found == {(200, None): 1, (401, "session_replaced"): len(tokens) - 1}


class TestABurstOfLogins:
    def test_it_is_answered_and_does_not_starve_those_who_are_in(self, server: Server) -> None:
        with server.client() as client:
            token = client.register("13600136002").token
            client.register("13600136000")
        over = threading.Event()
        slowest: list[float] = []

        def look_on() -> None:
            with server.client() as client:
                while not over.is_set():
                    begin = time.monotonic()
                    assert client.user_info(token).status == 200
                    slowest.append(time.monotonic() - begin)
                    time.sleep(0.02)

        def log_in(_caller: int) -> Answer:
            with server.client() as client:
                return client.login("13600136000", PASSWORD)

        looker = threading.Thread(target=look_on)
        looker.start()
        try:
            answers = at_once(150, log_in)
        finally:
            over.set()
            looker.join(60)
        for answer in answers:
            assert_envelope(answer)
            assert (answer.status, answer.reason) in {(200, None), (503, "busy"), (503, "store_unavailable")}
            assert answer.status == 200 or int(answer.headers["retry-after"]) >= 1
        assert any(answer.status == 200 for answer in answers)
        assert max(slowest) < 3


class TestOneRevocation:
    def test_no_request_begun_after_it_succeeds(self, server: Server) -> None:
        with server.client() as client:
            token = client.register("13600136001").token
        ended = threading.Event()

        def poll(_caller: int) -> list[int]:
            late = []
            with server.client() as client:
                for _ in range(5000):
                    begun_after = ended.is_set()
                    status = client.user_info(token).status
                    if begun_after:
                        late.append(status)
                    if len(late) >= 10:
                        break
            return late

        def act(caller: int) -> list[int]:
            if caller:
                return poll(caller)
            time.sleep(0.3)
            with server.client() as client:
                assert client.logout(token).status == 200
            ended.set()
            return []

        late = [status for statuses in at_once(7, act) for status in statuses]
        assert len(late) >= 10
        assert set(late) == {401}
