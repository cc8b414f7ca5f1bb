"""The tables come into being once, whole, and exactly as ``tables.py`` says, on each database."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from attrs import evolve
from sqlalchemy import Column, Integer, MetaData, insert, make_url

from menshen.adapters.conformance.sessions import START
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.sql import migrating, schema
from menshen.adapters.sql.changes import are_watched
from menshen.adapters.sql.database import Database, open_database
from menshen.adapters.sql.migrating import differences
from menshen.adapters.sql.schema import VERSIONS
from menshen.adapters.sql.tables import metadata
from menshen.domain.sessions import SessionId
from menshen.entrypoints.databases import Migrations
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .migrators import Migrators, Task, by_client, by_hand, contents, migrators, told
from .servers import free_port, only_line
from .stores import migrated, opened

BEHIND = "run `menshen migrate`"

COMMANDS: Sequence[Sequence[str]] = [
    ("serve",),
    ("user", "show", "1"),
    ("user", "find"),
    ("user", "freeze", "1", "--reason", "spam"),
    ("session", "list", "1"),
    ("token", "explain"),
    ("audit",),
    ("prune",),
]


@pytest.fixture(scope="module")
def processes() -> Iterator[Migrators]:
    with migrators() as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database; on SQLite there is not even a file."""
    return _new_database(request, tmp_path)


@pytest.fixture(params=["postgresql", "mariadb"])
def empty_on_server(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _new_database(request, tmp_path)


class TestTheCommand:
    def test_it_makes_the_tables_and_tells_what_there_is_to_do(self, empty: str, tmp_path: Path) -> None:
        before = contents(empty)
        check = told(empty, tmp_path, "migrate", "--check")
        assert (check.code, check.out) == (1, "")
        assert BEHIND in only_line(check.err)
        assert contents(empty) == before
        migrate = told(empty, tmp_path, "migrate")
        assert (migrate.code, migrate.out) == (0, "the database has been migrated\n")
        assert [line for line in migrate.err.splitlines() if "made the database" not in line] == []
        made = contents(empty)
        for arguments in (("migrate", "--check"), ("migrate",)):
            again = told(empty, tmp_path, *arguments)
            assert (again.code, again.out, again.err) == (0, "the database is up to date\n", "")
        assert told(empty, tmp_path, "migrate", "--sql").out == ""
        assert contents(empty) == made

    def test_it_does_not_claim_what_another_has_just_done(
        self, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def done_by_another(_migrations: Migrations) -> bool:
            migrated(empty)
            return True

        monkeypatch.setattr(Migrations, "are_due", done_by_another)
        late = told(empty, tmp_path, "migrate")
        assert (late.code, late.out, late.err) == (0, "the database is up to date\n", "")

    def test_the_sql_that_it_shows_makes_the_same_by_hand(self, empty: str, tmp_path: Path) -> None:
        before = contents(empty)
        shown = told(empty, tmp_path, "migrate", "--sql")
        assert (shown.code, shown.err) == (0, "")
        assert contents(empty) == before
        by_client(empty, shown.out)
        made = contents(empty)
        assert len(made["triggers"]) == 4
        with _plainly_opened(empty) as database, database.reading() as connection:
            assert are_watched(connection)
        assert told(empty, tmp_path, "migrate", "--check").code == 0
        assert "rows of x_user" in made or "rows of public.x_user" in made
        by_hand(empty, *_DROP_ALL)
        migrated(empty)
        assert contents(empty) == made

    def test_check_and_sql_exclude_each_other(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit) as ended:
            told("memory://", tmp_path, "migrate", "--check", "--sql")
        assert ended.value.code == 2

    def test_a_store_without_tables_says_so(self, tmp_path: Path) -> None:
        found = told("memory://", tmp_path, "migrate")
        assert (found.code, found.out) == (2, "")
        assert "MENSHEN_DATABASE_URL" in only_line(found.err)


class TestMetadataAndMigrations:
    def test_they_make_the_same(self, empty: str) -> None:
        with opened(empty, connections=1) as database:
            assert differences(database) == []
        by_migrations = contents(empty)
        by_hand(empty, *_DROP_ALL)
        with _plainly_opened(empty) as database, database.writing() as connection:
            metadata.create_all(connection)
        by_metadata = contents(empty)
        # The metadata know no triggers.
        assert (len(by_migrations.pop("triggers")), by_metadata.get("triggers")) == (4, None)
        assert set(by_migrations) - set(by_metadata) <= {
            *("menshen_version", "public.menshen_version"),
            *("rows of menshen_version", "rows of public.menshen_version"),
            "sqlite_autoindex_menshen_version_1",
        }
        for name, found in by_metadata.items():
            # Beside the tables PostgreSQL lists what belongs to the version's.
            ours = [each for each in by_migrations[name] if "menshen_version" not in each]
            assert (ours if isinstance(found, list) else by_migrations[name]) == found, name

    def test_a_difference_is_found(self, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with opened(empty, connections=1) as database:
            by_hand(empty, f"DROP INDEX ix_x_audit_at {'ON x_audit' if 'mysql' in empty else ''}")
            assert _told_of(database) == {"add_index ix_x_audit_at"}
            by_hand(empty, "ALTER TABLE x_user ADD COLUMN shoe_size INTEGER")
            assert _told_of(database) == {"add_index ix_x_audit_at", "remove_column shoe_size"}
            more = MetaData()
            for table in metadata.sorted_tables:
                table.to_metadata(more)
            more.tables["x_session"].append_column(Column("colour", Integer))
            monkeypatch.setattr(migrating, "metadata", more)
            assert "add_column colour" in _told_of(database)

    def test_the_versions_are_the_history_of_the_folder(self) -> None:
        scripts = ScriptDirectory(str(Path(migrating.__file__).with_name("migrations")))
        history = list(scripts.walk_revisions())
        assert tuple(step.revision for step in reversed(history)) == VERSIONS
        assert [step.down_revision for step in reversed(history)] == [None, *VERSIONS[:-1]]
        for step in history:
            assert Path(step.path).name.startswith(f"{step.revision}_")


class TestFromAnOlderVersion:
    def test_sessions_and_programs_that_write_them_as_before_continue(
        self, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as then:
            then.setattr(migrating, "VERSIONS", VERSIONS[:1])
            then.setattr(schema, "VERSIONS", VERSIONS[:1])
            migrated(empty)
        row = {
            **dict.fromkeys(("kind", "device_type"), ""),
            **dict.fromkeys(("started_at", "last_seen_at", "expires_at", "over_at"), START + timedelta(days=1)),
            **dict.fromkeys(("refresh_rotated_at", "refresh_expires_at"), START),
            "kind": "user",
            "device_type": "phone",
            "user_id": 1,
            "idle_seconds": 60,
            "refresh_digest": bytes(32),
            "refresh_rotations": 3,
        }
        by_hand(empty, "INSERT INTO x_user (id, is_account, is_admin) VALUES (1, true, false)")
        with _plainly_opened(empty) as database, database.writing() as connection:
            connection.execute(insert(metadata.tables["x_session"]), {"id": "before", **row})
        assert told(empty, tmp_path, "migrate").code == 0
        with _plainly_opened(empty) as database:
            with database.writing() as connection:
                connection.execute(insert(metadata.tables["x_session"]), {"id": "meanwhile", **row})
            store = sql_store(database)
            for name in ("before", "meanwhile"):
                session = store.sessions.by_id(SessionId(name))
                assert session is not None
                assert (session.refreshing.rotations, session.refreshing.recent) == (3, ())
                new = evolve(session.refreshing, digest=b"\x01" * 32, recent=(START,))
                assert Steps(store).sessions.rotate(session.id, old=bytes(32), new=new)
                again = store.sessions.by_id(session.id)
                assert again is not None
                assert again.refreshing == new


class TestWhoMigrates:
    def test_serve_does_so_for_an_embedded_database(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("menshen.entrypoints.server.run", lambda *_, **__: None)
        url = f"sqlite:///{tmp_path}/accounts.sqlite3"
        assert told(url, tmp_path, "serve", PORT=str(free_port())).code == 0
        assert told(url, tmp_path, "migrate", "--check").code == 0

    def test_nobody_does_so_on_a_server_unasked(self, empty_on_server: str, tmp_path: Path) -> None:
        migrated(empty_on_server)
        by_hand(empty_on_server, "DELETE FROM menshen_version")
        interrupted = contents(empty_on_server)
        assert BEHIND in _refused_everywhere(empty_on_server, tmp_path)
        assert contents(empty_on_server) == interrupted
        by_hand(empty_on_server, *_DROP_ALL)
        nothing = contents(empty_on_server)
        assert BEHIND in _refused_everywhere(empty_on_server, tmp_path)
        assert contents(empty_on_server) == nothing
        assert list(tmp_path.iterdir()) == []

    def test_an_older_version_is_behind(
        self, empty_on_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        migrated(empty_on_server)
        monkeypatch.setattr(schema, "VERSIONS", (*VERSIONS, "9000"))
        assert BEHIND in _refused_everywhere(empty_on_server, tmp_path)
        assert told(empty_on_server, tmp_path, "migrate", "--check").code == 1

    @pytest.mark.parametrize("nodes", [2, 8])
    def test_several_at_once_do_it_once(self, processes: Migrators, empty: str, nodes: int) -> None:
        done = processes.migrate([Task(empty)] * nodes)
        assert [each.error for each in done] == [None] * nodes
        assert sum(each.has_migrated is True for each in done) == 1
        assert sum(each.statements for each in done) == _STEPS
        with _plainly_opened(empty) as database:
            assert differences(database) == []


class TestKilledInTheMiddle:
    """Right before the first statement, and right after each one, which is right before the next."""

    @pytest.mark.parametrize("product", ["sqlite", "postgresql"])
    def test_nothing_is_left_where_the_database_can_undo_it(
        self, processes: Migrators, request: pytest.FixtureRequest, tmp_path: Path, product: str
    ) -> None:
        url = _new_database(request, tmp_path, product)
        before = contents(url)
        for task in _killed([url] * (_STEPS + 1)):
            [done] = processes.migrate([task])
            assert done.code == -signal.SIGKILL
            assert contents(url) == before
        [done] = processes.migrate([Task(url)])
        assert (done.error, done.has_migrated, done.statements) == (None, True, _STEPS)
        with _plainly_opened(url) as database:
            assert differences(database) == []

    def test_the_rerun_goes_on_where_it_cannot(self, processes: Migrators, mariadb: DatabaseServer) -> None:
        urls = [mariadb.new_database() for _ in range(_STEPS + 1)]
        assert [done.code for done in processes.migrate(_killed(urls))] == [-signal.SIGKILL] * len(urls)
        # Each was behind, or there would have been nothing to do.
        reruns = processes.migrate([Task(url) for url in urls])
        assert [(done.error, done.has_migrated) for done in reruns] == [(None, True)] * len(urls)
        # But for the version's row, which a transaction keeps, what has been done stays done.
        assert [done.statements for done in reruns] == [_STEPS - n + (n in _ROWS) for n in range(_STEPS + 1)]
        everywhere = [contents(url) for url in urls]
        assert everywhere == [everywhere[0]] * len(urls)
        with _plainly_opened(urls[-1]) as database:
            assert differences(database) == []


def _killed(urls: Sequence[str]) -> list[Task]:
    """One that dies before its first statement, one after its first, and so on."""
    first, *others = urls
    return [Task(first, dies_before=1), *(Task(url, dies_after=n) for n, url in enumerate(others, start=1))]


_LATER = (1, 5, 1, 1, 5)
"""How many changes each later version makes, a table or a column or an index or a trigger each; the last of 0003 is an
index."""

# The version's table, three of ours with two indexes each, and the version's row; then, for each later version, its
# changes and the row.
_FIRST = 1 + 3 + 3 * 2 + 1
_ROWS = tuple(accumulate((_FIRST, *(changes + 1 for changes in _LATER))))
_STEPS = _ROWS[-1]

_DROP_ALL = [
    *(f"DROP TABLE {table.name}" for table in reversed(metadata.sorted_tables)),
    "DROP TABLE menshen_version",
]


def _new_database(request: pytest.FixtureRequest, folder: Path, engine: str | None = None) -> str:
    engine = engine or request.param
    if engine == "sqlite":
        folder.mkdir(exist_ok=True)
        return f"sqlite:///{folder}/accounts.sqlite3"
    url: str = request.getfixturevalue(engine).new_database()
    return url


@contextmanager
def _plainly_opened(url: str) -> Iterator[Database]:
    """The database at *url* as it is."""
    database = open_database(url, connections=1)
    try:
        yield database
    finally:
        database.close()


def _told_of(database: Database) -> set[str]:
    """What *differences* says: of each what is to be done, and with what."""
    found: list[Any] = list(differences(database))
    return {f"{each[0]} {each[-1].name}" for each in found}


def _refused_everywhere(url: str, folder: Path) -> str:
    """The one line with which every command refuses this database."""
    lines = set()
    for arguments in COMMANDS:
        found = told(url, folder, *arguments, PORT=str(free_port()))
        assert (found.code, found.out) == (2, ""), (arguments, found)
        lines.add(only_line(found.err))
        assert str(make_url(url).database) not in found.err
    [line] = lines
    assert "MENSHEN_DATABASE_URL" in line
    return line
