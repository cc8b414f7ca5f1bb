"""What the wheel contains and needs: pyproject.toml and requirements/ compared with the tree."""

import re
import tomllib
from pathlib import Path
from typing import Any

from .cases import for_each

ROOT = Path(__file__).parents[2]
NOT_SHIPPED = {"tests", "benchmarks", "docs", "requirements", "build", "dist"}
PINS = sorted((ROOT / "requirements").glob("*.txt"))

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]


def shipped_folders() -> list[Path]:
    """The folders of the package under the root, by their ``__init__.py``."""
    tops = (top for top in ROOT.iterdir() if top.is_dir() and not top.name.startswith("."))
    inits = (init for top in tops if top.name not in NOT_SHIPPED for init in top.rglob("__init__.py"))
    return sorted(init.parent.relative_to(ROOT) for init in inits)


def package(folder: Path) -> str:
    return ".".join(["menshen", *folder.parts])


def pinned(pins: Path) -> dict[str, str]:
    """Each requirement of a file with its version and hashes, without comments."""
    text = re.sub(r"^\s*#.*\n", "", pins.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    entries = [line.strip() for line in text.splitlines() if line.strip()]
    return {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower().replace("_", "-"): entry for entry in entries}


def test_every_package_is_listed() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(["menshen", *map(package, shipped_folders())])


def test_the_root_is_the_package_and_holds_no_module_but_the_client() -> None:
    assert SETUPTOOLS["package-dir"] == {"menshen": "."}
    assert sorted(path.name for path in ROOT.glob("*.py")) == ["__init__.py", "client.py"]


def test_every_folder_with_modules_is_a_package() -> None:
    for room in ("domain", "adapters", "entrypoints"):
        for module in (ROOT / room).rglob("*.py"):
            assert (module.parent / "__init__.py").is_file(), module


def test_every_data_file_is_shipped() -> None:
    listed = {(name, file) for name, files in SETUPTOOLS["package-data"].items() for file in files}
    found = {("menshen", "py.typed")}
    for folder in shipped_folders():
        for path in (ROOT / folder).iterdir():
            if path.is_file() and path.suffix not in {".py", ".pyc"}:
                found.add((package(folder), path.name))
    assert listed == found
    assert all((ROOT.joinpath(*name.split(".")[1:]) / file).is_file() for name, file in listed)


def test_a_command_is_installed() -> None:
    assert PROJECT["project"]["scripts"] == {"menshen": "menshen.entrypoints.cli.main:entry_point"}


def test_there_are_pins_for_running_and_for_developing() -> None:
    assert [pins.name for pins in PINS] == ["dev.txt", "examples.txt", "runtime.txt"]


@for_each("pins", PINS)
def test_every_pin_is_one_version_with_its_hashes(pins: Path) -> None:
    entries = pinned(pins)
    assert len(entries) > 5
    for entry in entries.values():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+( ; [^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry), (
            entry
        )


@for_each("pins", PINS)
def test_no_pin_names_an_address(pins: Path) -> None:
    text = pins.read_text(encoding="utf-8")
    assert "://" not in text
    assert " @ " not in text
    assert not re.search(r"^\s*-", re.sub(r"^\s*--hash=", "", text, flags=re.MULTILINE), re.MULTILINE)


@for_each("pins", PINS)
def test_every_dependency_is_pinned(pins: Path) -> None:
    wanted = {re.split(r"[^A-Za-z0-9._-]", entry)[0].lower() for entry in PROJECT["project"]["dependencies"]}
    assert wanted <= set(pinned(pins))


@for_each("pins", PINS)
def test_pyjwt_is_one_without_the_known_holes(pins: Path) -> None:
    version = re.match(r"pyjwt==(\d+)\.(\d+)", pinned(pins)["pyjwt"], re.IGNORECASE)
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (2, 15)
    assert "PyJWT>=2.15.0" in PROJECT["project"]["dependencies"]


def test_running_needs_nothing_that_developing_has_not_in_the_same_version() -> None:
    runtime, dev = (pinned(ROOT / "requirements" / name) for name in ("runtime.txt", "dev.txt"))
    assert {name: dev.get(name) for name in runtime} == runtime
