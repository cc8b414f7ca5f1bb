"""The tutorial's own app is moved over as docs/from-the-tutorial.md says: its commands, and its changes, line by line."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from .example_apps import PROGRAMS, environment_of, running
from .servers import Client
from .wheels import ROOT, unpacked_wheel

PAGE = (ROOT / "docs" / "from-the-tutorial.md").read_text(encoding="utf-8")
APP = Path(__file__).with_name("tutorial_app")
USERS = 50
KEYS = {
    *("id", "mid", "phone", "user_name", "openid", "registration_time", "account_balance", "state", "fee_percentage")
}
GUARDED = "/api/orders"
NEWS = "/api/news"


def blocks(language: str) -> list[str]:
    """The blocks of the page, without the indentation that those in a list have."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def commands(begin: str) -> list[str]:
    """Those of the page that begin so."""
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(begin)]


def phone_of(number: int) -> str:
    return f"138001380{number:02}"


def password_of(number: int) -> str:
    return f"old password {number}"


def move_over(app: Path) -> None:
    """Change the app as each diff of the page says; what it begins with must be there, once."""
    text = app.read_text(encoding="utf-8")
    for diff in blocks("diff"):
        lines = diff.splitlines()
        assert all(line[:1] in {" ", "-", "+", ""} for line in lines), diff
        before, after = ("".join(f"{line[1:]}\n" for line in lines if line[:1] != sign) for sign in "+-")
        assert text.count(before) == 1, f"once in app.py:\n{before}"
        text = text.replace(before, after)
    app.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the command ``menshen`` as pip would put it on the path."""
    site = unpacked_wheel(tmp_path_factory.mktemp("installed"))
    command = site / "bin" / "menshen"
    _, _, rest = command.read_text().partition("\n")
    command.write_text(f"#!{PROGRAMS / 'python'}\n{rest}")
    return site


@pytest.fixture
def shop(tmp_path: Path, site: Path) -> Path:
    """The app as after the tutorial, with its users."""
    folder = tmp_path / "shop"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([PROGRAMS / "python", "fill.py"], cwd=folder, env=environment_of(site, {}), check=True, timeout=120)
    return folder


def settings_on_the_page(folder: Path) -> dict[str, str]:
    found = dict(line.removeprefix("export ").split("=", 1) for line in commands("export "))
    assert set(found) == {"MENSHEN_DATABASE_URL", "MENSHEN_TIME_ZONE"}
    return {**found, "MENSHEN_DATA_DIR": str(folder / "menshen-data")}


def run_on_the_page(command: str, folder: Path, site: Path, settings: Mapping[str, str]) -> str:
    environment = environment_of(site, settings)
    environment["PATH"] = f"{site / 'bin'}:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def server_on_the_page() -> tuple[str, ...]:
    (line,) = commands("gunicorn")
    program, *rest = line.split()
    return (program, "--bind", "127.0.0.1:{port}", *rest)


def orders_of(client: Client, number: int, token: str) -> None:
    found = client.request("GET", GUARDED, token=token)
    assert found.status == 200, found.body
    assert found.json["data"] == {"orders_of": phone_of(number), "orders": [f"tea no. {number}"]}


def test_at_most_ten_lines_change() -> None:
    changed = [line for diff in blocks("diff") for line in diff.splitlines() if line[:1] in {"-", "+"}]
    assert 0 < len(changed) <= 10
    assert len(changed) == 7
    assert "seven lines of `app.py` change" in PAGE


def test_the_app_of_the_tutorial_is_moved_over_as_the_page_says(shop: Path, site: Path) -> None:
    server = server_on_the_page()
    with running(server, shop, site, {}, NEWS) as port, Client(port) as client:
        old_token = client.login(phone_of(7), password_of(7)).token
        orders_of(client, 7, old_token)
        before = client.user_info(old_token).json["data"]

    settings = settings_on_the_page(shop)
    look, adopt = commands("menshen adopt")
    assert "to_be_taken      50" in run_on_the_page(look, shop, site, settings)
    assert "50 rows were taken" in run_on_the_page(adopt, shop, site, settings)
    move_over(shop / "app.py")
    # As the page says of what is not needed any more.
    for name in ("user.py", "decorators.py"):
        (shop / name).unlink()

    with running(server, shop, site, settings, NEWS) as port, Client(port) as client:
        assert client.request("GET", NEWS).json["data"] == {"news": "open to everybody"}
        refused = client.request("GET", GUARDED)
        assert (refused.status, refused.json["msg"], refused.reason) == (401, "token不存在", "token_missing")
        assert client.request("GET", GUARDED, token=old_token).status == 401

        for number in (1, 7, USERS):
            token = client.login(phone_of(number), password_of(number)).token
            orders_of(client, number, token)
            own = client.request("GET", f"{GUARDED}/{number}", token=token)
            assert own.json["data"] == {"what": f"tea no. {number}"}
            assert client.request("GET", f"{GUARDED}/{number + 1}", token=token).json["code"] == 404
            found = client.user_info(token).json["data"]
            assert set(found) == KEYS
            assert number != 7 or found == before
        assert client.login(phone_of(1), "wrong").json["msg"] == "用户账号或密码错误"
        token = client.register("13900139000").token
        assert client.request("GET", GUARDED, token=token).json["data"] == {"orders_of": "13900139000", "orders": []}

        token = client.login(phone_of(1), password_of(1)).token
        orders_of(client, 1, token)
        (kick,) = commands("menshen session kick")
        run_on_the_page(kick, shop, site, settings)
        # gunicorn closes a connection that is idle for two seconds, and the command may take that long.
        client.close()
        kicked = client.request("GET", GUARDED, token=token)
        assert (kicked.status, kicked.json["msg"], kicked.reason) == (401, "token过期", "session_kicked")


def test_an_app_without_accounts_does_not_start(shop: Path, site: Path) -> None:
    move_over(shop / "app.py")
    app = shop / "app.py"
    app.write_text(re.sub(r"^accounts.*\n", "", app.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(
        [PROGRAMS / "python", "-c", "import app"],
        cwd=shop,
        env=environment_of(site, {}),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "GuardMissing: there are no accounts yet" in done.stderr
