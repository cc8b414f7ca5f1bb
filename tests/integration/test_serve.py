"""``menshen serve`` and the other commands, as real processes."""

import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from .servers import (
    PASSWORD,
    Client,
    Server,
    assert_envelope,
    clean_environment,
    free_port,
    menshen,
    only_line,
    serving,
)

PHONE = "13800138000"


class TestTheJourney:
    def test_register_log_in_look_and_log_out(self, client: Client) -> None:
        registered = client.register(PHONE, user_name="张三")
        assert_envelope(registered)
        assert registered.json["msg"] == "注册成功"
        info = client.user_info(registered.token)
        assert_envelope(info)
        assert info.json["msg"] == "获取信息成功"
        data = info.json["data"]
        assert data.keys() == {
            *("id", "mid", "phone", "user_name", "openid", "registration_time", "account_balance", "state"),
            "fee_percentage",
        }
        assert (data["phone"], data["user_name"], data["state"], data["mid"]) == (PHONE, "张三", "正常", None)
        assert b'"account_balance":0.0000' in info.body
        assert registered.json["data"].keys() == {"token_type", "expires_in", "session_id", "refresh_token"}
        assert (registered.json["data"]["token_type"], registered.json["data"]["expires_in"]) == ("Bearer", 7 * 86400)
        logged_in = client.login("+86 138-0013-8000")
        assert logged_in.json["data"].keys() == registered.json["data"].keys()
        assert logged_in.json["msg"] == "登陆成功"
        assert client.logout(registered.token).status == 200
        refused = client.user_info(registered.token)
        assert_envelope(refused)
        assert (refused.status, refused.reason) == (401, "session_logged_out")
        assert "Bearer" in refused.headers["www-authenticate"]
        bearer = client.request("GET", "/api/user/user_info", headers={"Authorization": f"Bearer {logged_in.token}"})
        assert bearer.json["data"] == data

    def test_english_is_spoken_to_those_who_ask_for_it(self, client: Client) -> None:
        answer = client.request("GET", "/api/user/user_info", headers={"Accept-Language": "en"})
        assert answer.json["msg"] == "There is no token."

    def test_a_referrer_is_kept(self, client: Client) -> None:
        first = client.user_info(client.register("13900139001").token).json["data"]["id"]
        second = client.register("13900139002", invited_by=first, mid=77, account_balance=1, state="x", id=9).token
        data = client.user_info(second).json["data"]
        assert (data["mid"], data["account_balance"], data["state"]) == (first, 0, "正常")

    def test_whether_it_lives_and_whether_it_is_ready(self, client: Client) -> None:
        assert client.request("GET", "/healthz").json == {"status": "alive"}
        assert client.request("GET", "/readyz").json == {"status": "ready"}

    def test_it_tells_where_it_listens_where_the_data_is_and_what_to_try(self, server: Server) -> None:
        assert server.url in server.out
        assert str(server.database) in server.out
        assert server.out.count("curl ") == 2

    def test_no_password_and_no_token_is_in_the_log(self, server: Server, client: Client) -> None:
        token = client.register("13900139003", "a password to look for").token
        client.login("13900139003", "a wrong password to look for")
        client.logout(token)
        assert "13900139003" not in server.out
        for secret in ("to look for", token, token.split(".")[2]):
            assert secret not in server.log + server.out


class TestTheSecret:
    def test_it_is_made_once_told_once_and_only_the_owner_reads_it(self, folder: Path) -> None:
        with serving(folder) as server:
            made = server.data_dir / "secret.key"
            secret = made.read_bytes()
            assert stat.S_IMODE(made.stat().st_mode) == 0o600
            assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700
            assert len(secret.strip()) >= 43
            assert server.out.count("made a secret") == 1
            server.stop()
            server.start()
            assert made.read_bytes() == secret
            assert server.out.count("made a secret") == 1
            assert secret.strip().decode() not in server.out + server.log
            assert [path.name for path in server.data_dir.glob("secret*")] == ["secret.key"]


class TestSigkill:
    """That nothing acknowledged is lost is shown in ``tests/faults/f01_service_killed.py``."""

    def test_no_worker_outlives_the_process_that_was_started(self, folder: Path) -> None:
        with serving(folder, WORKERS="2") as server:
            workers = server.workers
            with server.client() as client:
                token = client.register(PHONE).token
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            end = time.monotonic() + 15
            while time.monotonic() < end and any(map(_runs, workers)):
                time.sleep(0.02)
            assert not any(map(_runs, workers))
            server.start()
            with server.client() as client:
                assert client.user_info(token).status == 200


def _runs(pid: int) -> bool:
    """Whether the process is there and has not ended; one that nobody has waited for yet has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# A server that would give its workers a minute before it kills them: one that ends sooner has not had to wait for it,
# however slow the machine is.
PATIENT = (
    sys.executable,
    "-c",
    """
from menshen.entrypoints import server
server.DRAIN_SECONDS = 60
from menshen.entrypoints.cli.main import entry_point
entry_point()
""",
)
SOON = 30


class TestSigterm:
    # Hashes that take a second, so that there is time to stop in the middle of one.
    SLOW = (
        sys.executable,
        "-c",
        """
import time
from menshen.entrypoints import stores
quick = stores.Argon2PasswordHasher

class Slow(quick):
    def verify(self, password, password_hash):
        time.sleep(1)
        return super().verify(password, password_hash)

stores.Argon2PasswordHasher = Slow
from menshen.entrypoints.cli.main import entry_point
entry_point()
""",
    )

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_running_requests_are_answered_and_nobody_new_is_let_in(self, folder: Path, workers: str) -> None:
        with serving(folder, self.SLOW, WORKERS=workers) as server:
            with server.client() as client:
                client.register(PHONE)
            answers: list[int] = []
            caller = threading.Thread(target=_log_in_slowly, args=(server.port, answers))
            caller.start()
            time.sleep(0.4)
            assert not answers, "the login was over before the server was stopped: this test has shown nothing"
            begin = time.monotonic()
            server.terminate()
            _until_refused(server.port)
            assert server.returncode is None, "it waits for the login"
            assert server.wait() == 0
            assert time.monotonic() - begin < 10
            caller.join(30)
            assert answers == [200]
            assert "Traceback" not in server.log

    def test_idle_connections_do_not_hold_it_up(self, folder: Path) -> None:
        with serving(folder, PATIENT, WORKERS="2") as server:
            clients = [server.client() for _ in range(20)]
            for client in clients:
                assert client.request("GET", "/healthz").status == 200
            begin = time.monotonic()
            server.terminate()
            assert server.wait(90) == 0
            assert time.monotonic() - begin < SOON
            for client in clients:
                client.close()

    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize("is_for_all", [False, True], ids=["the main process", "the whole group"])
    def test_it_ends_at_once_while_its_workers_are_still_starting(
        self, folder: Path, stop: signal.Signals, *, is_for_all: bool
    ) -> None:
        for moment in range(5):
            server = Server(folder, {"MENSHEN_WORKERS": "3"}, PATIENT, port=free_port())
            server.spawn()
            try:
                while not server.workers:
                    assert server.returncode is None, server.log
                    time.sleep(0.005)
                time.sleep(moment * 0.08)
                begin = time.monotonic()
                (os.killpg if is_for_all else os.kill)(server.pid, stop)
                assert server.wait(90) == 0, server.log
                assert time.monotonic() - begin < SOON
            finally:
                server.kill()

    def test_workers_that_hear_of_it_before_the_main_process_are_no_failure(self, folder: Path) -> None:
        with serving(folder, WORKERS="2") as server:
            workers = server.workers
            os.kill(server.pid, signal.SIGSTOP)
            os.killpg(server.pid, signal.SIGTERM)
            end = time.monotonic() + 10
            while any(map(_runs, workers)):
                assert time.monotonic() < end
                time.sleep(0.01)
            os.kill(server.pid, signal.SIGCONT)
            assert server.wait() == 0, server.log

    def test_interrupting_it_at_the_terminal_is_as_good(self, folder: Path) -> None:
        with serving(folder) as server:
            os.killpg(server.pid, signal.SIGINT)
            assert server.wait() == 0

    def test_under_load_every_accepted_request_is_answered(self, folder: Path) -> None:
        with serving(folder) as server:
            with server.client() as client:
                token = client.register(PHONE).token
            broken: list[str] = []
            answered = [0] * 4
            threads = [
                threading.Thread(target=_ask_on, args=(server.port, token, answered, number, broken))
                for number in range(4)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            server.terminate()
            assert server.wait() == 0
            for thread in threads:
                thread.join(60)
            assert min(answered) > 0
            assert broken == []


def _log_in_slowly(port: int, answers: list[int]) -> None:
    with Client(port) as client:
        answers.append(client.login(PHONE).status)


def _ask_on(port: int, token: str, answered: list[int], number: int, broken: list[str]) -> None:
    """Ask on fresh connections until none is accepted; what was accepted must be answered whole."""
    request = f"GET /api/user/user_info HTTP/1.1\r\nHost: x\r\ntoken: {token}\r\nConnection: close\r\n\r\n".encode()
    for _ in range(20_000):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        except OSError:
            return
        with connection:
            said = b""
            try:
                connection.sendall(request)
                while more := connection.recv(65536):
                    said += more
            except OSError:
                # A connection in the listener's queue when it closes was never accepted by the server.
                if said:
                    broken.append(repr(said))
                return
            if not said:
                return
            if not (said.startswith(b"HTTP/1.1 200 ") and said.endswith(b"}")):
                broken.append(repr(said))
            answered[number] += 1


def _until_refused(port: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError("it still listens")


class TestTwoWorkers:
    @pytest.fixture(scope="class")
    @classmethod
    def pair(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serving(tmp_path_factory.mktemp("pair"), WORKERS="2") as server:
            yield server

    def test_their_threads_take_turns(self, pair: Server) -> None:
        assert {os.sched_getscheduler(worker) for worker in pair.workers} == {os.SCHED_BATCH}

    def test_they_share_their_state(self, pair: Server) -> None:
        assert len(pair.workers) == 2
        with pair.client() as client:
            token = client.register(PHONE).token
        seen = set()
        for _ in range(40):
            with pair.client() as client:
                seen.add(client.user_info(token).status)
        assert seen == {200}
        with pair.client() as client:
            assert client.logout(token).status == 200
        seen = set()
        for _ in range(40):
            with pair.client() as client:
                seen.add(client.user_info(token).status)
        assert seen == {401}

    def test_one_that_dies_is_replaced(self, pair: Server) -> None:
        victim = pair.workers[0]
        os.kill(victim, signal.SIGKILL)
        end = time.monotonic() + 30
        while time.monotonic() < end and (victim in pair.workers or len(pair.workers) < 2):
            time.sleep(0.05)
        assert len(pair.workers) == 2
        _eventually_ready(pair)
        with pair.client() as client:
            assert client.login(PHONE).status in {200, 403}


def _eventually_ready(server: Server) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OSError, HTTPException), Client(server.port, 5) as client:
            if client.request("GET", "/readyz").status == 200:
                return
        time.sleep(0.05)
    raise AssertionError("it is not ready again")


def wait_for(is_so: Callable[[], bool]) -> None:
    """For half a minute at the most."""
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


class TestHousekeeping:
    # The same service, only that its rounds come at once and not every ten minutes.
    COMMAND = (
        sys.executable,
        "-c",
        """
from functools import partial
from menshen.entrypoints import housekeeper
housekeeper.Housekeeper = partial(housekeeper.Housekeeper, interval_seconds=0.2)
from menshen.entrypoints.cli.main import entry_point
entry_point()
""",
    )

    A_YEAR_AHEAD = """
from datetime import UTC, datetime, timedelta
from menshen.adapters.system_clock import SystemClock
SystemClock.now = lambda clock: datetime.now(UTC) + timedelta(days=365)
"""

    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_the_running_service_prunes_what_is_old_and_keeps_what_is_not(self, folder: Path, workers: str) -> None:
        with serving(folder, self.COMMAND, WORKERS=workers) as server, server.client() as client:
            old, kept, leaving = client.register(PHONE), client.login(PHONE), client.register("13900139000")
            # Entries of years ago and then none would be a gap, if it had never been pruned before.
            wait_for(lambda: '"pruned 0 ' in server.log)
            long_ago = "2020-01-01 00:00:00.000000"
            server.rows("UPDATE x_session SET expires_at = ?1, over_at = ?1 WHERE id = ?2", long_ago, old.session_id)
            server.rows("UPDATE x_audit SET at = ? WHERE action = 'register' AND subject = 1", long_ago)
            server.rows("UPDATE x_user SET state = '注销中', state_until = ? WHERE id = 2", long_ago)
            end = time.monotonic() + 30
            # A round that was under way meanwhile may have done one of the three and not the others.
            waited_for = [
                "SELECT 1 FROM x_user WHERE id = 2 AND phone IS NOT NULL",
                f"SELECT 1 FROM x_session WHERE id = '{old.session_id}'",
                "SELECT 1 FROM x_audit WHERE action = 'register' AND subject = 1",
            ]
            while any(server.rows(each) for each in waited_for) and time.monotonic() < end:
                time.sleep(0.05)
            assert server.rows("SELECT state, phone, password FROM x_user")[1:] == [("已注销", None, "")]
            assert server.rows("SELECT id FROM x_session") == [(kept.session_id,)]
            assert server.rows("SELECT id FROM x_audit WHERE action = 'register'") == [(4,)]
            assert client.user_info(kept.token).status == 200
            assert client.user_info(old.token).reason == "session_unknown"
            assert client.user_info(leaving.token).reason == "user_not_active"
            assert client.register("13900139000").status == 200
            assert '"pruned 1 ' in server.log or workers == "2"

    def test_a_clock_that_is_a_year_ahead_deletes_nothing_and_the_log_says_so(self, folder: Path) -> None:
        program = f"{self.A_YEAR_AHEAD}{self.COMMAND[-1]}"
        server = Server(folder, {}, (*self.COMMAND[:-1], program), port=free_port())
        assert server.menshen("user", "create", PHONE, stdin=PASSWORD).returncode == 0
        before = server.rows("SELECT * FROM x_audit")
        try:
            server.start()
            wait_for(lambda: server.log.count('"did not prune: the clock says ') >= 2)
            assert "menshen prune --clock-is-right" in server.log
            # Nor once somebody has logged in by that clock.
            with server.client() as client:
                assert client.login(PHONE).status == 200
            lines = server.log.count('"did not prune: ')
            wait_for(lambda: server.log.count('"did not prune: ') >= lines + 2)
            assert server.rows("SELECT * FROM x_audit")[: len(before)] == before
            assert '"pruned ' not in server.log
        finally:
            server.stop()

    def test_it_does_not_hold_up_the_end_of_the_service(self, folder: Path) -> None:
        with serving(folder, PATIENT, WORKERS="2") as server:
            begin = time.monotonic()
            server.terminate()
            assert server.wait(90) == 0
            assert time.monotonic() - begin < SOON


class TestRefusingToStart:
    """One clear line on stderr, nothing on stdout, and an exit code."""

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"PORT": "many"}, "MENSHEN_PORT"),
            ({"WORKERS": "0"}, "MENSHEN_WORKERS"),
            ({"TIME_ZONE": "Moon/Sea"}, "MENSHEN_TIME_ZONE"),
            ({"ACCESS_TOKEN_TTL": "soon"}, "MENSHEN_ACCESS_TOKEN_TTL"),
            ({"MULTI_DEVICE_LOGIN": "perhaps"}, "MENSHEN_MULTI_DEVICE_LOGIN"),
            ({"MULTI_DEVICE_LOGIN": "false", "DEVICE_POLICY": "multi"}, "MENSHEN_DEVICE_POLICY"),
            ({"DEVICE_POLICY": "two"}, "MENSHEN_DEVICE_POLICY"),
            ({"DEVICE_POLICY": '{"phone": 1, "phone": 2}'}, "MENSHEN_DEVICE_POLICY"),
            ({"DEVICE_POLICY": '{"fridge": 1}'}, "'fridge' names no device type"),
            ({"AUDIENCE": "menshen-admins"}, "MENSHEN_ADMIN_AUDIENCE"),
            ({"SESSION_IDLE_TTL": "0"}, "MENSHEN_SESSION_IDLE_TTL"),
            ({"DATABASE_URL": "mongodb://localhost/x"}, "MENSHEN_DATABASE_URL"),
            ({"SECRET_KEY": "XPay"}, "at least 32 bytes"),
            ({"SECRET_KEY": "too short, by one byte to be 32"}, "at least 32 bytes"),
            ({"SECRET_KEY": "XPay" * 8}, "known"),
            ({"SECRET_KEY": "a" * 64}, "easy to guess"),
            ({"SECRET_KEY_FILE": "none-such"}, "MENSHEN_SECRET_KEY_FILE"),
        ],
    )
    def test_a_bad_setting(
        self, folder: Path, settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # In this process, which is not to serve whatever happens.
        monkeypatch.setattr("menshen.entrypoints.server.run", lambda *_, **__: pytest.fail("it serves"))
        service = Server(folder, {f"MENSHEN_{name}": value for name, value in settings.items()}, port=free_port())
        done = service.menshen("serve")
        assert done.returncode == 2
        assert said in only_line(done.stderr)
        assert done.stdout == ""
        secret = settings.get("SECRET_KEY")
        assert secret is None or secret == "XPay" or secret not in done.stderr

    def test_a_port_in_use(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", free_port())) as other:
            port = str(other.getsockname()[1])
            done = menshen("serve", folder=tmp_path, PORT=port)
        assert done.returncode == 1
        assert port in only_line(done.stderr)

    def test_a_port_on_which_another_menshen_listens(self, tmp_path: Path, server: Server) -> None:
        done = menshen("serve", folder=tmp_path, PORT=str(server.port))
        assert done.returncode == 1
        assert str(server.port) in only_line(done.stderr)

    # Of what cannot be made or read, test_places.py has more.
    def test_a_database_that_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "menshen-data").mkdir()
        (tmp_path / "menshen-data" / "menshen.sqlite3").write_text("this is a letter to somebody. " * 1000)
        (tmp_path / "menshen-data" / "secret.key").write_text("7b1f0c5e9a3d48e2b6c4f1a09d8e7c6b5a4f3e2d1c0b")
        done = menshen("serve", folder=tmp_path, PORT=str(free_port()))
        assert done.returncode == 1
        assert "not a database" in only_line(done.stderr)

    def test_a_wrong_command(self, tmp_path: Path) -> None:
        done = menshen("sreve", folder=tmp_path)
        assert done.returncode == 2
        assert "usage" in done.stderr


class TestTheOtherCommands:
    @pytest.fixture
    def here(self, tmp_path: Path) -> Path:
        # A data folder below the current one, as the default is.
        return tmp_path

    def test_the_settings_are_shown_without_the_secret(self, here: Path) -> None:
        secret = "7b1f0c5e9a3d48e2b6c4f1a09d8e7c6b5a4f3e2d1c0b"
        done = menshen("settings", "--json", folder=here, SECRET_KEY=secret, PORT="8123")
        assert done.returncode == 0
        table = json.loads(done.stdout)
        assert table["MENSHEN_PORT"] == "8123"
        assert table["MENSHEN_SECRET_KEY"] == "********"
        plain = menshen("settings", folder=here, SECRET_KEY=secret)
        assert plain.returncode == 0
        assert secret not in plain.stdout + plain.stderr
        assert len(plain.stdout.splitlines()) == len(table)
        assert not (here / "menshen-data").exists()

    @pytest.mark.parametrize("arguments", [["settings"], ["serve"], ["user", "find"]])
    def test_a_setting_that_is_none_is_refused(self, here: Path, arguments: list[str]) -> None:
        done = menshen(*arguments, folder=here, PROT="8123")
        assert (done.returncode, done.stdout, list(here.iterdir())) == (2, "", [])
        assert "did you mean MENSHEN_PORT?" in only_line(done.stderr)

    def test_the_port_of_a_service_of_kubernetes_is_passed_over_with_a_line(self, here: Path) -> None:
        done = menshen("settings", "--json", folder=here, PORT="tcp://10.3.240.10:8000", SERVICE_HOST="10.3.240.10")
        assert done.returncode == 0
        assert json.loads(done.stdout)["MENSHEN_PORT"] == "8000"
        assert "is passed over" in only_line(done.stderr)

    @pytest.mark.parametrize("arguments", [[], ["user"], ["user", "create"], ["user", "show", "1", "2"], ["--nothing"]])
    def test_wrong_usage(self, here: Path, arguments: list[str]) -> None:
        done = Server(here).menshen(*arguments)
        assert done.returncode == 2
        assert "usage" in done.stderr

    def test_a_bad_setting_stops_every_command(self, here: Path) -> None:
        for command in (["settings"], ["user", "show", "1"]):
            done = menshen(*command, folder=here, PORT="0")
            assert done.returncode == 2
            assert "MENSHEN_PORT" in only_line(done.stderr)


def test_the_environment_of_the_tests_does_not_reach_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENSHEN_PORT", "1")
    assert "MENSHEN_PORT" not in clean_environment({})
