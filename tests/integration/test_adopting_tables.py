"""Tables that are not quite the tutorial's: what is brought into form, and what is refused with its reason."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from attrs import evolve

from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.users import NewUser, Phone, UserId, UserState
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store

from .stores import migrated
from .tutorial_tables import (
    PRODUCTS,
    Tutorial,
    adopt,
    menshen_told,
    new_tutorial,
    plain_rows,
    row,
)


@pytest.fixture(params=PRODUCTS)
def tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    return new_tutorial(request.param, tmp_path, request)


@pytest.fixture
def mariadb_tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    return new_tutorial("mariadb", tmp_path, request)


@pytest.fixture
def postgresql_tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    return new_tutorial("postgresql", tmp_path, request)


@pytest.fixture
def sqlite_tutorial(request: pytest.FixtureRequest, tmp_path: Path) -> Tutorial:
    return new_tutorial("sqlite", tmp_path, request)


def refusal(tutorial: Tutorial) -> str:
    """Why the database is not adopted; it has not been changed."""
    before = tutorial.dump()
    code, _, err = menshen_told(tutorial, "adopt", "--yes")
    assert code == 1
    assert tutorial.dump() == before
    return err


def store_on(tutorial: Tutorial) -> Store:
    return open_store(Settings(database_url=tutorial.url))


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LONG_NAME = "名" * 80
LONG_HASH = "$argon2id$" + "h" * 110


def registered(tutorial: Tutorial) -> None:
    """A user with as much in each column as one may have can be kept, renamed, and closed."""
    store = store_on(tutorial)
    try:
        new = NewUser(phone=Phone("13911112222"), password_hash=LONG_HASH, registered_at=MOMENT, user_name=LONG_NAME)
        user = store.work.transact(lambda tx: tx.users.add(new))
        assert store.users.by_phone(new.phone) == user
        assert (user.user_name, user.password_hash, user.registered_at) == (LONG_NAME, LONG_HASH, MOMENT)

        def close(tx: Transaction) -> None:
            tx.lock(user.id)
            tx.users.save(evolve(user, phone=None, user_name=None, state=UserState.closed()))

        store.work.transact(close)
        closed = store.users.by_id(user.id)
        assert closed is not None
        assert closed.is_erased
    finally:
        store.close()


def test_a_bare_table_gets_what_it_lacks(tutorial: Tutorial) -> None:
    ids = {"sqlite": "INTEGER", "postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}[tutorial.product]
    tutorial.execute(
        f"CREATE TABLE x_user (id {ids} PRIMARY KEY, phone VARCHAR(11), password VARCHAR(60), user_name CHAR(10))",
        f"INSERT INTO x_user (phone, password) VALUES ('13800138001', '{'h' * 60}')",
    )
    assert adopt(tutorial, "--yes")["taken"] == 1
    store = store_on(tutorial)
    user = store.users.by_id(UserId(1))
    store.close()
    assert user is not None
    # Where nothing was ever said of states, nobody was kept out.
    assert (user.phone, user.state, user.registered_at) == (Phone("13800138001"), UserState.active(), None)
    assert (user.fee_percentage, user.account_balance) == (4, Decimal(0))
    registered(tutorial)


def test_columns_that_must_not_be_null_may_be_so_where_that_can_be_changed(tutorial: Tutorial) -> None:
    ids = {"sqlite": "INTEGER", "postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}[tutorial.product]
    tutorial.execute(
        f"CREATE TABLE x_user (id {ids} PRIMARY KEY, phone VARCHAR(80) NOT NULL, password VARCHAR(255) NOT NULL,"
        " user_name VARCHAR(80) NOT NULL DEFAULT 'it''s 5 %')",
    )
    if tutorial.product == "sqlite":
        err = refusal(tutorial)
        assert "x_user.phone is NOT NULL" in err
        assert "x_user.user_name is NOT NULL" in err
        return
    adopt(tutorial, "--yes")
    registered(tutorial)
    tutorial.execute("INSERT INTO x_user (phone, password) VALUES ('13800138001', 'h')")
    assert tutorial.execute("SELECT user_name FROM x_user WHERE phone = '13800138001'") == [("it's 5 %",)]


def test_numbers_kept_as_numbers_are_taken(tutorial: Tutorial) -> None:
    ids = {"sqlite": "INTEGER", "postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}[tutorial.product]
    tutorial.execute(
        f"CREATE TABLE x_user (id {ids} PRIMARY KEY, phone BIGINT, password VARCHAR(120), state VARCHAR(20))",
        "INSERT INTO x_user (phone, password, state) VALUES (13800138001, 'h', '正常'), (12345, 'h', '正常')",
    )
    outcome = adopt(tutorial, "--yes")
    assert outcome["taken"] == 1
    [left] = outcome["left_rows"]
    assert (left["id"], left["phone"], left["why"]) == (2, "12345", "phone_invalid")
    registered(tutorial)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("ENGINE=MyISAM DEFAULT CHARSET=latin1", "Zoë ÿ  "),
        ("ENGINE=InnoDB DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci", "张三 é  "),
        ("ENGINE=Aria DEFAULT CHARSET=gbk", "张三  "),
        ("ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin", "\N{PARTY POPPER}"),
    ],
    ids=["MyISAM-latin1", "InnoDB-utf8mb3", "Aria-gbk", "ours"],
)
def test_mariadb_keeps_the_text_of_any_engine_and_character_set_whole(
    mariadb_tutorial: Tutorial, options: str, name: str
) -> None:
    tutorial = mariadb_tutorial
    tutorial.make(password=120, options=options)
    has_no_chinese = "latin1" in options
    normal = None if has_no_chinese else "正常"
    no_date = "0000-00-00 00:00:00"
    tutorial.insert(
        [
            row(1, "13800138001", user_name=name, state=normal, token=name),
            row(2, "no number", user_name=name, state=normal, registration_time=no_date),
        ]
    )
    adopt(tutorial, "--yes")
    query = "SELECT id, user_name, token, CAST(registration_time AS CHAR) FROM x_user WHERE id = "
    assert tutorial.execute(query + "1") == [(1, name, name, "2021-03-03 21:06:07.000000")]
    assert tutorial.execute(query + "2") == [(2, name, "an.old.token", "0000-00-00 00:00:00.000000")]
    [(engine, collation)] = tutorial.execute(
        "SELECT engine, table_collation FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name = 'x_user'"
    )
    assert (engine, collation) == ("InnoDB", "utf8mb4_nopad_bin")
    registered(tutorial)


@pytest.mark.parametrize(
    ("product", "kind"), [("postgresql", "TIMESTAMP WITH TIME ZONE"), ("mariadb", "TIMESTAMP NULL")]
)
def test_a_time_that_knows_its_zone_is_not_moved(
    product: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    ids = {"postgresql": "SERIAL", "mariadb": "INTEGER AUTO_INCREMENT"}[product]
    hour = {"postgresql": "2021-03-04 05:06:07+08", "mariadb": "2021-03-03 21:06:07"}[product]
    tutorial.execute(
        f"CREATE TABLE x_user (id {ids} PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120), registration_time {kind})"
    )
    with tutorial.connected() as connection:
        if product == "mariadb":
            connection.exec_driver_sql("SET time_zone = '+00:00'")
        connection.exec_driver_sql(
            f"INSERT INTO x_user (phone, password, registration_time) VALUES ('13800138001', 'h', '{hour}')"
        )
    adopt(tutorial, "--yes")
    store = store_on(tutorial)
    user = store.users.by_id(UserId(1))
    store.close()
    assert user is not None
    assert user.registered_at == datetime(2021, 3, 3, 21, 6, 7, tzinfo=UTC)


def test_a_sequence_that_is_behind_the_rows_is_brought_forward(postgresql_tutorial: Tutorial) -> None:
    postgresql_tutorial.make()
    postgresql_tutorial.insert(plain_rows(3))
    postgresql_tutorial.execute("SELECT setval('x_user_id_seq', 1, false)")
    adopt(postgresql_tutorial, "--yes")
    registered(postgresql_tutorial)


def test_what_sqlite_keeps_in_any_column_stops_nothing(sqlite_tutorial: Tutorial) -> None:
    tutorial = sqlite_tutorial
    tutorial.make()
    tutorial.insert(
        [
            row(1, b"13800138001"),
            row(2, "13800138002", account_balance="a lot"),
            row(3, "13800138003", fee_percentage="some"),
            row(4, "13800138004", user_name=b"\xff"),
            row(5, "13800138005", registration_time=1614805567),
            row(6, "13800138006", registration_time="0001-01-01 00:00:00"),
            row(7, "13800138007", registration_time="2021-03-04T05:06:07+00:00"),
            row(2**31, "13800138008"),
            row(-1, "13800138009"),
            row(8, 13800138010),
        ]
    )
    tutorial.execute("UPDATE x_user SET user_name = CAST(X'FFFE' AS TEXT) WHERE id = 3")
    outcome = adopt(tutorial, "--yes")
    assert {each["id"]: each["why"] for each in outcome["left_rows"]} == {
        -1: "id_out_of_range",
        1: "phone_invalid",
        2: "value_unreadable",
        3: "value_unreadable",
        4: "value_unreadable",
        5: "registration_time_unreadable",
        6: "registration_time_unreadable",
        2**31: "id_out_of_range",
    }
    assert tutorial.execute("SELECT id, registration_time FROM x_user WHERE is_account ORDER BY id") == [
        (7, "2021-03-04 05:06:07.000000"),
        (8, "2021-03-03 21:06:07.000000"),
    ]
    registered(tutorial)


def test_a_database_without_the_table_is_refused(sqlite_tutorial: Tutorial) -> None:
    sqlite_tutorial.execute("CREATE TABLE something (id INTEGER)")
    assert "no table x_user" in refusal(sqlite_tutorial)


def test_a_table_that_nobody_can_log_in_by_is_refused(sqlite_tutorial: Tutorial) -> None:
    sqlite_tutorial.execute("CREATE TABLE x_user (id INTEGER PRIMARY KEY, mail VARCHAR(80))")
    assert "no column phone and no column password" in refusal(sqlite_tutorial)


def test_columns_and_tables_of_our_names_that_are_not_ours_are_refused(sqlite_tutorial: Tutorial) -> None:
    sqlite_tutorial.make()
    sqlite_tutorial.execute(
        "ALTER TABLE x_user ADD COLUMN is_admin INTEGER",
        "ALTER TABLE x_user ADD COLUMN nickname VARCHAR(80) DEFAULT '' NOT NULL",
        "CREATE TABLE x_session (id INTEGER PRIMARY KEY)",
    )
    err = refusal(sqlite_tutorial)
    assert "a column is_admin of its own" in err
    assert "a table x_session that menshen did not make" in err
    assert "nickname" not in err


def test_columns_that_menshen_would_leave_empty_and_must_not_are_refused(tutorial: Tutorial) -> None:
    tutorial.execute(
        "CREATE TABLE x_user (id INTEGER PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120), city VARCHAR(9) NOT NULL)"
    )
    assert "x_user.city is NOT NULL without a DEFAULT" in refusal(tutorial)


def test_an_id_of_another_type_is_refused(tutorial: Tutorial) -> None:
    kind = {"sqlite": "INT", "postgresql": "BIGINT", "mariadb": "INTEGER UNSIGNED"}[tutorial.product]
    tutorial.execute(f"CREATE TABLE x_user (id {kind} PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120))")
    assert "it must be INTEGER" in refusal(tutorial)


@pytest.mark.parametrize("product", ["postgresql", "mariadb"])
def test_an_id_that_is_not_numbered_automatically_is_refused(
    product: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.execute("CREATE TABLE x_user (id INTEGER PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120))")
    assert "does not count by itself" in refusal(tutorial)


def test_types_that_hold_something_else_are_refused(mariadb_tutorial: Tutorial) -> None:
    mariadb_tutorial.execute(
        "CREATE TABLE x_user (id INTEGER AUTO_INCREMENT PRIMARY KEY, phone VARCHAR(80), password BLOB,"
        " state ENUM('正常', '冻结'), registration_time DATE)"
    )
    err = refusal(mariadb_tutorial)
    for name in ("password", "state", "registration_time"):
        assert f"x_user.{name} is" in err


def test_spellings_that_an_index_keeps_apart_have_to_be_mended_first(tutorial: Tutorial) -> None:
    tutorial.make()
    tutorial.execute("CREATE UNIQUE INDEX their_phone ON x_user (phone)")
    tutorial.insert([row(1, "+86 13800138001"), row(2, "13800138001"), row(3, "+86 13800138003")])
    assert "a unique index of its own" in refusal(tutorial)
    tutorial.execute("UPDATE x_user SET phone = '13800138002' WHERE id = 2")
    assert adopt(tutorial, "--yes")["taken"] == 3
    # What an account has already cannot be in the way of another row's spelling.
    tutorial.insert([row(4, "+86 13800138001"), row(5, "+86 13800138005")])
    assert adopt(tutorial, "--yes")["taken"] == 1


def test_a_database_that_menshen_made_has_nothing_to_adopt(tutorial: Tutorial) -> None:
    migrated(tutorial.url)
    before = tutorial.dump()
    code, out, err = menshen_told(tutorial, "adopt", "--yes")
    assert (code, err) == (0, "")
    assert "there is nothing to adopt" in out
    assert tutorial.dump() == before


def test_a_newer_menshens_database_is_refused(sqlite_tutorial: Tutorial) -> None:
    migrated(sqlite_tutorial.url)
    sqlite_tutorial.execute("UPDATE menshen_version SET version_num = '9999'")
    assert "version 9999" in refusal(sqlite_tutorial)


def test_times_are_read_however_the_server_would_show_them(postgresql_tutorial: Tutorial) -> None:
    tutorial = postgresql_tutorial
    tutorial.make()
    tutorial.insert([row(1, "13800138001")])
    [(name,)] = tutorial.execute("SELECT current_database()")
    tutorial.execute(f"ALTER DATABASE {name} SET datestyle = 'German, DMY'")
    assert adopt(tutorial, "--yes")["taken"] == 1
    assert tutorial.execute("SELECT to_char(registration_time, 'YYYY-MM-DD HH24:MI') FROM x_user") == [
        ("2021-03-03 21:06",)
    ]
