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

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PROGRAMS = ROOT / ".venv" / "examples" / "bin"
_PARTS = ["domain", "adapters", "entrypoints"]
_FILES = ["pyproject.toml", "README.md", "LICENSE", "__init__.py", "py.typed"]


def install_wheel(folder: Path) -> Path:
    """Build menshen from a copy, since building leaves things behind, and install it into a folder for PYTHONPATH."""
    copy, site = folder / "source" / "menshen", folder / "site"
    copy.mkdir(parents=True)
    for name in _PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, copy / name)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(copy)], check=True, timeout=300)
    return site


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
