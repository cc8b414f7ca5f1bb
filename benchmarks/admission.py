"""Logins per second under a device policy on SQLite, with one session in the table and with a million.

Passwords are checked by a fake hasher, so that the store is measured: a login locks the user, reads the live sessions,
ends the one it replaces, and is on the disk before it returns. If the folder for temporary files is kept in memory, set
TMPDIR to one on a disk. Both tables are measured in turns in one run: read the ratio, not the numbers.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

from attrs import evolve
from sqlalchemy import insert

from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.adapters.sql.database import Database, open_database, sqlite_url
from menshen.adapters.sql.tables import sessions, users
from menshen.adapters.system_clock import SystemClock
from menshen.domain.devices import Client, Device, DeviceType
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.entrypoints.device_policies import parse_device_policy
from menshen.entrypoints.services import open_adapters
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store
from menshen.entrypoints.wiring import Service, wire

ROUNDS = 5
SECONDS = 2.0
SESSIONS = 1_000_000
SESSIONS_OF_A_USER = 3
BATCH = 30_000
PHONE, PASSWORD = "13800138000", "correct horse"
DEVICES = [Client(device=Device(DeviceType.PHONE, f"phone-{number}")) for number in range(2)]


def main() -> None:
    with ExitStack() as stack:
        small, large = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2))
        services = [_opened(folder, stack) for folder in (small, large)]
        begin = time.perf_counter()
        database = open_database(sqlite_url(large / "menshen.sqlite3"), connections=1)
        _fill(database)
        database.close()
        print(f"{SESSIONS:,} sessions written in             {time.perf_counter() - begin:>7.1f} s")

        rates: list[list[float]] = [[], []]
        for turn in range(ROUNDS + 1):
            # The first round only warms up.
            for rate, service in zip(rates, services, strict=True):
                measured = _logins_per_second(service, SECONDS if turn else SECONDS / 5)
                if turn:
                    rate.append(measured)
        size = (large / "menshen.sqlite3").stat().st_size
    print(f"logins, 1 session in the table          {median(rates[0]):>7.1f} /s")
    print(f"logins, {SESSIONS:,} sessions in the table {median(rates[1]):>5.1f} /s")
    print(f"ratio: a million to one                 {median(b / a for a, b in zip(*rates, strict=True)):.2f}")
    print(f"bytes on disk for a session, and a third of its user {size / SESSIONS:.0f}")


def _opened(folder: Path, stack: ExitStack) -> Service:
    """The service on SQLite in *folder*, with a fake hasher and one user, who is logged in."""
    settings = Settings(data_dir=folder, device_policy=parse_device_policy('{"phone": 1, "pc": 1}'))
    adapters = evolve(open_adapters(settings, bytes(32), open_store(settings)), hasher=FakePasswordHasher())
    service = wire(settings, adapters)
    stack.callback(service.close)
    service.register_and_login(phone=PHONE, password=PASSWORD, client=DEVICES[0])
    return service


def _logins_per_second(service: Service, seconds: float) -> float:
    """Two phones log in in turns, and each ends the session of the other."""
    begin, done = time.perf_counter(), 0
    while time.perf_counter() < begin + seconds:
        service.login(PhoneAndPassword(PHONE, PASSWORD), client=DEVICES[done % 2])
        done += 1
    return done / (time.perf_counter() - begin)


def _fill(database: Database) -> None:
    now = SystemClock().now()
    for first in range(0, SESSIONS, BATCH):
        numbers = range(first, min(first + BATCH, SESSIONS))
        with database.writing() as connection:
            owners = sorted({_owner(number) for number in numbers})
            connection.execute(insert(users).prefix_with("OR IGNORE"), list(_users(owners, now)))
            connection.execute(insert(sessions), list(_sessions(numbers, now)))


def _owner(number: int) -> int:
    # The one user who logs in has the id 1.
    return 2 + number // SESSIONS_OF_A_USER


def _users(ids: list[int], now: datetime) -> Iterator[dict[str, object]]:
    for user_id in ids:
        yield {
            "id": user_id,
            "is_account": True,
            "canonical_phone": f"139{user_id:08}",
            "phone": f"139{user_id:08}",
            "password": "$argon2id$v=19$m=19456,t=2,p=1$" + "c" * 22 + "$" + "h" * 43,
            "registration_time": now,
            "state": "正常",
        }


def _sessions(numbers: range, now: datetime) -> Iterator[dict[str, object]]:
    for number in numbers:
        started_at = now - timedelta(minutes=number % 10_000)
        yield {
            "id": f"{number:022}",
            "user_id": _owner(number),
            "kind": "user",
            "device_type": ("phone", "pc", "tablet")[number % SESSIONS_OF_A_USER],
            "device_id": f"{number:032}",
            "device_name": "iPhone",
            "address": "203.0.113.7",
            "user_agent": "an app/1.0 (iPhone; iOS 26)",
            "started_at": started_at,
            "last_seen_at": started_at,
            "expires_at": started_at + timedelta(days=30),
            "over_at": started_at + timedelta(days=30),
            "idle_seconds": 14 * 86400,
            "refresh_digest": number.to_bytes(32, "big"),
            "refresh_rotations": 0,
            "refresh_rotated_at": started_at,
            "refresh_expires_at": started_at + timedelta(days=30),
        }


if __name__ == "__main__":
    main()
