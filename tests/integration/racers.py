"""Racers: threads, and processes of threads, that register, log in and refresh at the same moment.

They go through the use cases, wired as in production, on a real store and with the real codecs. Only the hasher costs
nothing, so that the race is in the store. Run as a program, this module is one of several processes on one database.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, TypeVar

from attrs import asdict, frozen

from menshen.adapters.background_last_seen import BackgroundLastSeen
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.adapters.memory.fakes import FakeHostTokenCodec, FakePasswordHasher, FakeSeal
from menshen.adapters.random_ids import SystemRandomIds
from menshen.adapters.refresh_token_codec import HmacRefreshTokenCodec
from menshen.adapters.system_clock import SystemClock
from menshen.domain.devices import Client, Device, DeviceType
from menshen.domain.errors import Refusal, StoreUnavailable
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store
from menshen.entrypoints.wiring import Adapters, Service, wire

T = TypeVar("T")

RACERS_PASSWORD = "a good password"

_SECRET = b"a secret that all the racers share"

_LONGEST_RACE_SECONDS = 300

_TRIES = 60
"""How often a busy store is tried again; each time it has waited for seconds."""


@frozen
class Attempt:
    """A login or a registration with this number or, where there is one, the use of a refresh token."""

    phone: str = ""
    device_type: str = "other"
    device_id: str | None = None
    refresh_token: str | None = None
    registers: bool = False


@frozen
class Outcome:
    """What came of an attempt: tokens, or the reason of the refusal; of a fault, all that it says."""

    refused: str | None = None
    session_id: str = ""
    access_token: str = ""
    refresh_token: str = ""


class Racers(Protocol):
    """Several who make attempts at the same time."""

    def race(self, attempts: Sequence[Attempt]) -> list[Outcome]: ...


def open_race_service(url: str) -> Service:
    """The service on the database at *url*, whose tables are there."""
    settings = Settings(database_url=url)
    store = open_store(settings)
    clock = SystemClock()
    last_seen = BackgroundLastSeen(store.work, clock)

    def close() -> None:
        last_seen.close()
        store.close()

    adapters = Adapters(
        store=store,
        hasher=FakePasswordHasher(),
        codec=JwtTokenCodec(secret=_SECRET, issuer=settings.issuer, audience=settings.audience),
        admin_codec=JwtTokenCodec(secret=_SECRET, issuer=settings.issuer, audience=settings.admin_audience),
        refresh_codec=HmacRefreshTokenCodec(_SECRET),
        host_codec=FakeHostTokenCodec(),
        seal=FakeSeal(),
        last_seen=last_seen,
        clock=clock,
        ids=SystemRandomIds(),
        close=close,
    )
    return wire(settings, adapters)


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """What *act* returns for each number below *count*, called by as many threads at one moment."""
    gate = threading.Barrier(count)
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            gate.wait(30)
            results[number] = act(number)
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's own thread
            failures.append(error)

    # Daemons, so that a deadlock does not keep the process alive.
    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONGEST_RACE_SECONDS)
        assert not thread.is_alive()
    assert not failures, failures[0]
    return [results[number] for number in range(count)]


def patiently(act: Callable[[], T]) -> T:
    """Try again if the store was busy: then it has decided nothing."""
    for _ in range(_TRIES):
        try:
            return act()
        except StoreUnavailable:
            continue
    raise AssertionError("the store had no time at all")


@frozen
class RacingThreads:
    """Racers in this process."""

    service: Service
    count: int

    def race(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        count = min(self.count, len(attempts))
        shares = at_once(count, lambda number: [self._outcome_of(each) for each in attempts[number::count]])
        return [outcome for share in shares for outcome in share]

    def _outcome_of(self, attempt: Attempt) -> Outcome:
        try:
            granted = self._granted(attempt)
        except Refusal as refusal:
            return Outcome(refused=refusal.reason)
        except Exception as error:  # noqa: BLE001 - whoever judges the race is to see it, also from another process
            return Outcome(refused=f"{type(error).__name__}: {error}")
        return Outcome(
            session_id=granted.session.id, access_token=granted.access_token, refresh_token=granted.refresh_token
        )

    def _granted(self, attempt: Attempt) -> Granted:
        client = Client(device=Device(DeviceType(attempt.device_type), id=attempt.device_id))
        phone, token = attempt.phone, attempt.refresh_token
        if attempt.registers:
            return self.service.register_and_login(phone=phone, password=RACERS_PASSWORD, client=client)
        if token is not None:
            return patiently(lambda: self.service.refresh(token, client))
        return patiently(lambda: self.service.login(PhoneAndPassword(phone, RACERS_PASSWORD), client=client))


@frozen
class RacingProcesses:
    """Racers in processes of their own; each runs this module."""

    processes: "tuple[subprocess.Popen[str], ...]"

    def race(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        count = len(self.processes)
        for number, process in enumerate(self.processes):
            stdin = _there(process.stdin)
            stdin.write(json.dumps([asdict(attempt) for attempt in attempts[number::count]]) + "\n")
            stdin.flush()
        lines = [_there(process.stdout).readline() for process in self.processes]
        return [Outcome(**outcome) for line in lines for outcome in json.loads(line)]


@contextmanager
def racing_processes(
    url: str, *, processes: int, threads: int, environment: dict[str, str]
) -> Iterator[RacingProcesses]:
    """Processes on the database at *url*, each started afresh, so that no lock is forked."""
    command = [sys.executable, __file__, url, str(threads)]
    started = tuple(
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    )
    try:
        for process in started:
            assert _there(process.stdout).readline() == "ready\n"
        yield RacingProcesses(started)
    finally:
        ended(*started)


def ended(*processes: "subprocess.Popen[str]") -> None:
    """Have *processes* come to their end, as they do when nothing more can be asked of them; or kill them."""
    try:
        for process in processes:
            process.communicate(timeout=60)
    finally:
        for process in processes:
            process.kill()


@contextmanager
def file_in_memory() -> Iterator[Path]:
    """Where a SQLite file may be made; on a disk where the system has no folder in memory."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder, "accounts.sqlite3")


def _there(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def main(url: str, threads: str) -> None:
    """Race for each line of attempts that comes in, and answer with a line of outcomes."""
    service = open_race_service(url)
    racers = RacingThreads(service, int(threads))
    print("ready", flush=True)
    for line in sys.stdin:
        outcomes = racers.race([Attempt(**attempt) for attempt in json.loads(line)])
        print(json.dumps([asdict(outcome) for outcome in outcomes]), flush=True)
    service.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
