"""A store from another package: found by its entry point, tested with the contract; and what docs/stores.md shows."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, make_url

from menshen.adapters.sql.products import product
from menshen.entrypoints.cli.main import main

from .databases import DatabaseServer
from .servers import Server, clean_environment, only_line

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "own_store"
PAGE = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
PHONE = "13800138000"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the example, installed by pip."""
    source, target = tmp_path_factory.mktemp("source") / "own_store", tmp_path_factory.mktemp("installed")
    # Building leaves things behind.
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation"]
    _run("pip", "install", *options, "--target", str(target), str(source))
    return target


def _run(module: str, *arguments: str, **variables: str) -> str:
    """What a Python program prints that must succeed."""
    done = subprocess.run(
        [sys.executable, *([module] if module.endswith(".py") else ["-m", module]), *arguments],
        capture_output=True,
        text=True,
        env=clean_environment({"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **variables}),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def _serving(folder: Path, **settings: str) -> Iterator[Server]:
    server = Server(folder, settings)
    try:
        server.start()
        yield server
    finally:
        server.stop()


class TestTheExample:
    def test_it_keeps_the_contract(self, installed: Path, tmp_path: Path) -> None:
        shutil.copy(EXAMPLE / "test_journal_store.py", tmp_path)
        out = _run("pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, str(tmp_path), PYTHONPATH=str(installed))
        found = re.search(r"^(\d+) passed in", out, re.MULTILINE)
        assert found is not None, out
        assert int(found[1]) > 300

    def test_menshen_serves_from_it(
        self, installed: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.syspath_prepend(installed)
        settings = {
            "PYTHONPATH": str(installed),
            "MENSHEN_DATABASE_URL": f"journal://{folder}/accounts",
            "MENSHEN_REQUIRE_DURABLE": "true",
        }
        with _serving(folder, **settings) as server:
            assert f"accounts are in journal://{folder}/accounts" in server.out
            with server.client() as client:
                first = client.register(PHONE).token
                second = client.login(PHONE).token
                assert client.user_info(second).json["data"]["phone"] == PHONE
                assert client.logout(first).status == 200
                assert client.register(PHONE).status == 403
            assert main(["user", "show", PHONE], server.environment) == 1
            assert "another process uses" in only_line(capsys.readouterr().err)
            # Once as a supervisor does it, once as nobody should.
            for end in (server.stop, server.kill):
                end()
                server.start()
                with server.client() as client:
                    assert client.user_info(second).json["data"]["phone"] == PHONE
                    assert client.user_info(first).reason == "session_logged_out"
                    assert client.login(PHONE).status == 200
                    assert client.register(PHONE).status == 403

    def test_it_has_no_tables_to_migrate(
        self, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.syspath_prepend(installed)
        code, line = _refused(["migrate"], f"journal://{tmp_path}/accounts", capsys, tmp_path)
        assert (code, line) == (2, "menshen: MENSHEN_DATABASE_URL: this store has no tables to migrate")
        assert not (tmp_path / "accounts").exists()


def _refused(arguments: Sequence[str], url: str, capsys: pytest.CaptureFixture[str], data_dir: Path) -> tuple[int, str]:
    code = main(arguments, {"MENSHEN_DATABASE_URL": url, "MENSHEN_DATA_DIR": str(data_dir / "data")})
    written = capsys.readouterr()
    assert written.out == ""
    return code, only_line(written.err)


class TestOpeners:
    """What is wrong with a store's package is told in one line."""

    @pytest.fixture
    def packages(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A package that offers stores, of which none can be opened."""
        names = ("value", "driver", "down", "missing")
        offers = "\n".join(f"{name} = openers_that_fail:open_{name}" for name in names)
        about = tmp_path / "failing_stores-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: failing-stores\nVersion: 1.0\n", encoding="utf-8")
        (about / "entry_points.txt").write_text(
            f"[menshen.stores]\n{offers}\nghost = a_module_that_is_not_there:open_store\n", encoding="utf-8"
        )
        (tmp_path / "openers_that_fail.py").write_text(
            "from menshen.domain.errors import StoreUnavailable\n"
            "def open_value(url, connections):\n    raise ValueError('it must name a shelf')\n"
            "def open_driver(url, connections):\n    import a_driver_that_is_not_there\n"
            "def open_down(url, connections):\n    raise StoreUnavailable(f'{url} does not answer {connections} calls')\n",
            encoding="utf-8",
        )
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    @pytest.mark.parametrize("command", [["user", "find"], ["serve"]], ids=lambda command: command[0])
    @pytest.mark.parametrize(
        ("scheme", "code", "text"),
        [
            ("value", 2, "MENSHEN_DATABASE_URL: it must name a shelf"),
            ("driver", 2, "MENSHEN_DATABASE_URL: No module named 'a_driver_that_is_not_there'"),
            ("ghost", 2, "MENSHEN_DATABASE_URL: No module named 'a_module_that_is_not_there'"),
            ("missing", 2, "MENSHEN_DATABASE_URL: module 'openers_that_fail' has no attribute 'open_missing'"),
            ("down", 1, "down://shelf does not answer 10 calls"),
        ],
    )
    def test_one_that_fails_says_why(
        self,
        packages: Path,
        capsys: pytest.CaptureFixture[str],
        command: list[str],
        scheme: str,
        code: int,
        text: str,
    ) -> None:
        assert _refused(command, f"{scheme}://shelf", capsys, packages) == (code, f"menshen: {text}")
        assert not (packages / "data").exists()

    @pytest.mark.parametrize("url", ["shelf://x", "journal", "JOURNAL:///x", "://", "postgres://x"])
    def test_a_scheme_that_nobody_offers_is_refused_with_those_that_there_are(
        self, packages: Path, capsys: pytest.CaptureFixture[str], url: str
    ) -> None:
        code, line = _refused(["user", "find"], url, capsys, packages)
        assert code == 2
        known = "down, driver, ghost, mariadb, memory, missing, mysql, postgresql, sqlite, value"
        assert line == f"menshen: MENSHEN_DATABASE_URL: it must begin with one of {known}, and ://"


def test_the_suite_finds_every_fault_and_calls_every_method() -> None:
    program = Path(__file__).with_name("broken_stores.py")
    told = json.loads(_run(str(program)))
    faults = set(re.findall(r"^class (Test\w+)\(", program.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(faults) > 10
    assert set(told["found"]) == faults - {"TestNoFault"}, told["found"]
    assert told["called"] == told["methods"]
    assert len(told["called"]) > 28


def _blocks(language: str, heading: str) -> list[str]:
    """The blocks in one language under a heading of the page."""
    [part] = re.findall(rf"^##+ {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


class TestThePage:
    """docs/stores.md"""

    def test_it_quotes_the_example(self) -> None:
        module, tests = _blocks("python", "A store of your own")
        assert module == (EXAMPLE / "journal_store.py").read_text(encoding="utf-8")
        assert tests in (EXAMPLE / "test_journal_store.py").read_text(encoding="utf-8")
        [project] = _blocks("toml", "A store of your own")
        assert project in (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
        assert len(module.splitlines()) <= 110

    def test_it_tells_the_time_limits_that_there_are(self) -> None:
        text = " ".join(PAGE.split())
        for limit in (
            f"Making a connection may take {product.CONNECT_SECONDS:g} seconds",
            f"waiting for a free one {product.POOL_SECONDS:g},",
            f"waiting for a lock {product.WAIT_SECONDS:g},",
            f"a statement {product.STATEMENT_SECONDS:g};",
            f"no answer is waited for longer than {product.ANSWER_SECONDS:g}.",
        ):
            assert limit in text

    def test_its_steps_for_postgresql_lead_to_a_service(self, postgresql: DatabaseServer, folder: Path) -> None:
        as_administrator, in_the_new_database = _blocks("sql", "PostgreSQL")
        _execute(postgresql.url, as_administrator)
        _execute(postgresql.url.set(database="accounts"), in_the_new_database)
        [url] = _migrated_as_shown("PostgreSQL", postgresql, folder)
        _serve_and_log_in(url.set(username="accounts_service"), folder)

    def test_its_steps_for_mariadb_lead_to_a_service(self, mariadb: DatabaseServer, folder: Path) -> None:
        [as_administrator] = _blocks("sql", "MariaDB")
        # The user of the tests may do all but give leave to others.
        _execute(mariadb.url.set(username="root", password=""), as_administrator)
        _, url = _migrated_as_shown("MariaDB", mariadb, folder)
        assert url.username == "accounts_service"
        _serve_and_log_in(url, folder)


def _execute(url: URL, statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements.strip().removesuffix(";").split(";\n"):
            # MariaDB's % for any host is PyMySQL's too.
            connection.exec_driver_sql(statement)
    engine.dispose()


def _migrated_as_shown(heading: str, server: DatabaseServer, folder: Path) -> list[URL]:
    """Do what the page does in a shell, up to ``menshen serve``. Returns the URLs that it sets, in their order."""
    [block] = _blocks("sh", heading)
    urls: list[URL] = []
    commands = []
    for line in block.splitlines():
        if exported := re.fullmatch(r"export MENSHEN_DATABASE_URL='(.+)'", line):
            urls.append(make_url(exported[1].replace("db.example.com", f"127.0.0.1:{server.url.port}")))
        else:
            commands.append(line)
    assert commands == ["menshen migrate", "menshen serve"]
    environ = {
        "MENSHEN_DATABASE_URL": urls[0].render_as_string(hide_password=False),
        "MENSHEN_DATA_DIR": str(folder / "data"),
    }
    flags: list[list[str]] = [["--sql"], ["--check"], [], ["--check"]]
    assert [main(["migrate", *each], environ) for each in flags] == [0, 1, 0, 0]
    return urls


def _serve_and_log_in(url: URL, folder: Path) -> None:
    with _serving(folder, MENSHEN_DATABASE_URL=url.render_as_string(hide_password=False)) as server:
        assert "PASSWORD" not in server.out + server.log
        with server.client() as client:
            client.register(PHONE)
            answer = client.login(PHONE)
            assert client.refresh(answer.refresh_token).status == 200
            assert client.user_info(answer.token).json["data"]["phone"] == PHONE
            assert client.request("PATCH", "/api/user/profile", {"user_name": "张三"}, token=answer.token).status == 200
            assert client.logout(answer.token).status == 200
        # The statements that requests do not come to.
        assert main(["prune"], server.environment) == 0
