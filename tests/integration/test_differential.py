"""One behaviour on every store: each journey, replayed on each of them, is answered the same, step by step.

The journeys of a usual run are nearly always the same. ``MENSHEN_JOURNEYS=5000`` makes as many others, anew each time.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime

import pytest
from attrs import evolve
from hypothesis import HealthCheck, find, given, seed, settings
from sqlalchemy import create_engine

from menshen.adapters.memory.sessions import MemorySessionWriter
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.memory.users import MemoryUsers
from menshen.adapters.sql.database import Database
from menshen.domain.audit import Action
from menshen.domain.ports.reading import UserFilter, UserSearch
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import SessionWriter
from menshen.domain.sessions import EndReason, Session, SessionEnd, SessionId
from menshen.domain.users import User, UserId
from menshen.entrypoints.stores import memory_store

from .databases import DatabaseServer
from .journey_making import journeys
from .journeys import Journey, first_difference, replay
from .racers import file_in_memory
from .stores import emptied, opened

USUAL_JOURNEYS = 15
MOST_BATCHES = 20
"""How many times so many are looked at, until they come to all that is expected."""

RANDOM_JOURNEYS = int(os.environ.get("MENSHEN_JOURNEYS", "0"))

REFUSALS = [
    "phone_invalid",
    "phone_taken",
    "user_name_invalid",
    "password_length",
    "password_text",
    "password_wrong",
    "referrer_unknown",
    "device_invalid",
    "invalid_credentials",
    "too_many_devices",
    "not_an_admin",
    "user_not_active",
    "token_invalid",
    "token_expired",
    "session_expired",
    "session_idle",
    "session_replaced",
    "session_logged_out",
    "session_kicked",
    "password_changed",
    "user_frozen",
    "user_closed",
    "refresh_token_invalid",
    "refresh_token_reused",
    "no_such_user",
    "no_such_session",
    "freeze_invalid",
    "state_conflict",
    "fee_invalid",
    "text_invalid",
    "clock_in_doubt",
]

EXPECTED = {
    *(f"refused: {reason}" for reason in REFUSALS),
    *(f"a session ended: {reason}" for reason in EndReason if reason is not EndReason.UNKNOWN),
    *(f"{action} in the log" for action in Action if action is not Action.JOIN),
}
"""What the journeys must cover to be meaningful. Rows to join exist only in databases; see test_adopting_left.py."""

Fresh = Callable[[], Store]
"""Makes an empty store, or empties the existing one."""

_QUIET = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def fresh_memory() -> Store:
    return memory_store(MemoryStore())


class TestEveryStore:
    @pytest.fixture(scope="class")
    @classmethod
    def stores(cls, postgresql: DatabaseServer, mariadb_database: Database) -> Iterator[Mapping[str, Fresh]]:
        with file_in_memory() as path, ExitStack() as stack:
            sqlite = stack.enter_context(opened(f"sqlite:///{path}"))
            chinese = stack.enter_context(opened(_chinese_database(postgresql)))
            yield {
                "memory": fresh_memory,
                "SQLite": lambda: emptied(sqlite),
                "PostgreSQL": lambda: emptied(chinese),
                "MariaDB": lambda: emptied(mariadb_database),
            }

    def test_each_journey_is_answered_the_same(self, stores: Mapping[str, Fresh]) -> None:
        met: Counter[str] = Counter()
        with ThreadPoolExecutor(len(stores)) as pool:

            def go(journey: Journey) -> None:
                replayed = pool.map(lambda fresh: replay(journey, fresh()), stores.values())
                first, *others = zip(stores, replayed, strict=True)
                met.update(first[1].met)
                for other in others:
                    found = first_difference(journey, first[1], other[1])
                    assert found is None, f"{first[0]} against {other[0]}: {found}"

            if RANDOM_JOURNEYS:
                settings(_QUIET, max_examples=RANDOM_JOURNEYS, derandomize=False)(given(journeys())(go))()

            def go_if_it_adds(journey: Journey) -> None:
                if (EXPECTED - met.keys()) & replay(journey, fresh_memory()).met.keys():
                    go(journey)

            # What hypothesis makes from a seed depends on the loaded modules, so the first batch may lack something. Of
            # the others, a journey that adds nothing is skipped, which is quickly found out in memory.
            for number in range(0 if RANDOM_JOURNEYS else MOST_BATCHES):
                if EXPECTED - met.keys():
                    each = go_if_it_adds if met else go
                    seed(number)(settings(_QUIET, max_examples=USUAL_JOURNEYS)(given(journeys())(each)))()
        missed = EXPECTED - met.keys()
        assert not missed, f"the journeys do not come to {missed} any more"


class FindsBackwards(MemoryUsers):
    def find(self, wanted: UserFilter, *, after: UserId, limit: int, now: datetime) -> Sequence[User]:
        return super().find(wanted, after=after, limit=limit, now=now)[::-1]


class CutsMicroseconds(MemorySessionWriter):
    def add(self, session: Session) -> None:
        super().add(evolve(session, last_seen_at=session.last_seen_at.replace(microsecond=0)))


class TakesBackFreezes(MemorySessionWriter):
    def end(self, session_ids: Collection[SessionId], end: SessionEnd) -> int:
        return 0 if end.reason is EndReason.USER_FROZEN else super().end(session_ids, end)


class TestAStoreThatGoesItsOwnWay:
    @pytest.mark.parametrize(
        ("sabotaged", "longest"),
        [
            (lambda: memory_store(MemoryStore(), {UserSearch: FindsBackwards}), 3),
            (lambda: memory_store(MemoryStore(), {SessionWriter: CutsMicroseconds}), 2),
            (lambda: memory_store(MemoryStore(), {SessionWriter: TakesBackFreezes}), 2),
        ],
        ids=["finds backwards", "cuts microseconds", "takes back freezes"],
    )
    def test_it_is_found_out_by_a_journey_of_few_steps(self, sabotaged: Fresh, longest: int) -> None:
        def is_answered_differently(journey: Journey) -> bool:
            one, other = replay(journey, fresh_memory()), replay(journey, sabotaged())
            return first_difference(journey, one, other) is not None

        found = find(journeys(12), is_answered_differently, settings=settings(_QUIET, max_examples=1000))
        assert 1 <= len(found.steps) <= longest, found


def _chinese_database(server: DatabaseServer) -> str:
    """The URL of a fresh one that by default orders and compares text as people do, not character by character."""
    name = f"chinese_{os.getpid()}"
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'zh'")
    engine.dispose()
    return server.url.set(database=name).render_as_string(hide_password=False)
