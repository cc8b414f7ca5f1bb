"""The wheel of menshen, built without a network, and unpacked where a program finds it."""

import shutil
import subprocess
import sys
from pathlib import Path

from .servers import clean_environment

ROOT = Path(__file__).parents[2]
PARTS = ["domain", "adapters", "entrypoints"]
FILES = ["pyproject.toml", "README.md", "LICENSE", "__init__.py", "client.py", "py.typed"]


def copied_source(copy: Path) -> Path:
    """What is built from, since building leaves things behind."""
    copy.mkdir()
    for name in PARTS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    return copy


def unpacked_wheel(folder: Path) -> Path:
    """A folder for PYTHONPATH with the installed menshen and nothing else."""
    target = folder / "installed"
    pip("install", "--no-build-isolation", "--target", str(target), str(copied_source(folder / "menshen")))
    return target


def pip(verb: str, *arguments: str, python: Path | None = None) -> None:
    into = [] if python is None else ["--python", str(python)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *into, verb, *quiet, *arguments],
        capture_output=True,
        text=True,
        env=clean_environment({}),
        check=False,
    )
    assert done.returncode == 0, done.stderr
