"""The wheel, in a separate environment, beside other packages called ``domain`` and ``adapters``."""

import json
import subprocess
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from attrs import frozen

from .databases import DatabaseServer
from .servers import clean_environment, menshen, only_line, serving
from .wheels import PARTS, ROOT, copied_source, pip

VERSIONS = ROOT / "adapters" / "sql" / "migrations" / "versions"


@frozen
class Installed:
    """An environment with the wheel."""

    python: Path
    command: tuple[str, ...]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = copied_source(tmp_path_factory.mktemp("source") / "menshen")
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(out), str(source))
    [built] = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip("install", str(wheel), python=python)
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
            env=clean_environment({}),
        ).stdout.strip()
    )
    # The dependencies come from the environment of the tests, so that no network is needed. Its own .pth files are not
    # read from there: menshen is what was installed.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    for name in PARTS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f"whose = {'somebody else: ' + name!r}\n")
    return Installed(python, (str(home / "bin" / "menshen"),))


def test_the_wheel_contains_menshen_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert "menshen" in tops
    assert {top for top in tops if not top.endswith(".dist-info")} == {"menshen"}
    assert len(tops) == 2
    assert {"menshen/py.typed", "menshen/adapters/common_passwords.txt", "menshen/__init__.py"} <= set(names)
    migrations = {f"menshen/adapters/sql/migrations/versions/{path.name}" for path in VERSIONS.glob("0*.py")}
    assert migrations
    assert {"menshen/adapters/sql/migrations/env.py", *migrations} <= set(names)
    assert not [name for name in names if "/tests/" in name or "/benchmarks/" in name]
    inside = {name.removeprefix("menshen/") for name in names if name.endswith(".py")}
    assert inside == {
        *(str(path.relative_to(ROOT)) for part in PARTS for path in (ROOT / part).rglob("*.py")),
        "__init__.py",
        "client.py",
    }


def test_somebodys_own_packages_of_the_same_names_stay_theirs(installed: Installed, tmp_path: Path) -> None:
    script = (
        "import domain, adapters, entrypoints, menshen.domain, menshen.adapters, menshen.entrypoints.wiring;"
        "print(domain.whose, adapters.whose, entrypoints.whose, menshen.__file__, sep='|')"
    )
    done = subprocess.run(
        [installed.python, "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=clean_environment({}),
        check=True,
    )
    *others, ours = done.stdout.strip().split("|")
    assert others == [f"somebody else: {name}" for name in PARTS]
    assert Path(ours).is_relative_to(installed.python.parents[1])


def test_the_settings_are_shown(installed: Installed, tmp_path: Path) -> None:
    done = menshen("settings", "--json", folder=tmp_path, command=installed.command)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["MENSHEN_PORT"] == "8000"


def test_it_migrates(installed: Installed, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/accounts.sqlite3"
    check = menshen("migrate", "--check", folder=tmp_path, command=installed.command, DATABASE_URL=url)
    assert (check.returncode, check.stdout) == (1, "")
    assert "run `menshen migrate`" in only_line(check.stderr)
    assert list(tmp_path.iterdir()) == []
    migrate = menshen("migrate", folder=tmp_path, command=installed.command, DATABASE_URL=url)
    assert (migrate.returncode, migrate.stdout) == (0, "the database has been migrated\n")
    assert only_line(migrate.stderr) == f"menshen: made the database {tmp_path}/accounts.sqlite3"


def test_it_migrates_and_serves_a_server(installed: Installed, postgresql: DatabaseServer, tmp_path: Path) -> None:
    url = postgresql.new_database()
    migrate = menshen("migrate", folder=tmp_path, command=installed.command, DATABASE_URL=url)
    assert (migrate.returncode, migrate.stderr) == (0, "")
    with serving(tmp_path / "server", installed.command, DATABASE_URL=url) as server, server.client() as client:
        assert client.user_info(client.register("13800138000").token).status == 200


def test_it_serves_with_the_strict_policy_and_its_list(installed: Installed, folder: Path) -> None:
    with serving(folder, installed.command, PASSWORD_POLICY="strict") as server, server.client() as client:
        assert client.register("13800138000", "password123").reason == "password_common"
        token = client.register("13800138000", "a horse with a red hat").token
        assert client.user_info(token).json["data"]["phone"] == "13800138000"
