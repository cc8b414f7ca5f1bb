"""The rows that an adoption leaves out: nobody else gets their numbers, and an operator joins them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from menshen.adapters.memory.fakes import FakeClock
from menshen.adapters.sql.adoption.left import Joining
from menshen.adapters.sql.database import open_database
from menshen.domain.actors import Actor
from menshen.domain.users import UserId

from .racers import at_once
from .servers import only_line, serving, strict_json
from .tutorial_tables import PRODUCTS, ZONE, Tutorial, adopt, menshen_told, new_tutorial, password_of, row

UNREADABLE = {"sqlite": "long ago", "postgresql": "infinity", "mariadb": "2020-00-10 00:00:00"}


@pytest.fixture(params=PRODUCTS)
def tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    made = new_tutorial(request.param, tmp_path, request)
    made.make()
    return made


@pytest.fixture
def sqlite(tmp_path: Path) -> Tutorial:
    made = Tutorial("sqlite", f"sqlite:///{tmp_path}/tutorial.sqlite3")
    made.make()
    return made


def left_row(tutorial: Tutorial, user_id: int, phone: str, **values: Any) -> dict[str, Any]:
    return row(user_id, phone, registration_time=UNREADABLE[tutorial.product], **values)


def numbers(tutorial: Tutorial) -> list[tuple[int, str | None]]:
    return [tuple(found) for found in tutorial.execute("SELECT id, canonical_phone FROM x_user ORDER BY id")]


def registered(tutorial: Tutorial, phone: str, user_id: int) -> int:
    """An account of ours with that number, as one that was registered before numbers were kept."""
    tutorial.insert([row(user_id, phone)])
    assert adopt(tutorial, "--yes")["taken"] == 1
    return user_id


def balances(tutorial: Tutorial) -> dict[int, Decimal]:
    found = tutorial.execute("SELECT id, account_balance FROM x_user ORDER BY id")
    return {user_id: Decimal(str(balance)) for user_id, balance in found}


def joined(tutorial: Tutorial, *arguments: str) -> dict[str, Any]:
    code, out, err = menshen_told(tutorial, "user", "join", "--json", *arguments)
    assert code == 0, err
    found = strict_json(out)
    assert isinstance(found, dict)
    return found


def refused(tutorial: Tutorial, *arguments: str) -> str:
    before = tutorial.dump()
    code, _, err = menshen_told(tutorial, "user", "join", *arguments)
    assert code == 1
    assert tutorial.dump() == before
    return only_line(err)


def test_the_number_goes_to_a_row_that_can_be_adopted_or_else_is_reserved(tutorial: Tutorial) -> None:
    tutorial.insert(
        [
            left_row(tutorial, 1, "13800138001"),
            left_row(tutorial, 2, "+86 13800138002"),
            left_row(tutorial, 3, "13800138002"),
            row(4, "13800138001"),
        ]
    )
    assert adopt(tutorial, "--dry-run")["to_be_kept"] == 1
    assert adopt(tutorial, "--yes")["kept"] == 1
    assert numbers(tutorial) == [(1, None), (2, "13800138002"), (3, None), (4, "13800138001")]
    code, _, err = menshen_told(tutorial, "user", "phone", "4", "13800138002")
    assert code == 1
    assert "phone_taken" in err


def test_a_row_that_is_mended_gets_the_number_that_was_kept_for_it(tutorial: Tutorial) -> None:
    tutorial.insert([left_row(tutorial, 1, "13800138001"), left_row(tutorial, 2, "13800138002")])
    adopt(tutorial, "--yes")
    tutorial.execute(
        "UPDATE x_user SET registration_time = '2021-03-04 05:06:07' WHERE id = 1",
        "UPDATE x_user SET phone = '13800138009' WHERE id = 2",
    )
    outcome = adopt(tutorial, "--yes")
    assert (outcome["taken"], outcome["kept"]) == (1, 1)
    # The number that no row has any more is released.
    assert numbers(tutorial) == [(1, "13800138001"), (2, "13800138009")]


def test_what_was_adopted_before_numbers_were_kept_is_made_up_for(sqlite: Tutorial) -> None:
    sqlite.insert([left_row(sqlite, 1, "13800138001"), left_row(sqlite, 2, "13800138002"), row(3, "13800138003")])
    adopt(sqlite, "--yes")
    sqlite.execute("UPDATE x_user SET canonical_phone = NULL WHERE NOT is_account")
    registered(sqlite, "13800138001", 4)
    sqlite.execute("UPDATE x_user SET canonical_phone = NULL WHERE NOT is_account")
    assert adopt(sqlite, "--dry-run")["to_be_kept"] == 1
    assert adopt(sqlite, "--yes")["kept"] == 1
    assert numbers(sqlite) == [(1, None), (2, "13800138002"), (3, "13800138003"), (4, "13800138001")]
    before = sqlite.dump()
    assert adopt(sqlite, "--yes")["to_be_kept"] == 0
    assert sqlite.dump() == before


def test_it_warns_of_what_is_left(sqlite: Tutorial) -> None:
    sqlite.insert([row(1, "12345", account_balance="100"), row(2, "13800138002")])
    for argument in ("--dry-run", "--yes"):
        _, out, err = menshen_told(sqlite, "adopt", argument)
        assert "1 rows are left, whose owners cannot log in" in only_line(err)
        assert "menshen user join" in err
        if argument == "--dry-run":
            assert ["1", "12345", "phone_invalid", "100.0000"] in [line.split() for line in out.splitlines()]


@pytest.fixture
def returned(tutorial: Tutorial) -> Tutorial:
    """Row 1 was left with a balance of 100, and its owner has registered anew since, as number 2."""
    tutorial.insert([left_row(tutorial, 1, "+86 13800138001", account_balance="100.2500", openid="wx-1", mid=7)])
    adopt(tutorial, "--yes")
    tutorial.execute("UPDATE x_user SET canonical_phone = NULL WHERE id = 1")
    registered(tutorial, "13800138001", 2)
    tutorial.execute("UPDATE x_user SET account_balance = '0.5000' WHERE id = 2")
    return tutorial


def test_an_operator_joins_a_left_row_with_the_account_that_its_owner_has_by_now(
    returned: Tutorial, tmp_path: Path
) -> None:
    before = returned.rows()
    assert joined(returned, "2", "1") == {"moved": "100.2500", "account_balance": "100.7500"}
    assert balances(returned) == {1: 0, 2: Decimal("100.75")}
    found = returned.execute("SELECT openid, mid, user_name, phone, state FROM x_user ORDER BY id")
    assert found == [("wx-1", 7, "user 1", "+86 13800138001", "已注销"), ("wx-1", 7, "user 2", "13800138001", "正常")]
    # But for these, no text of either row has changed.
    after = returned.rows()
    assert [after[1][n] for n in (1, 2, 3, 4, 5, 7, 10)] == [before[1][n] for n in (1, 2, 3, 4, 5, 7, 10)]
    code, out, _ = menshen_told(returned, "audit", "--user", "2", "--json")
    assert code == 0
    [entry] = [each for each in strict_json(out) if each["action"] == "join"]
    assert (entry["subject"], entry["detail"]) == (2, "left row 1, balance 100.2500")
    # What was joined is left for good, and gives nothing a second time.
    assert adopt(returned, "--yes")["left_by_reason"] == {"account_closed": 1}
    assert joined(returned, "2", "1") == {"moved": "0.0000", "account_balance": "100.7500"}
    with server_on(returned, tmp_path) as server, server.client() as client:
        token = client.login("13800138001", password_of(2)).token
        assert b"100.7500" in client.user_info(token).body


def server_on(tutorial: Tutorial, folder: Path) -> Any:
    return serving(folder / "server", DATABASE_URL=tutorial.url, TIME_ZONE=ZONE)


def test_of_two_operators_who_join_at_once_one_moves_the_balance(returned: Tutorial) -> None:
    def run(_number: int) -> Decimal:
        database = open_database(returned.url, connections=1)
        try:
            return Joining(database, FakeClock())(UserId(2), 1, actor=Actor.operator("root")).moved
        finally:
            database.close()

    assert sorted(at_once(2, run)) == [0, Decimal("100.25")]
    assert balances(returned) == {1: 0, 2: Decimal("100.75")}


def test_only_rows_of_one_number_are_joined_unless_somebody_is_sure(sqlite: Tutorial) -> None:
    sqlite.insert([row(1, "12345", account_balance="100"), row(2, "13800138002"), row(3, "13800138003")])
    adopt(sqlite, "--yes")
    assert "--other-number" in refused(sqlite, "2", "1")
    assert joined(sqlite, "2", "1", "--other-number")["moved"] == "100.0000"
    assert balances(sqlite) == {1: 0, 2: 100, 3: 0}


def test_what_cannot_be_joined_is_refused_and_nothing_moves(sqlite: Tutorial) -> None:
    sqlite.insert([row(1, "12345"), row(2, "13800138002"), row(3, "13800138003"), row(4, None)])
    sqlite.insert([left_row(sqlite, 5, "1", account_balance="a lot"), row(6, "2", account_balance="9999999999999999")])
    adopt(sqlite, "--yes")
    sqlite.execute("UPDATE x_user SET account_balance = '1.0000' WHERE id = 2")
    assert "no_such_user" in refused(sqlite, "1", "1")
    assert "no_such_user" in refused(sqlite, "99", "1")
    assert "no such row" in refused(sqlite, "2", "99")
    assert "an account itself" in refused(sqlite, "2", "3")
    assert "an account itself" in refused(sqlite, "2", "2")
    assert "no number" in refused(sqlite, "4", "1", "--other-number")
    assert "cannot be read" in refused(sqlite, "2", "5", "--other-number")
    assert "no place" in refused(sqlite, "2", "6", "--other-number")


@pytest.mark.parametrize("wrong", [["x", "1"], ["1", "x"], ["1", str(2**63)], ["1"], ["１", "1"], ["1", "1_0"]])
def test_what_is_no_id_is_wrong_usage(sqlite: Tutorial, wrong: list[str]) -> None:
    assert menshen_told(sqlite, "user", "join", *wrong)[0] == 2


def test_a_store_without_tables_has_nothing_to_join() -> None:
    code, _, err = menshen_told(Tutorial("memory", "memory://"), "user", "join", "1", "2")
    assert code == 2
    assert "no tables" in only_line(err)
