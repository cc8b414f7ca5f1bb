"""What ``docs/adopting.md`` shows is what happens."""

from pathlib import Path
from textwrap import dedent

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, DateTime, Integer, MetaData, Numeric, String, Table, create_engine

from menshen.adapters.sql.adoption.rows import Why

from .tutorial_tables import PRODUCTS, ZONE, Tutorial, adopt, menshen_told, new_tutorial, plain_rows, row

PAGE = (Path(__file__).parents[2] / "docs" / "adopting.md").read_text(encoding="utf-8")


def block_with(line: str) -> str:
    """The indented block of the page that contains *line*."""
    [found] = [block for block in _blocks() if line in block]
    return found


def _blocks() -> list[str]:
    blocks: list[list[str]] = [[]]
    for line in PAGE.splitlines():
        if line.startswith("    "):
            blocks[-1].append(line)
        elif line:
            blocks.append([])
        else:
            blocks[-1].append("")
    return [dedent("\n".join(lines)) for lines in blocks]


def test_the_example_shows_true_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    tutorial = Tutorial("sqlite", "sqlite:///shop.sqlite3")
    tutorial.make(password=120)
    rows = list(plain_rows(996))
    rows[3]["state"] = "禁用"
    rows[10]["password"] = f"scrypt:32768:8:1$abcdefghijklmnop${'0' * 80}"
    rows += [row(997, "13900000001"), row(998, "+86 139-0000-0002"), row(999, "12345"), row(1000, None, openid="o6_")]
    tutorial.insert(rows)

    _, report, _ = menshen_told(tutorial, "adopt", "--dry-run", "--time-zone", "Asia/Shanghai")
    _, outcome, _ = menshen_told(tutorial, "adopt", "--yes", "--time-zone", "Asia/Shanghai")

    shown = block_with("$ menshen adopt --dry-run")
    assert shown.strip() == (
        f"$ menshen adopt --dry-run --time-zone Asia/Shanghai\n{report}\n"
        f"$ menshen adopt --yes --time-zone Asia/Shanghai | tail -1\n{outcome.splitlines()[-1]}"
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_the_way_back_leads_back_and_forth(product: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    tutorial.insert([row(1, "+86 13800138001"), row(2, "13800138002", registration_time="2020-01-01 00:30:00")])
    adopt(tutorial, "--yes", "--time-zone", ZONE)
    times = "SELECT registration_time, is_account FROM x_user ORDER BY id"
    adopted = tutorial.execute(times)

    label = {"sqlite": "-- SQLite", "postgresql": "-- PostgreSQL", "mariadb": "-- MariaDB"}[product]
    statement, _, _ = block_with("-- SQLite").partition(label)[2].partition("--")
    tutorial.execute(statement.strip().rstrip(";"))

    assert [(str(time)[:19], bool(is_account)) for time, is_account in tutorial.execute(times)] == [
        ("2021-03-04 05:06:07", False),
        ("2020-01-01 00:30:00", False),
    ]
    assert adopt(tutorial, "--yes", "--time-zone", ZONE)["taken"] == 2
    assert tutorial.execute(times) == adopted


def test_every_reason_and_option_is_explained() -> None:
    for why in Why:
        assert f"| `{why.value}` |" in PAGE
    for option in ("--dry-run", "--yes", "--time-zone ZONE", "--state TEXT=STANDING", "--list FILE", "--json"):
        assert f"| `{option}` |" in PAGE


def _model_of_the_tutorial() -> MetaData:
    """What the models of an application know that was written after the tutorial."""
    metadata = MetaData()
    Table(
        "x_user",
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, String(length)) for name, length in {"phone": 80, "user_name": 80, "openid": 120}.items()),
        *(Column(name, String(length)) for name, length in {"password": 120, "token": 255, "state": 120}.items()),
        *(Column("mid", Integer), Column("fee_percentage", Integer)),
        *(Column("registration_time", DateTime), Column("account_balance", Numeric(20, 4))),
    )
    return metadata


def _dropped_by_autogenerate(tutorial: Tutorial, options: dict[str, object]) -> set[str]:
    """What Alembic would take away, by the words of its own operations."""
    engine = create_engine(tutorial.url)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts=options), _model_of_the_tutorial())
    engine.dispose()
    flat = [each for entry in found for each in (entry if isinstance(entry, list) else [entry])]
    return {f"{each[0]} {getattr(each[-1], 'name', each[-1])}" for each in flat if each[0].startswith("remove")}


def test_alembic_drops_nothing_of_ours_where_it_is_told_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tutorial = Tutorial("sqlite", f"sqlite:///{tmp_path}/shop.sqlite3")
    tutorial.make()
    tutorial.insert(plain_rows(2))
    adopt(tutorial, "--yes", "--time-zone", ZONE)
    told: dict[str, object] = {}
    exec(block_with("def include_object"), told)
    assert {"remove_table x_session", "remove_column canonical_phone"} <= _dropped_by_autogenerate(tutorial, {})
    assert _dropped_by_autogenerate(tutorial, {"include_object": told["include_object"]}) == set()
