"""The system calls of a process, and making them fail, by ``strace``.

The oracle reads from a trace whether an answer left before what it acknowledges was synced. A power cut loses what was
written and not synced.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from .machine import left_out

_CALLS = "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync"


@frozen
class Synced:
    """The findings of a trace."""

    writes: int
    answers: int
    too_early: int
    """Answers that left while something written to the log of the database was not synced."""


def check_strace() -> None:
    """Skip what needs strace if it may not trace."""
    if shutil.which("strace") is None:
        left_out("the program strace is not there")
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode != 0:
        left_out("strace may not trace here")


def traced(command: Sequence[str], trace: Path) -> Sequence[str]:
    """*command* under strace, which writes what the oracle reads to *trace*."""
    # -D: the tracer stands beside, so that signals and exit codes are the server's own. Without --seccomp-bpf each
    # call of the process would stop it, not only these.
    seen = ("-f", "--seccomp-bpf", "-yy", "-s", "24", "-e", _CALLS, "-e", "signal=none", "-o", str(trace))
    return ("strace", "-D", *seen, *command)


def lines_of(trace: Path) -> list[str]:
    """The lines of a trace, once strace has written down all that was done."""
    length = -1
    for _ in range(100):
        if trace.stat().st_size == length:
            break
        length = trace.stat().st_size
        time.sleep(0.3)
    return trace.read_text(errors="replace").splitlines()


_BEGUN = re.compile(r"^(?P<task>\d+) +(?P<call>\w+)\((?P<rest>.*)$")
_RESUMED = re.compile(r"^(?P<task>\d+) +<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)$")
_SYNCS = {"fsync", "fdatasync"}
"""The calls that make sure that a file is on the disk; others, such as sync_file_range, promise less."""
_LOG = re.compile(r"^\d+<[^>]*-wal>")
_ACKNOWLEDGED = re.compile(r'^\d+<(?:TCP|socket)[^"]*"HTTP/1\.1 200 ')


def judged(lines: Iterable[str]) -> Synced:
    """Read a trace in the order in which things began, and ended."""
    writes = answers = too_early = synced = 0
    # What each task's sync under way will have covered at its end.
    covers: dict[str, int] = {}
    for line in lines:
        if resumed := _RESUMED.match(line):
            if resumed["call"] in _SYNCS and resumed["task"] in covers:
                covered = covers.pop(resumed["task"])
                synced = max(synced, covered) if resumed["rest"].endswith("= 0") else synced
            continue
        begun = _BEGUN.match(line)
        if begun is None:
            continue
        call, rest = begun["call"], begun["rest"]
        if call in _SYNCS and _LOG.match(rest):
            if rest.endswith("<unfinished ...>"):
                covers[begun["task"]] = writes
            elif rest.endswith("= 0"):
                synced = writes
        elif "write" in call and _LOG.match(rest):
            writes += 1
        elif _ACKNOWLEDGED.match(rest):
            answers += 1
            too_early += synced < writes
    return Synced(writes, answers, too_early)


@contextmanager
def failing(pid: int, calls: str, error: str) -> Iterator[None]:
    """Within this block, each of these *calls* of the process fails with *error*."""
    with subprocess.Popen(
        [
            "strace",
            "-f",
            "-p",
            str(pid),
            "-e",
            f"trace={calls}",
            "-e",
            f"inject={calls}:error={error}",
            "-o",
            os.devnull,
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        try:
            if "attached" not in said:
                left_out(f"strace may not attach here: {said.strip()}")
            yield
        finally:
            tracer.send_signal(signal.SIGINT)
            tracer.stderr.read()
