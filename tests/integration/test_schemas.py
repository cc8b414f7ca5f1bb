"""Whose tables they are: ours, somebody else's beside them, and somebody else's under our names."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import new_user
from menshen.adapters.sql.migrating import differences
from menshen.adapters.sql.tables import metadata
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .migrators import by_hand, contents, told
from .servers import free_port, only_line
from .spellings import by_somebody_else
from .stores import migrated, opened

EVERYWHERE = ["sqlite", "postgresql", "mariadb"]


def new_database(request: pytest.FixtureRequest, folder: Path, product: str) -> str:
    if product == "sqlite":
        return f"sqlite:///{folder}/accounts.sqlite3"
    server: DatabaseServer = request.getfixturevalue(product)
    return server.new_database()


@pytest.fixture(params=EVERYWHERE)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_database(request, tmp_path, request.param)


class TestSomebodyElses:
    def test_tables_stay_as_they_are_beside_ours(self, empty: str, tmp_path: Path) -> None:
        by_hand(
            empty,
            "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
            "INSERT INTO alembic_version VALUES ('5f2c1a')",
            "CREATE TABLE x_users (id INTEGER PRIMARY KEY, phone VARCHAR(20))",
            "INSERT INTO x_users VALUES (1, '13800138000')",
            "CREATE TABLE x_session_cart (id INTEGER PRIMARY KEY)",
        )
        before = contents(empty)
        assert told(empty, tmp_path, "migrate").code == 0
        after = contents(empty)
        with opened(empty) as database:
            assert differences(database) == []
            assert Steps(sql_store(database)).users.add(new_user()).id == 1
        # PostgreSQL tells of the indexes and the constraints of all tables in one list.
        assert [name for name, found in before.items() if not isinstance(found, list) and after[name] != found] == []
        assert [each for name in before for each in before[name] if each not in after[name]] == []

    @pytest.mark.parametrize(
        ("table", "columns"),
        [
            ("x_user", "id INTEGER PRIMARY KEY, phone VARCHAR(80), password VARCHAR(120)"),
            ("x_session", "id INTEGER PRIMARY KEY, data VARCHAR(80)"),
            ("x_audit", "id INTEGER PRIMARY KEY, at VARCHAR(80)"),
        ],
    )
    def test_tables_of_our_names_are_refused_and_left_alone(
        self, empty: str, tmp_path: Path, table: str, columns: str
    ) -> None:
        by_hand(empty, f"CREATE TABLE {table} ({columns})", f"INSERT INTO {table} (id) VALUES (7)")
        before = contents(empty)
        for arguments in (
            ("migrate",),
            ("migrate", "--check"),
            ("migrate", "--sql"),
            ("serve",),
            ("user", "show", "7"),
        ):
            found = told(empty, tmp_path, *arguments, PORT=str(free_port()))
            assert (found.code, found.out) == (2, "")
            line = only_line(found.err)
            assert f"a table {table} that menshen did not make" in line
            assert ("menshen adopt" in line) == (table == "x_user")
        assert contents(empty) == before

    def test_a_newer_menshens_tables_are_refused_and_left_alone(self, empty: str, tmp_path: Path) -> None:
        migrated(empty)
        by_hand(
            empty, "UPDATE menshen_version SET version_num = '9999'", "ALTER TABLE x_user ADD COLUMN novelty INTEGER"
        )
        before = contents(empty)
        for arguments in (("migrate",), ("migrate", "--check"), ("migrate", "--sql"), ("serve",), ("user", "find")):
            found = told(empty, tmp_path, *arguments, PORT=str(free_port()))
            assert (found.code, found.out) == (2, "")
            assert "version 9999" in only_line(found.err)
        assert contents(empty) == before


class TestMariaDb:
    @pytest.mark.parametrize("made", ["CHARACTER SET latin1", "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"])
    def test_text_is_ours_to_compare_whatever_the_database_does(self, mariadb: DatabaseServer, made: str) -> None:
        url = mariadb.new_database()
        by_hand(url, f"ALTER DATABASE {make_url(url).database} {made}")
        [engine] = by_somebody_else(url, "SELECT @@global.default_storage_engine")
        by_somebody_else(url, "SET GLOBAL default_storage_engine = Aria")
        try:
            migrated(url)
        finally:
            by_somebody_else(url, f"SET GLOBAL default_storage_engine = {engine}")
        by_hand(url, "CREATE TABLE cart (id INTEGER PRIMARY KEY, name VARCHAR(20))")
        assert _collations(url, "cart") != {"utf8mb4_nopad_bin"}
        for table in metadata.tables:
            assert _collations(url, table) == {"utf8mb4_nopad_bin"}
            assert by_somebody_else(
                url, f"SELECT engine FROM information_schema.tables WHERE table_name = '{table}' AND {_HERE}"
            ) == ["InnoDB"]
        with opened(url) as database:
            user = Steps(sql_store(database)).users.add(new_user(user_name="𠮷 É "))
            assert sql_store(database).users.by_id(user.id) == user


class TestPostgreSql:
    def test_tables_are_made_in_the_schema_that_is_set(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        url = postgresql.new_database()
        by_hand(url, "CREATE SCHEMA app", f"ALTER DATABASE {make_url(url).database} SET search_path = app, public")
        assert told(url, tmp_path, "migrate").code == 0
        assert {name.partition(".")[0] for name in contents(url) if "." in name} == {"app", "rows of app"}
        with opened(url) as database:
            assert differences(database) == []
            user = Steps(sql_store(database)).users.add(new_user())
            assert sql_store(database).users.by_id(user.id) == user

    def test_a_schema_that_stands_in_the_url_is_heard(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        first = postgresql.new_database()
        by_hand(first, "CREATE SCHEMA app")
        url = make_url(first).update_query_dict({"options": "-c search_path=app"}).render_as_string(hide_password=False)
        assert told(url, tmp_path, "migrate").code == 0
        assert {name.partition(".")[0] for name in contents(first) if "." in name} == {"app", "rows of app"}
        assert told(url, tmp_path, "user", "find").code == 0
        assert told(first, tmp_path, "user", "find").code == 2

    def test_a_schema_that_is_not_there_is_told(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        url = postgresql.new_database()
        by_hand(url, f"ALTER DATABASE {make_url(url).database} SET search_path = nowhere")
        found = told(url, tmp_path, "migrate")
        assert (found.code, found.out) == (1, "")
        assert "no schema" in only_line(found.err)

    def test_a_role_that_may_not_make_tables_is_told(self, postgresql: DatabaseServer, tmp_path: Path) -> None:
        url = postgresql.new_database()
        guest = f"guest_of_{make_url(url).database}"
        by_hand(url, f"CREATE ROLE {guest} LOGIN")
        as_guest = make_url(url).set(username=guest).render_as_string(hide_password=False)
        found = told(as_guest, tmp_path, "migrate")
        assert (found.code, found.out) == (1, "")
        assert "permission denied" in only_line(found.err)
        assert told(as_guest, tmp_path, "migrate", "--check").code == 1
        by_hand(url, f"DROP ROLE {guest}")


_HERE = "table_schema = DATABASE()"


def _collations(url: str, table: str) -> set[object]:
    """How the text in each column of *table* is compared, and in a new one."""
    found = by_somebody_else(
        url,
        "SELECT GROUP_CONCAT(DISTINCT collation) FROM (SELECT collation_name AS collation FROM"
        f" information_schema.columns WHERE table_name = '{table}' AND {_HERE} AND collation_name IS NOT NULL"
        " UNION SELECT table_collation FROM information_schema.tables"
        f" WHERE table_name = '{table}' AND {_HERE}) AS collations",
    )
    return {*str(found[0]).split(",")}
