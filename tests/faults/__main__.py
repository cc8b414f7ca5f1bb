"""Run all the programs of this folder, each on each of its stores, several at a time; exit with 1 if a criterion fails.

``--long`` has the faults last as long as the fault plan says, for a night.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from types import FrameType

from attrs import define, field, frozen

from .program import LEFT_OUT
from .scenes import SERVERS, SQLITE, STORES

_SECONDS = 400.0
_LONG_SECONDS = 3600.0
"""How long a program may take on one store."""

_END_SECONDS = 120.0
"""How long a program that is ended may take to end what it has started."""


@frozen
class Job:
    """A program on one of its stores."""

    module: str
    store: str


def _jobs(programs: dict[str, Iterable[str]]) -> list[Job]:
    return [Job(module, store) for module, stores in programs.items() for store in stores]


# These mostly wait: all of them run at once, beside the others.
_WAITING = _jobs({"f06_silent": SERVERS, "f07_stopped": SERVERS})

# These keep the processors mostly busy: one more runs at once than there are processors. The longest come first.
_BUSY = _jobs(
    {
        "f01_database_killed": SERVERS,
        "f01_service_killed": STORES,
        "f05_one_phone": STORES,
        "f27_repeated": STORES,
        "f04_weak_settings": STORES,
        "f16_full_disk": (SQLITE, "postgresql"),
        "f28_read_only": SERVERS,
        "f17_failing_disk": (SQLITE,),
        "f02_synced": (SQLITE,),
    }
)


class Verdict(StrEnum):
    """The result of a job."""

    HELD = "held"
    LEFT_OUT = "left out"
    BROKEN = "broken"


@define(eq=False)
class Runner:
    """Runs each job in a separate process, and prints its output once it is over."""

    is_long: bool
    _running: set["subprocess.Popen[str]"] = field(factory=set, init=False)
    _is_ended: bool = field(default=False, init=False)

    def run(self, job: Job) -> Verdict:
        if self._is_ended:
            return Verdict.BROKEN
        command = [sys.executable, "-m", f"{__package__}.{job.module}", "--store", job.store]
        with subprocess.Popen(
            [*command, *(["--long"] if self.is_long else [])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            self._running.add(process)
            try:
                said = process.communicate(timeout=_LONG_SECONDS if self.is_long else _SECONDS)[0]
            except subprocess.TimeoutExpired:
                process.terminate()
                said = _rest(process) + f"{job.module} {job.store}: BROKEN: it does not come to its end\n"
            self._running.discard(process)
        if process.returncode != 0 and "BROKEN" not in said:
            said += f"{job.module} {job.store}: BROKEN: exit code {process.returncode}\n"
        print(said, end="", flush=True)
        if process.returncode != 0:
            return Verdict.BROKEN
        return Verdict.LEFT_OUT if LEFT_OUT in said else Verdict.HELD

    def end(self, _number: int, _frame: FrameType | None) -> None:
        """End all running jobs."""
        self._is_ended = True
        for process in list(self._running):
            process.terminate()
        sys.exit(1)


def _rest(process: "subprocess.Popen[str]") -> str:
    try:
        return process.communicate(timeout=_END_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def main() -> int:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--long", action="store_true", help="as long as the fault plan has it")
    runner = Runner(parser.parse_args().long)
    signal.signal(signal.SIGTERM, runner.end)
    begin = time.monotonic()
    with ThreadPoolExecutor(len(_WAITING)) as waiting, ThreadPoolExecutor((os.cpu_count() or 1) + 1) as busy:
        under_way = (waiting.map(runner.run, _WAITING), busy.map(runner.run, _BUSY))
        done = [verdict for each in under_way for verdict in each]
    counted = ", ".join(f"{done.count(verdict)} {verdict}" for verdict in Verdict)
    print(f"faults: {counted}, {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if Verdict.BROKEN in done else 0


if __name__ == "__main__":
    sys.exit(main())
