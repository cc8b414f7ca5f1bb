"""The files in requirements/ are complete for every Python that we support."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from itertools import product
from pathlib import Path
from typing import Any

from attrs import frozen
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .cases import for_each
from .test_packaging import PROJECT, ROOT

RUNTIME, DEV = ROOT / "requirements" / "runtime.txt", ROOT / "requirements" / "dev.txt"

MACHINES = [
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64", "os_name": "posix"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64", "os_name": "posix"},
]
ENVIRONMENTS = [
    {
        **machine,
        "python_version": version,
        "python_full_version": f"{version}.1",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for version, machine in product(["3.11", "3.12", "3.13", "3.14"], MACHINES)
]


def group(name: str) -> list[str]:
    """What a dependency group of pyproject.toml asks for."""
    entries: list[Any] = PROJECT["dependency-groups"][name]
    return [
        text for entry in entries for text in ([entry] if isinstance(entry, str) else group(entry["include-group"]))
    ]


ASKED = {
    RUNTIME: [*PROJECT["project"]["dependencies"], *group("build")],
    DEV: [*PROJECT["project"]["dependencies"], *group("dev")],
}


@frozen
class Pins:
    """A file of pins, as one machine with one Python reads it."""

    versions: dict[str, str]
    environment: dict[str, str]

    @classmethod
    def read(cls, path: Path, environment: dict[str, str]) -> "Pins":
        return cls(
            {
                canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
                for pin in pins_in(path)
                if pin.marker is None or pin.marker.evaluate({**environment, "extra": ""})
            },
            environment,
        )

    def holes(self, asked: list[str]) -> Iterator[str]:
        """The requirements of *asked* and of the pinned packages that are not pinned, or not in a fitting version."""
        open_ends = [(Requirement(text), frozenset({""}), "menshen") for text in asked]
        seen: set[tuple[str, frozenset[str]]] = set()
        while open_ends:
            wanted, extras, by = open_ends.pop()
            if not self._holds(wanted, extras):
                continue
            name = canonicalize_name(wanted.name)
            if name not in self.versions or not wanted.specifier.contains(self.versions[name], prereleases=True):
                yield f"{by} asks for {wanted}, pinned: {self.versions.get(name)}"
            key = (name, frozenset({"", *wanted.extras}))
            if key not in seen:
                seen.add(key)
                open_ends += [(needed, key[1], name) for needed in requirements_of(name)]

    def _holds(self, wanted: Requirement, extras: frozenset[str]) -> bool:
        marker = wanted.marker
        return marker is None or any(marker.evaluate({**self.environment, "extra": extra}) for extra in extras)


@cache
def pins_in(path: Path) -> list[Requirement]:
    """Every line of it, for all machines."""
    found = re.findall(r"^([A-Za-z0-9].*?)(?: \\)?$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert found
    return [Requirement(line) for line in found]


@cache
def requirements_of(name: str) -> list[Requirement]:
    """From its own metadata. A package that is not installed here, as only other machines need it, has none."""
    try:
        return [Requirement(text) for text in requires(name) or []]
    except PackageNotFoundError:
        return []


@for_each("path", [RUNTIME, DEV])
def test_the_file_is_whole_for_every_python_and_machine(path: Path) -> None:
    """It is installed without resolving, so nothing missing would be added; it includes the extras."""
    for environment in ENVIRONMENTS:
        assert list(Pins.read(path, environment).holes(ASKED[path])) == [], environment


@for_each(
    ("path", "name", "hole"),
    [
        (RUNTIME, "mako", "alembic asks for Mako, pinned: None"),
        (DEV, "psycopg-binary", "psycopg asks for psycopg-binary"),  # for its extra alone
        (DEV, "django", "menshen asks for Django, pinned: None"),  # pinned twice, for one Python each
    ],
)
def test_a_line_that_is_left_out_is_missed(path: Path, name: str, hole: str) -> None:
    whole = Pins.read(path, ENVIRONMENTS[0])
    less = Pins({other: version for other, version in whole.versions.items() if other != name}, whole.environment)
    found = list(less.holes(ASKED[path]))
    assert any(line.startswith(hole) for line in found), found


def test_what_runs_is_what_was_tested() -> None:
    """The same version of each package in both files."""
    for environment in ENVIRONMENTS:
        runtime, dev = Pins.read(RUNTIME, environment).versions, Pins.read(DEV, environment).versions
        assert {name: dev.get(name) for name in runtime} == runtime
