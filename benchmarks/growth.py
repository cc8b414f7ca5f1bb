"""What growth costs: three operations at 1,000 and at 1,000,000 users with three sessions each, on each database.

The small and the large database are on one server, whose settings are durable and whose cache holds them, and are
measured in turns: read the ratio, not the microseconds. Each call is about another user, in no order. The clock of the
service stands still, so that no last use is due to be written; passwords are checked by a fake hasher, so that a login
is the work of the store: it locks the user, reads the live sessions, ends the one it replaces, and is on the disk
before it returns. If the folder for temporary files is kept in memory, set TMPDIR to one on a disk.

Also, the bytes on disk for a row of each table and its share of the indexes, with rows inserted in their usual order.
"""

import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from menshen.adapters.memory.fakes import FakeClock, FakePasswordHasher
from menshen.adapters.system_clock import SystemClock
from menshen.domain.devices import Client, Device, DeviceType
from menshen.domain.presences import Principal
from menshen.domain.sessions import SessionId
from menshen.domain.tokens import AccessTokenClaims
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.users import UserId
from menshen.entrypoints.device_policies import parse_device_policy
from menshen.entrypoints.services import open_adapters
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store
from menshen.entrypoints.wiring import Adapters, Service, wire

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from ..tests.integration.filling import DEVICE_TYPES, phone_of, session_id_of
    from .engines import ENGINES, filled
else:
    from engines import ENGINES, filled

    from menshen.tests.integration.filling import DEVICE_TYPES, phone_of, session_id_of

SMALL, LARGE = 1_000, 1_000_000
ROUNDS = 9
SECONDS = 0.6
CALLERS = 20_000
"""The number of calls before a caller repeats; in the small database, each user is among them many times."""

STEP = 611_953
"""From one caller to the next, so that they come in no order."""

PASSWORD = "p" * 92
HASH = FakePasswordHasher().hash(PASSWORD)
"""As long as an Argon2 hash."""

CLIENT = Client(device=Device(DeviceType.PHONE, "a new phone"))

Operations = dict[str, Iterator[Callable[[], None]]]
"""The endless sequence of calls for each operation."""


def main() -> None:
    parser = ArgumentParser(description="What growth costs on each database.")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="all of them unless some are named")
    parser.add_argument("--users", type=int, default=LARGE, help=f"of the large database; {LARGE:,} by default")
    arguments = parser.parse_args()
    for name in arguments.engine or ENGINES:
        _measure(name, arguments.users)


def _measure(name: str, users: int) -> None:
    now = SystemClock().now()
    begin = time.perf_counter()
    with ENGINES[name]() as engine, ExitStack() as stack:
        small_url, _ = filled(engine, SMALL, now, HASH)
        large_url, sizes = filled(engine, users, now, HASH)
        print(f"{name}, {users:,} users: filled in {time.perf_counter() - begin:.0f} s", flush=True)
        both = [_operations(small_url, SMALL, now, stack), _operations(large_url, users, now, stack)]
        for operation in both[0]:
            small, large = _microseconds(*(operations[operation] for operations in both))
            ratio = median(b / a for a, b in zip(small, large, strict=True))
            print(
                f"{name:<10} {operation:<13} at {SMALL:,} users {median(small):>6.0f} µs,"
                f" at {users:,} {median(large):>6.0f} µs, ratio {ratio:.2f}",
                flush=True,
            )
    bytes_of = ", ".join(f"{table.removeprefix('x_')} {size:.0f}" for table, size in sizes.items())
    print(f"{name:<10} bytes on disk for a row: {bytes_of}", flush=True)


def _microseconds(*both: Iterator[Callable[[], None]]) -> tuple[list[float], ...]:
    """The time of a call, in each round."""
    measured: tuple[list[float], ...] = ([], [])
    for turn in range(ROUNDS + 1):
        for calls, rounds in zip(both, measured, strict=True):
            begin, done = time.perf_counter(), 0
            while (now := time.perf_counter()) < begin + SECONDS:
                next(calls)()
                done += 1
            # The first round only warms up.
            if turn:
                rounds.append((now - begin) / done * 1e6)
    return measured


def _operations(url: str, users: int, now: datetime, stack: ExitStack) -> Operations:
    """The operations of the service on the database at *url*, which has that many users."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    settings = Settings(
        data_dir=folder, database_url=url, device_policy=parse_device_policy('{"phone": 1, "pc": 1, "tablet": 1}')
    )
    adapters = evolve(
        open_adapters(settings, bytes(32), open_store(settings)), hasher=FakePasswordHasher(), clock=FakeClock(now)
    )
    service = wire(settings, adapters)
    stack.callback(service.close)
    if weaknesses := adapters.store.weaknesses():
        raise RuntimeError(f"this is not how it runs in production: {weaknesses}")
    callers = _callers(service, adapters, users, now)
    return {
        "authenticate": cycle([caller.authenticate for caller in callers]),
        "login": cycle([caller.login for caller in callers]),
        "list sessions": cycle([caller.list_sessions for caller in callers]),
    }


@frozen
class Caller:
    """A user with a token."""

    service: Service
    principal: Principal
    token: str
    phone: str

    def authenticate(self) -> None:
        self.service.authenticate(self.token)

    def login(self) -> None:
        self.service.login(PhoneAndPassword(self.phone, PASSWORD), client=CLIENT)

    def list_sessions(self) -> None:
        if len(self.service.list_sessions(self.principal)) != len(DEVICE_TYPES):
            raise RuntimeError("a user has other sessions than expected")


def _callers(service: Service, adapters: Adapters, users: int, now: datetime) -> list[Caller]:
    return [_caller(service, adapters, 1 + number * STEP % users, now) for number in range(CALLERS)]


def _caller(service: Service, adapters: Adapters, user_id: int, now: datetime) -> Caller:
    issued_at = now.replace(microsecond=0)
    claims = AccessTokenClaims(
        subject=UserId(user_id),
        # Not the phone's session, which the logins end.
        session_id=SessionId(session_id_of(user_id, DEVICE_TYPES.index("pc"))),
        token_id=adapters.ids.new_id(),
        issued_at=issued_at,
        expires_at=issued_at + timedelta(days=7),
    )
    phone = phone_of(user_id)
    token = adapters.codec.encode(claims)
    return Caller(service, service.authenticate(token), token, phone)


if __name__ == "__main__":
    main()
