"""The apps of docs/examples/, run with the newest frameworks and with menshen as it is installed from its wheel."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from .servers import QUICK_HASHES, START_SECONDS, Client, clean_environment, free_port
from .wheels import ROOT

EXAMPLES = ROOT / "docs" / "examples"
PROGRAMS = ROOT / ".venv" / "examples" / "bin"


def environment_of(site: Path | None, settings: Mapping[str, str]) -> dict[str, str]:
    """That of a program of the examples' environment, with the menshen that is installed at *site*; None for a program of
    the environment of the tests, which has older frameworks, and menshen from the source.
    """
    programs = Path(sys.executable).parent if site is None else PROGRAMS
    assert programs.is_dir(), f"make {programs.parent.relative_to(ROOT)}"
    menshen = {} if site is None else {"PYTHONPATH": str(site)}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return clean_environment({"PATH": path, **menshen, **QUICK_HASHES, **settings})


@contextmanager
def running(
    command: Sequence[str], folder: Path, site: Path | None, settings: Mapping[str, str], ready: str = "/news"
) -> Iterator[int]:
    """The port of the server that *command* starts in *folder*, once it answers; ``{port}`` in *command* is the port."""
    port = free_port()
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            [part.format(port=port) for part in command],
            cwd=folder,
            # At home, gunicorn makes a socket to control it by, for all that run there.
            env=environment_of(site, {"MENSHEN_DATA_DIR": str(folder / "data"), "HOME": str(folder), **settings}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, server, folder / "log", ready)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]", log: Path, ready: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError, HTTPException), Client(port, 5) as client:
            client.request("GET", ready)
            return
        time.sleep(0.05)
    raise AssertionError(f"the app does not answer, exit code {server.poll()}:\n{log.read_text(errors='replace')}")


def copied(example: str, folder: Path) -> Path:
    """The example, where running it may leave things behind."""
    shutil.copytree(EXAMPLES / example, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder
