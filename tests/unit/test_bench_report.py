"""What the benchmarks make of what they have measured: statistics, pictures and docs/performance.md."""

import importlib
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from .test_packaging import ROOT

MODULES = ("framework_apps", "frameworks", "guard", "pairs", "peers", "report", "results", "serving", "svg")


@pytest.fixture(scope="module", autouse=True)
def _as_scripts() -> Iterator[None]:
    """The benchmarks are scripts: they find each other in their folder, and nobody else shall find them."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield
    sys.path.remove(str(ROOT / "benchmarks"))
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def pairs() -> ModuleType:
    return importlib.import_module("pairs")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The report, whose pictures are only named."""
    found = importlib.import_module("report")
    monkeypatch.setattr(found, "_picture", lambda name, title, rows: iter([f"picture {name} of {len(rows)}"]))
    return found


def picture(*rows: tuple[str, float, str]) -> ElementTree.Element:
    return ElementTree.fromstring(importlib.import_module("svg").bars("a < b & c", rows))


def test_a_ratio_compares_each_round_with_its_neighbour(pairs: ModuleType) -> None:
    # The machine was ten times slower in the middle: for both.
    ratio = pairs.ratio([200.0, 20.0, 100.0], [100.0, 10.0, 100.0])
    assert (ratio.low, ratio.median, ratio.high) == (1.0, 2.0, 2.0)


def test_rounds_that_have_no_neighbour_are_an_error(pairs: ModuleType) -> None:
    with pytest.raises(ValueError, match="shorter"):
        pairs.ratio([1.0, 2.0], [1.0])


def test_one_round_has_no_spread(pairs: ModuleType) -> None:
    assert str(pairs.ratio([3.0], [2.0])) == "1.50 (1.50 to 1.50)"


def test_bars_are_as_long_as_what_they_show() -> None:
    bars = [each for each in picture(("one", 10.0, "10"), ("half", 5.0, "5")).iter() if each.tag.endswith("rect")]
    long, short = (float(each.attrib["width"]) for each in bars)
    assert short == pytest.approx(long / 2, abs=0.1)


def test_a_picture_of_zeros_and_of_nothing_is_one() -> None:
    assert picture(("none", 0.0, "0"))
    assert picture()


def test_what_is_written_in_a_picture_is_text() -> None:
    texts = list(picture(("<b> & 5", 1.0, "<x>")).itertext())
    assert {"<b> & 5", "<x>"} <= set(texts)


def columns(line: str) -> int:
    return len(re.findall(r"\|", line)) - 1


def tables(lines: list[str]) -> list[list[str]]:
    """The tables of a section: lines of cells that follow one another."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [each for each in found if each]


def figures_of_guard(report: ModuleType) -> Any:
    names = {name for pair in report.guard.RATIOS for name in pair}
    rates = {name: [100.0 + number, 200.0, 300.0] for number, name in enumerate(sorted(names))}
    return {"rounds": 3, "runs": [{"store": "SQLite", "workers": 2, "pinned": True, "rates": rates}]}


PEER_RATES = {"menshen": [40.0, 60.0], "other": [10.0, 10.0]}
KICK = {"rounds": 2, "p50": 0.0, "p99": 12.34, "max": 20.0, "let_in": 3}
MEASURED = {
    "peers": {"pinned": PEER_RATES, "unpinned": {"menshen": [1.0, 1.0]}, "versions": {"other": "other 1.2; its own"}},
    "frameworks": {
        "rounds": 2,
        "users": 10_000,
        "rates": {
            "flask": {
                "open": [10.0, 20.0],
                "all guarded by default": [9.0, 18.0],
                "a decorator on the route": [8.0, 16.0],
                "the peer": [3.0, 6.0],
            },
            "litestar": {"open": [10.0, 10.0], "all guarded by default": [6.0, 8.0]},
        },
        "versions": {"menshen": "flask 3.1", "flask_jwt_extended": "flask-jwt-extended 4.7"},
    },
    "kicks": {"another worker": KICK},
    "active_users": {
        "entries": 300,
        "rates": {"1x": [10.0], "2x": [5.0], "10x": [4.0], "nothing remembered": [2.0]},
    },
    "steady": {"requests": [0, 10], "rss_mib": [80.0, 81.0], "open_files": [20, 20]},
    "login": {"name": "login", "lines": ["ratio: 0.9"]},
    "flood": {"name": "flood", "lines": ["ratio: 0.6"]},
    "start_and_memory": {"name": "start_and_memory", "lines": ["ratio: 1.2"]},
}


def section(report: ModuleType, name: str) -> list[str]:
    figures = figures_of_guard(report) if name == "guard" else MEASURED[name]
    return list(report.SECTIONS[name](figures))


def test_every_section_names_its_command_and_every_row_fills_its_table(report: ModuleType) -> None:
    for name in report.SECTIONS:
        lines = section(report, name)
        assert f"benchmarks/{name}.py`" in "\n".join(lines), name
        for head, rule, *rows in tables(lines):
            assert rows, name
            assert {columns(rule), *map(columns, rows)} == {columns(head)}, name


def test_the_table_of_the_guard_has_a_column_for_each_ratio(report: ModuleType) -> None:
    [[head, *_]] = tables(section(report, "guard"))
    assert columns(head) == 1 + len(report.guard.RATIOS)


def test_a_peer_that_did_not_run_has_a_dash(report: ModuleType) -> None:
    assert "| menshen to other | 5.00 (3.50 to 6.50) | - | other 1.2; its own |" in section(report, "peers")


def test_each_way_to_guard_is_beside_the_open_route_and_the_peer_of_its_framework(report: ModuleType) -> None:
    [[_, _, *rows]] = tables(section(report, "frameworks"))
    assert rows == [
        "| flask | all guarded by default | 0.90 (0.90 to 0.90) | 3.00 (3.00 to 3.00) | flask_jwt_extended |",
        "| flask | a decorator on the route | 0.80 (0.80 to 0.80) | 2.67 (2.67 to 2.67) | flask_jwt_extended |",
        "| litestar | all guarded by default | 0.70 (0.55 to 0.85) | - | - |",
    ]
    assert "- flask_jwt_extended: flask-jwt-extended 4.7" in section(report, "frameworks")


def test_every_framework_that_has_an_example_is_measured(report: ModuleType) -> None:
    examples = {path.parent.name for path in (ROOT / "docs" / "examples").glob("*/run")}
    apps = importlib.import_module("framework_apps")
    assert set(apps.WAYS) == set(apps.APPS) == examples


def test_milliseconds_of_kicks_are_rounded_to_tenths(report: ModuleType) -> None:
    assert "| another worker | 2 | 0.0 | 12.3 | 20.0 | 3 |" in section(report, "kicks")


def test_users_are_compared_with_both_ends(report: ModuleType) -> None:
    assert "| 10x | 0.40 (0.40 to 0.40) | 2.00 (2.00 to 2.00) |" in section(report, "active_users")
