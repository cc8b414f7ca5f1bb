"""Columns of other types than the tutorial's: none of their contents is lost, and what we write comes back exactly."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from menshen.domain.users import UserId

from .test_adopting_tables import refusal, registered, store_on
from .tutorial_tables import Tutorial, adopt, long_scrypt, new_tutorial, row


@pytest.fixture
def sqlite_tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    return new_tutorial("sqlite", tmp_path, request)


@pytest.fixture
def mariadb_tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    made = new_tutorial("mariadb", tmp_path, request)
    made.make()
    return made


@pytest.mark.parametrize("name", ["user_name", "openid", "password", "state"])
@pytest.mark.parametrize("kind", ["STRING", "NUMERIC", "BLOB", "CHARINT"])
def test_a_column_in_which_sqlite_keeps_no_text_is_refused(sqlite_tutorial: Tutorial, name: str, kind: str) -> None:
    columns = {"phone": "TEXT", "user_name": "TEXT", "openid": "TEXT", "password": "TEXT", "state": "TEXT", name: kind}
    declared = ", ".join(f"{column} {declared}" for column, declared in columns.items())
    sqlite_tutorial.execute(f"CREATE TABLE x_user (id INTEGER PRIMARY KEY, {declared})")
    assert f"x_user.{name} is {kind}" in refusal(sqlite_tutorial)


@pytest.mark.parametrize("kind", ["VARCHAR(80)", "nvarchar(80)", "CLOB", "text", ""])
def test_a_column_in_which_sqlite_keeps_text_is_not_asked_for_its_length(sqlite_tutorial: Tutorial, kind: str) -> None:
    names = ("phone", "user_name", "openid", "password", "state")
    sqlite_tutorial.execute(
        f"CREATE TABLE x_user (id INTEGER PRIMARY KEY, {', '.join(f'{name} {kind}' for name in names)})",
        "INSERT INTO x_user VALUES (1, '13800138001', '007', '007', '007', '正常')",
    )
    assert adopt(sqlite_tutorial, "--yes")["taken"] == 1
    store = store_on(sqlite_tutorial)
    user = store.users.by_id(UserId(1))
    store.close()
    assert user is not None
    assert (user.user_name, user.wechat_openid, user.password_hash) == ("007", "007", "007")
    registered(sqlite_tutorial)


@pytest.mark.parametrize("product", ["postgresql", "mariadb"])
def test_a_longer_column_that_pads_keeps_its_length(
    product: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    change = {"postgresql": "ALTER COLUMN {} TYPE CHAR(200)", "mariadb": "MODIFY {} CHAR(200)"}[product]
    names = ("user_name", "openid", "password", "state")
    tutorial.execute(*(f"ALTER TABLE x_user {change.format(name)}" for name in names))
    whole = ("名" * 162, "o" * 162, long_scrypt("any password"), "禁" * 162)
    tutorial.insert([row(1, "13800138001", **dict(zip(names, whole, strict=True)))])
    assert adopt(tutorial, "--yes")["taken"] == 1
    assert tutorial.execute(f"SELECT {', '.join(names)} FROM x_user") == [whole]
    registered(tutorial)


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("postgresql", "TIMESTAMP(0) WITHOUT TIME ZONE DEFAULT now()"),
        ("postgresql", "TIMESTAMP(3) WITHOUT TIME ZONE NOT NULL"),
        ("mariadb", "DATETIME NOT NULL DEFAULT current_timestamp()"),
        ("mariadb", "DATETIME(3) DEFAULT NULL COMMENT 'when'"),
    ],
)
def test_a_time_that_keeps_few_digits_of_a_second_gets_all(
    product: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    ids = {"postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}[product]
    tutorial.execute(
        f"CREATE TABLE x_user (id {ids} PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120), registration_time {kind})",
        "INSERT INTO x_user (phone, password, registration_time) VALUES ('13800138001', 'h', '2021-03-04 05:06:07')",
    )
    adopt(tutorial, "--yes")
    store = store_on(tutorial)
    user = store.users.by_id(UserId(1))
    store.close()
    assert user is not None
    assert user.registered_at == datetime(2021, 3, 3, 21, 6, 7, tzinfo=UTC)
    registered(tutorial)


@pytest.mark.parametrize(
    ("product", "kind"),
    [
        ("postgresql", "TIMESTAMP(0) WITH TIME ZONE"),
        ("mariadb", "TIMESTAMP(3) NULL"),
        ("mariadb", "TIMESTAMP NOT NULL DEFAULT current_timestamp()"),
    ],
)
def test_a_moment_that_keeps_few_digits_of_a_second_gets_all_and_stays_the_moment(
    product: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    ids = {"postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}[product]
    tutorial.execute(
        f"CREATE TABLE x_user (id {ids} PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120), registration_time {kind})"
    )
    with tutorial.connected() as connection:
        connection.exec_driver_sql(
            {"postgresql": "SET timezone = 'UTC'", "mariadb": "SET time_zone = '+00:00'"}[product]
        )
        connection.exec_driver_sql(
            "INSERT INTO x_user (phone, password, registration_time) VALUES"
            " ('13800138001', 'h', '2021-03-03 21:06:07'), ('no number', 'h', '2021-03-03 21:06:07')"
        )
    assert adopt(tutorial, "--yes")["taken"] == 1
    # What was left is a moment still.
    tutorial.execute("UPDATE x_user SET phone = '13800138002' WHERE id = 2")
    assert adopt(tutorial, "--yes")["taken"] == 1
    store = store_on(tutorial)
    users = [store.users.by_id(UserId(user_id)) for user_id in (1, 2)]
    store.close()
    moment = datetime(2021, 3, 3, 21, 6, 7, tzinfo=UTC)
    assert [user and user.registered_at for user in users] == [moment, moment]
    registered(tutorial)


@pytest.mark.parametrize(
    ("options", "most"),
    [("", 757), ("ROW_FORMAT=DYNAMIC", 757), ("ROW_FORMAT=COMPACT", 191), ("ROW_FORMAT=REDUNDANT", 191)],
)
def test_a_state_that_is_too_long_for_an_index_is_refused_before_anything_is_changed(
    mariadb_tutorial: Tutorial, options: str, most: int
) -> None:
    tutorial = mariadb_tutorial
    # Not in our form, so that something would be changed before the index is made.
    tutorial.execute(
        *([f"ALTER TABLE x_user {options}"] if options else []),
        f"ALTER TABLE x_user MODIFY state VARCHAR({most + 1})",
    )
    tutorial.insert([row(1, "13800138001"), row(2, "13800138002", state="禁" * most)])
    assert f"x_user.state has place for {most + 1} characters, and an index for {most}" in refusal(tutorial)
    tutorial.execute(f"ALTER TABLE x_user MODIFY state VARCHAR({most})")
    assert adopt(tutorial, "--yes")["taken"] == 2
    registered(tutorial)
    # Once the index is there, it has place.
    assert adopt(tutorial, "--yes")["obstacles"] == []


@pytest.mark.parametrize("kind", ["TEXT", "TINYTEXT", "LONGTEXT"])
def test_a_state_that_may_be_of_any_length_is_taken_where_ours_has_place_for_it(
    mariadb_tutorial: Tutorial, kind: str
) -> None:
    tutorial = mariadb_tutorial
    tutorial.execute(f"ALTER TABLE x_user MODIFY state {kind} CHARACTER SET latin1")
    tutorial.insert([row(1, "13800138001", state="x" * 121), row(2, "13800138002", state=None)])
    assert "x_user.state holds a text of 121 characters" in refusal(tutorial)
    tutorial.execute("UPDATE x_user SET state = LEFT(state, 120)")
    assert adopt(tutorial, "--yes")["taken"] == 2
    assert tutorial.execute("SELECT state FROM x_user ORDER BY id") == [("x" * 120,), (None,)]
    registered(tutorial)
