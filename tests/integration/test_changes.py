"""Triggers tell which users are changed, whichever program does it, in the transaction that changes them."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, Engine, create_engine, make_url

from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import new_user
from menshen.adapters.sql import changes
from menshen.adapters.sql.changes import are_watched, forget_old, watch
from menshen.adapters.sql.database import open_database
from menshen.adapters.sql.products.product import CHANGE_TRIGGERS, WATCHED
from menshen.adapters.sql.tables import sessions
from menshen.domain.errors import StoreUnavailable
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer, MariaDbServer, running, server_folder
from .migrators import by_hand, contents, told
from .servers import only_line
from .spellings import SPELLINGS, by_somebody_else
from .stores import migrated, opened
from .tutorial_tables import PRODUCTS, Tutorial, adopt, menshen_told, new_tutorial, row

PAGE = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")

NAMES = tuple(each.name for each in sessions.columns)

QUIET = ("last_seen_at", "over_at", *(name for name in NAMES if name.startswith("refresh_")))

_NEW = {
    **dict.fromkeys(("ended_at", "expires_at", "last_seen_at", "over_at"), "'2031-01-01 00:00:00.000000'"),
    **dict.fromkeys(("refresh_rotated_at", "refresh_expires_at"), "'2031-01-01 00:00:00.000000'"),
    **dict.fromkeys(("idle_seconds", "refresh_rotations"), "7"),
    "user_id": "2",
    "refresh_digest": "'" + "1" * 32 + "'",
}
"""Other values of a session's columns; those that are not here are texts."""

LOUD: list[tuple[str, set[int]]] = [
    ("UPDATE x_user SET state = '冻结' WHERE id = 1", {1}),
    ("UPDATE x_user SET account_balance = account_balance + 1", {1, 2, 3}),
    ("UPDATE x_user SET user_name = NULL WHERE id = 3", {3}),
    ("DELETE FROM x_user WHERE id = 1", {1}),
    ("DELETE FROM x_session WHERE id = 'live'", {1}),
    ("UPDATE x_session SET device_id = NULL WHERE id = 'live'", {1}),
    *(
        (f"UPDATE x_session SET {name} = {_NEW.get(name, chr(39) + 'new' + chr(39))} WHERE id = 'live'", {1})
        for name in WATCHED
        if name != "user_id"
    ),
    ("UPDATE x_session SET user_id = 2 WHERE id = 'live'", {1, 2}),
    ("UPDATE x_session SET ended_at = NULL WHERE id = 'ended'", {2}),
]

STILL = [
    *(
        f"UPDATE x_session SET {name} = {_NEW.get(name, chr(39) + 'new' + chr(39))}"
        for name in QUIET
        if name != "refresh_digest"
    ),
    "UPDATE x_session SET refresh_digest = refresh_key",
    "UPDATE x_session SET device_name = device_name, ended_at = ended_at, address = address",
    "DELETE FROM x_session WHERE id = 'ended'",
    "INSERT INTO x_user (id, is_account, is_admin) VALUES (9, TRUE, FALSE)",
    "UPDATE x_audit SET subject = 2",
]


def new_database(request: pytest.FixtureRequest, folder: Path, product: str) -> str:
    if product == "sqlite":
        return f"sqlite:///{folder}/accounts.sqlite3"
    server: DatabaseServer = request.getfixturevalue(product)
    return server.new_database()


@pytest.fixture(params=PRODUCTS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = new_database(request, tmp_path, request.param)
    migrated(url)
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """As another program opens the database, which knows nothing of menshen."""
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql(
            "INSERT INTO x_user (id, user_name, is_account, is_admin) VALUES"
            " (1, 'a', TRUE, FALSE), (2, 'b', TRUE, FALSE), (3, 'c', FALSE, FALSE)"
        )
        for session, user, ended in (("live", 1, "NULL"), ("ended", 2, "'2030-01-01 00:00:00.000000'")):
            moments = ", ".join(["'2030-01-01 00:00:00.000000'"] * 6)
            connection.exec_driver_sql(
                "INSERT INTO x_session (id, user_id, kind, device_type, device_id, idle_seconds, refresh_digest,"
                " refresh_rotations, refresh_key, started_at, last_seen_at, expires_at, over_at, refresh_rotated_at,"
                f" refresh_expires_at, ended_at) VALUES ('{session}', {user}, 'user', 'pc', 'd', 60, '{'0' * 32}', 0,"
                f" 'k', {moments}, {ended})"
            )
    yield engine
    engine.dispose()


def told_in(connection: Connection) -> list[int]:
    return list(connection.exec_driver_sql("SELECT user_id FROM x_change ORDER BY id").scalars())


class TestWritesByHand:
    @pytest.mark.parametrize(("statement", "users"), LOUD, ids=[statement for statement, _ in LOUD])
    def test_are_told_in_the_same_transaction(self, engine: Engine, statement: str, users: set[int]) -> None:
        with engine.connect() as connection:
            for _ in range(2):
                connection.exec_driver_sql(statement)
                assert set(told_in(connection)) == users
                connection.rollback()
                assert told_in(connection) == []
            connection.exec_driver_sql(statement)
            with engine.connect() as another:
                assert told_in(another) == []
            connection.commit()
        with engine.connect() as another:
            assert set(told_in(another)) == users

    def test_each_row_is_told_once(self, engine: Engine) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql("UPDATE x_session SET device_name = 'new', address = '192.0.2.1'")
            assert sorted(told_in(connection)) == [1, 2]
            connection.exec_driver_sql("UPDATE x_user SET state = '冻结'")
            assert sorted(told_in(connection)) == [1, 1, 2, 2, 3]

    @pytest.mark.parametrize("statement", STILL)
    def test_of_what_changes_all_the_time_are_not_told(self, engine: Engine, statement: str) -> None:
        if engine.dialect.name == "postgresql":
            statement = statement.replace("= refresh_key", "= convert_to(refresh_key, 'UTF8')")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
            assert told_in(connection) == []

    def test_every_column_of_a_session_is_one_or_the_other_or_says_how_it_began_or_ended(self) -> None:
        others = {"id", "started_at", *(name for name in NAMES if name.startswith("end_"))}
        assert {*WATCHED} | {*QUIET} | others == {*NAMES}
        assert not {*WATCHED} & {*QUIET}

    def test_of_many_at_once_none_is_lost(self, url: str, engine: Engine) -> None:
        writers, times = 8, 25
        with engine.begin() as connection:
            for number in range(100, 100 + writers):
                connection.exec_driver_sql(
                    f"INSERT INTO x_user (id, is_account, is_admin) VALUES ({number}, TRUE, FALSE)"
                )

        def write(number: int) -> None:
            own = create_engine(url, connect_args={"timeout": 60} if "sqlite" in url else {})
            for _ in range(times):
                with own.begin() as connection:
                    connection.exec_driver_sql(f"UPDATE x_user SET mid = COALESCE(mid, 0) + 1 WHERE id = {number}")
            own.dispose()

        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(write, range(100, 100 + writers)))
        with engine.connect() as connection:
            assert sorted(told_in(connection)) == sorted([*range(100, 100 + writers)] * times)

    # SQLite has one writer at a time.
    @pytest.mark.parametrize("url", ["postgresql", "mariadb"], indirect=True)
    @pytest.mark.parametrize(
        ("all_rows", "one_row", "users"),
        [
            ("UPDATE x_user SET mid = 5", "x_user SET mid = 6 WHERE id = 2", [1, 2, 2, 3]),
            ("UPDATE x_session SET device_name = 'new'", "x_session SET address = 'new' WHERE id = 'live'", [1, 1, 2]),
        ],
    )
    def test_of_many_rows_and_of_one_do_not_block_each_other_for_the_table_of_changes(
        self, url: str, engine: Engine, all_rows: str, one_row: str, users: list[int]
    ) -> None:
        """A statement that has told some changes, and waits for a row, lets whoever has that row tell theirs."""
        table, _, condition = one_row.partition(" SET ")
        with engine.begin() as one, ThreadPoolExecutor(1) as pool:
            one.exec_driver_sql(f"SELECT * FROM {table} WHERE {condition.partition(' WHERE ')[2]} FOR UPDATE")
            others = pool.submit(by_hand, url, all_rows)
            while by_somebody_else(url, SPELLINGS[engine.dialect.name.replace("mysql", "mariadb")].waiting) != [1]:
                assert not others.done()
                time.sleep(0.01)
            one.exec_driver_sql(f"UPDATE {one_row}")
            one.commit()
            others.result(timeout=30)
        with engine.connect() as connection:
            assert sorted(told_in(connection)) == users

    def test_an_id_is_never_used_again(self, engine: Engine) -> None:
        def last(connection: Connection) -> int:
            connection.exec_driver_sql("UPDATE x_user SET mid = 9 WHERE id = 1")
            found: int = connection.exec_driver_sql("SELECT max(id) FROM x_change").scalar_one()
            return found

        with engine.begin() as connection:
            before = last(connection)
            connection.exec_driver_sql("DELETE FROM x_change")
        with engine.begin() as connection:
            assert last(connection) > before


class TestOtherPrograms:
    """They need no right to the table of changes, and cannot put their own in its place."""

    def test_on_postgresql(self, postgresql: DatabaseServer) -> None:
        url = postgresql.new_database()
        migrated(url)
        name = f"shop_{make_url(url).database}"
        by_hand(
            url,
            "INSERT INTO x_user (id, is_account, is_admin) VALUES (1, TRUE, FALSE)",
            f"CREATE ROLE {name} LOGIN",
            f"GRANT SELECT, UPDATE ON x_user TO {name}",
        )
        theirs = make_url(url).set(username=name).render_as_string(hide_password=False)
        by_hand(theirs, "CREATE TEMPORARY TABLE x_change (id SERIAL, user_id INTEGER)", "UPDATE x_user SET mid = 5")
        engine = create_engine(theirs)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TEMPORARY TABLE x_change (id SERIAL, user_id INTEGER)")
            connection.exec_driver_sql("UPDATE x_user SET mid = 6")
            assert told_in(connection) == []
        engine.dispose()
        with opened(url) as database, database.reading() as connection:
            assert told_in(connection) == [1, 1]
        by_hand(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")

    def test_on_postgresql_in_a_schema_of_ours(self, postgresql: DatabaseServer) -> None:
        url = postgresql.new_database()
        by_hand(url, 'CREATE SCHEMA "Our own"', f'ALTER DATABASE {make_url(url).database} SET search_path = "Our own"')
        migrated(url)
        by_hand(
            url,
            "INSERT INTO x_user (id, is_account, is_admin) VALUES (1, TRUE, FALSE)",
            'SET search_path = public; UPDATE "Our own".x_user SET mid = 5',
        )
        with opened(url) as database, database.reading() as connection:
            assert told_in(connection) == [1]

    def test_on_mariadb(self, mariadb: DatabaseServer) -> None:
        url = mariadb.new_database()
        migrated(url)
        by_hand(url, "INSERT INTO x_user (id, is_account, is_admin) VALUES (1, TRUE, FALSE)")
        theirs = mariadb_user(mariadb, url, "SELECT, UPDATE ON {}.x_user")
        by_hand(theirs, "UPDATE x_user SET mid = 5")
        with opened(url) as database, database.reading() as connection:
            assert told_in(connection) == [1]


class TestWhoMayNotCreateTriggers:
    """None of them is there then, and all the rest is."""

    def test_on_mariadb_without_the_privilege(self, mariadb: DatabaseServer, tmp_path: Path) -> None:
        url = mariadb.new_database()
        less = mariadb_user(mariadb, url, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON {}.*")
        migrates_without(less, url, tmp_path)
        makes_them_later(url, tmp_path)

    def test_on_mariadb_with_the_privilege_on_one_table(self, mariadb: DatabaseServer, tmp_path: Path) -> None:
        url = mariadb.new_database()
        rights = ("SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON {}.*", "CREATE, TRIGGER ON {}.x_user")
        migrates_without(mariadb_user(mariadb, url, *rights), url, tmp_path)
        makes_them_later(url, tmp_path)

    def test_on_mariadb_with_a_binary_log(self, tmp_path: Path) -> None:
        with server_folder() as folder:
            server = MariaDbServer(folder / "mariadb", ("--log-bin", "--server-id=1"))
            with running(server):
                url = server.new_database()
                migrates_without(mariadb_user(server, url, "ALL ON {}.*"), url, tmp_path)
                makes_them_later(url, tmp_path)

    def test_on_postgresql_without_its_language(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        url = postgresql.new_database()
        name = f"less_{make_url(url).database}"
        by_hand(
            url,
            "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
            f"CREATE ROLE {name} LOGIN",
            f"ALTER DATABASE {make_url(url).database} OWNER TO {name}",
        )
        less = make_url(url).set(username=name).render_as_string(hide_password=False)
        migrates_without(less, url, tmp_path)
        makes_them_later(url, tmp_path)

    def test_another_error_is_none_of_this(self, url: str) -> None:
        with opened(url) as database:
            by_hand(url, *_dropping(url))
            by_hand(url, "ALTER TABLE x_session RENAME TO x_other")
            with pytest.raises(StoreUnavailable), database.writing() as connection:
                watch(connection)


def migrates_without(less: str, url: str, folder: Path) -> None:
    done = told(less, folder, "migrate")
    assert (done.code, done.out) == (0, "the database has been migrated\n")
    assert "may not create triggers" in only_line(done.err)
    assert "triggers" not in contents(url)
    again = told(less, folder, "migrate")
    assert (again.code, again.out, again.err) == (0, "the database is up to date\n", "")
    assert told(less, folder, "migrate", "--check").code == 0
    with opened(less) as database:
        with database.reading() as connection:
            assert not are_watched(connection)
        store = sql_store(database)
        assert store.users.by_id(Steps(store).users.add(new_user()).id) is not None


def makes_them_later(url: str, folder: Path) -> None:
    """Once it is allowed: here, by one who may."""
    done = told(url, folder, "migrate")
    assert (done.code, done.out) == (0, "the database is up to date\n")
    assert "made the triggers" in only_line(done.err)
    with opened(url) as database, database.reading() as connection:
        assert are_watched(connection)


def mariadb_user(server: DatabaseServer, url: str, *rights: str) -> str:
    """The URL of a new user with these rights, in which {} is the database."""
    there = make_url(url)
    name = f"u_{there.database}"
    by_hand(
        root(server, url),
        f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'p'",
        *(f"GRANT {each.format(there.database)} TO {name}@'127.0.0.1'" for each in rights),
    )
    return there.set(username=name, password="p").render_as_string(hide_password=False)


def root(server: DatabaseServer, url: str) -> str:
    """Who may let others in, unlike our own user."""
    assert isinstance(server, MariaDbServer)
    found = make_url(url).set(username="root", password="", query={"unix_socket": str(server.folder / "socket")})
    return found.render_as_string(hide_password=False)


class TestWhetherTheyAreThere:
    @pytest.mark.parametrize("name", CHANGE_TRIGGERS)
    def test_each_counts(self, url: str, tmp_path: Path, name: str) -> None:
        with opened(url) as database:
            with database.reading() as connection:
                assert are_watched(connection)
            on_table = f" ON {CHANGE_TRIGGERS[name]}" if "postgresql" in url else ""
            by_hand(url, f"DROP TRIGGER {name}{on_table}")
            with database.reading() as connection:
                assert not are_watched(connection)
            makes_them_later(url, tmp_path)

    def test_a_disabled_one_is_none(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        url = postgresql.new_database()
        migrated(url)
        by_hand(url, "ALTER TABLE x_user DISABLE TRIGGER tr_x_user_gone")
        with opened(url) as database, database.reading() as connection:
            assert not are_watched(connection)
        by_hand(url, "DROP TRIGGER tr_x_user_gone ON x_user")
        makes_them_later(url, tmp_path)

    def test_rebuilding_a_table_on_sqlite_drops_them(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/accounts.sqlite3"
        migrated(url)
        by_hand(
            url,
            "CREATE TABLE new AS SELECT * FROM x_user",
            "DROP TABLE x_user",
            "ALTER TABLE new RENAME TO x_user",
        )
        with opened(url) as database, database.reading() as connection:
            assert not are_watched(connection)
        makes_them_later(url, tmp_path)


@pytest.mark.parametrize("product", PRODUCTS)
def test_an_adopted_table_has_them_beside_those_of_others(
    request: pytest.FixtureRequest, tmp_path: Path, product: str
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    tutorial.insert([row(1, "13800138001"), row(2, "13800138002")])
    tutorial.execute("CREATE TABLE theirs (id INTEGER)", *_TRIGGERS_OF_THEIRS[product])
    adopt(tutorial, "--yes")
    tutorial.execute("DELETE FROM x_change", "DELETE FROM theirs")
    tutorial.execute("UPDATE x_user SET token = 't' WHERE id = 2")
    assert tutorial.execute("SELECT user_id FROM x_change") == [(2,)]
    assert tutorial.execute("SELECT id FROM theirs") == [(2,)]
    with opened(tutorial.url) as database, database.reading() as connection:
        assert are_watched(connection)
    by_hand(tutorial.url, *_dropping(tutorial.url))
    tutorial.insert([row(3, "13800138003")])
    adopt(tutorial, "--yes")
    with opened(tutorial.url) as database, database.reading() as connection:
        assert are_watched(connection)


def test_adopting_goes_on_without_them_where_they_are_not_allowed(mariadb: DatabaseServer) -> None:
    there = Tutorial("mariadb", mariadb.new_database())
    there.make()
    there.insert([row(1, "13800138001")])
    less = mariadb_user(mariadb, there.url, "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX ON {}.*")
    code, out, err = menshen_told(Tutorial("mariadb", less), "adopt", "--yes")
    assert (code, out.splitlines()[-1]) == (0, "adopted: 1 rows were taken, 0 were left as they are")
    assert "may not create triggers" in err
    assert "triggers" not in contents(there.url)
    assert there.execute("SELECT is_account FROM x_user") == [(1,)]


_TRIGGERS_OF_THEIRS: dict[str, Sequence[str]] = {
    "sqlite": ["CREATE TRIGGER theirs AFTER UPDATE ON x_user BEGIN INSERT INTO theirs VALUES (OLD.id); END"],
    "postgresql": [
        (
            "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO theirs VALUES (OLD.id); RETURN NULL; END'"
        ),
        "CREATE TRIGGER theirs AFTER UPDATE ON x_user FOR EACH ROW EXECUTE FUNCTION theirs()",
    ],
    "mariadb": ["CREATE TRIGGER theirs AFTER UPDATE ON x_user FOR EACH ROW INSERT INTO theirs VALUES (OLD.id)"],
}


def _dropping(url: str) -> list[str]:
    return [
        f"DROP TRIGGER {name}{f' ON {table}' if 'postgresql' in url else ''}" for name, table in CHANGE_TRIGGERS.items()
    ]


class TestForgetting:
    @pytest.mark.parametrize("step", [1, 3, 100])
    def test_the_newest_are_kept(self, url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
        monkeypatch.setattr(changes, "KEPT", 5)
        with engine.begin() as connection:
            for number in range(40):
                connection.exec_driver_sql(f"INSERT INTO x_change (id, user_id) VALUES ({1 + number * step}, {number})")
        with opened(url) as database:
            with database.writing() as connection:
                assert forget_old(connection)
            database.give_back()
            with database.writing() as connection:
                assert told_in(connection) == [35, 36, 37, 38, 39]
                assert not forget_old(connection)

    def test_of_none_and_of_a_few_all_are_kept(self, url: str, engine: Engine) -> None:
        with opened(url) as database:
            database.give_back()
            by_hand(url, "UPDATE x_user SET mid = 7")
            database.give_back()
        with engine.connect() as connection:
            assert sorted(told_in(connection)) == [1, 2, 3]


class TestThePage:
    """The users that docs/stores.md makes have what the triggers need."""

    def test_on_mariadb(self, mariadb: DatabaseServer, tmp_path: Path) -> None:
        url, renamed = self._made(mariadb, "CREATE DATABASE accounts CHARACTER", root)
        self._works(renamed, url.set(database=renamed, password="PASSWORD"), tmp_path)

    def test_on_postgresql(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        url, renamed = self._made(postgresql, "CREATE ROLE accounts LOGIN", lambda _, url: url)
        there = url.set(database=renamed)
        by_hand(there.render_as_string(hide_password=False), *_statements("ALTER DEFAULT PRIVILEGES", renamed))
        self._works(renamed, there.set(password="PASSWORD"), tmp_path)

    def _made(self, server: DatabaseServer, begin: str, by: Callable[[DatabaseServer, str], str]) -> tuple[URL, str]:
        url = server.new_database()
        renamed = f"accounts_{make_url(url).database}"
        by_hand(by(server, url), *_statements(begin, renamed))
        return make_url(url), renamed

    def _works(self, name: str, there: URL, folder: Path) -> None:
        owner = there.set(username=name).render_as_string(hide_password=False)
        service = there.set(username=f"{name}_service").render_as_string(hide_password=False)
        done = told(owner, folder, "migrate")
        assert (done.code, done.err) == (0, "")
        database = open_database(service, connections=2)
        with database.reading() as connection:
            assert are_watched(connection)
        store = sql_store(database)
        user = Steps(store).users.add(new_user())
        by_hand(service, f"UPDATE x_user SET mid = 4 WHERE id = {user.id}")
        with database.reading() as connection:
            assert told_in(connection) == [user.id]
        database.give_back()
        database.close()


def _statements(begin: str, renamed: str) -> list[str]:
    """The block of the page that has *begin*, for another name than accounts."""
    [block] = [each for each in PAGE.split("```sql\n")[1:] if begin in each.partition("```")[0]]
    return block.partition("```")[0].replace("accounts", renamed).strip().split(";\n")
