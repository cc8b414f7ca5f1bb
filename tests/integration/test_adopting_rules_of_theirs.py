"""Rules that a table brings along: what stands in the way of ours is refused, and nothing of it comes as a surprise."""

from pathlib import Path

import pytest

from menshen.adapters.conformance.steps import Steps
from menshen.domain.ports.reading import UserFilter
from menshen.domain.users import Standing, UserId

from .test_adopting_tables import MOMENT, refusal, store_on
from .tutorial_tables import PRODUCTS, Tutorial, adopt, new_tutorial, row


@pytest.fixture(params=PRODUCTS)
def tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    made = new_tutorial(request.param, tmp_path, request)
    made.make()
    return made


def test_names_that_must_differ_are_not_what_we_promise(tutorial: Tutorial) -> None:
    tutorial.execute("CREATE UNIQUE INDEX their_names ON x_user (user_name)")
    assert "unique index on user_name" in refusal(tutorial)
    tutorial.execute("DROP INDEX their_names" + (" ON x_user" if tutorial.product == "mariadb" else ""))
    tutorial.insert([row(1, "13800138001")])
    assert adopt(tutorial, "--yes")["taken"] == 1


def test_a_row_that_stays_must_not_keep_a_number_from_another(tutorial: Tutorial) -> None:
    tutorial.execute("CREATE UNIQUE INDEX their_phone ON x_user (phone)")
    tutorial.insert([row(1, "13800138001", state="已注销"), row(2, "+86 13800138001")])
    assert "a unique index of its own" in refusal(tutorial)


def test_a_user_without_a_state_is_found_as_one_of_an_unknown_state(tutorial: Tutorial) -> None:
    tutorial.insert([row(1, "13800138001", state=None), row(2, "13800138002")])
    assert adopt(tutorial, "--yes")["taken"] == 2
    store = store_on(tutorial)
    found = Steps(store).users.find(UserFilter(standing=Standing.UNKNOWN), after=UserId(0), limit=10, now=MOMENT)
    store.close()
    assert [user.id for user in found] == [1]


@pytest.fixture
def mariadb_tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    return new_tutorial("mariadb", tmp_path, request)


def test_a_time_that_changes_automatically_is_refused(mariadb_tutorial: Tutorial) -> None:
    mariadb_tutorial.make()
    mariadb_tutorial.execute(
        "ALTER TABLE x_user MODIFY registration_time TIMESTAMP NOT NULL"
        " DEFAULT current_timestamp() ON UPDATE current_timestamp()"
    )
    assert "x_user.registration_time changes by itself" in refusal(mariadb_tutorial)


def test_a_date_that_is_none_becomes_null_where_null_was_not_allowed(mariadb_tutorial: Tutorial) -> None:
    mariadb_tutorial.make()
    mariadb_tutorial.execute(
        "ALTER TABLE x_user MODIFY registration_time DATETIME NOT NULL",
        "SET SESSION sql_mode = ''",
        "INSERT INTO x_user (id, phone, password, state, registration_time)"
        " VALUES (1, '13800138001', 'x', '正常', '0000-00-00 00:00:00')",
    )
    assert adopt(mariadb_tutorial, "--yes")["taken"] == 1
    assert mariadb_tutorial.execute("SELECT registration_time FROM x_user") == [(None,)]


def test_a_sequence_that_the_column_does_not_own_is_refused(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    tutorial = new_tutorial("postgresql", tmp_path, request)
    tutorial.execute(
        "CREATE SEQUENCE theirs",
        "CREATE TABLE x_user (id INTEGER PRIMARY KEY DEFAULT nextval('theirs'), phone VARCHAR(80), password VARCHAR(200))",
    )
    assert "does not own its sequence" in refusal(tutorial)
    tutorial.execute("ALTER SEQUENCE theirs OWNED BY x_user.id")
    assert adopt(tutorial, "--yes")["taken"] == 0
