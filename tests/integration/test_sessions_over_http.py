"""Devices, sessions and the life of an account, against a real server of two processes."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from .servers import PASSWORD, Answer, Client, Server, assert_envelope, serving

_numbers = count()

PC = {"type": "pc", "id": "a-pc", "name": "办公室"}
MOBILE = {"type": "phone", "id": "a-phone", "name": "小米 15"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sessions"), WORKERS="2") as running:
        yield running
        assert running.returncode is None, f"the server died:\n{running.log}"
        assert "Traceback" not in running.log


@pytest.fixture
def workers(server: Server) -> Iterator[tuple[Client, Client]]:
    """Two callers, each of whom talks to another worker."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(server.client_of(worker)) for worker in server.workers)
        yield one, other


@pytest.fixture
def phone() -> str:
    return f"133{next(_numbers):08}"


def end(client: Client, token: str, session_id: str = "") -> Answer:
    """Sign one session out, or all others."""
    return client.request("DELETE", f"/api/user/sessions/{session_id}".removesuffix("/"), token=token)


def change_password(client: Client, token: str, old: str, new: str) -> Answer:
    return client.request("POST", "/api/user/password", {"old_password": old, "new_password": new}, token=token)


def close(client: Client, token: str, password: str = PASSWORD) -> Answer:
    return client.request("DELETE", "/api/user", {"password": password}, token=token)


def outcomes(client: Client, *granted: Answer) -> list[str | None]:
    """For each, why its token opens nothing, or None."""
    return [client.user_info(each.token).reason for each in granted]


class TestWhatOneWorkerEndsTheOtherRefusesAtOnce:
    ROUNDS = 5

    def test_logging_out(self, workers: tuple[Client, Client], phone: str) -> None:
        workers[0].register(phone)
        for number in range(self.ROUNDS * 2):
            one, other = workers[number % 2], workers[1 - number % 2]
            granted = one.login(phone)
            assert other.user_info(granted.token).status == 200
            assert one.logout(granted.token).status == 200
            assert other.user_info(granted.token).reason == "session_logged_out"
            assert other.refresh(granted.refresh_token).reason == "session_logged_out"

    def test_signing_out_one_and_all_others(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        mine = one.register(phone, device=MOBILE)
        for _ in range(self.ROUNDS):
            first, second, third = (other.login(phone) for _ in range(3))
            assert end(one, mine.token, first.session_id).status == 200
            assert outcomes(other, first, second, third) == ["session_kicked", None, None]
            told = end(one, mine.token)
            assert (told.json["msg"], told.json["data"]) == ("已退出其他设备", {"ended": 2})
            assert outcomes(other, first, second, third, mine) == ["session_kicked"] * 3 + [None]
        explained = other.user_info(third.token).json["data"]
        assert explained["by"] == {"type": "phone", "name": "小米 15"}
        assert explained.keys() == {"ended_at", "by"}

    def test_changing_the_password(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        mine = one.register(phone)
        passwords = [PASSWORD, *(f"correct horse {number}" for number in range(self.ROUNDS))]
        for old, new in pairwise(passwords):
            theirs = other.login(phone, old)
            assert change_password(one, mine.token, "a wrong one", new).reason == "password_wrong"
            assert outcomes(other, theirs) == [None]
            assert change_password(one, mine.token, old, new).json["msg"] == "修改密码成功"
            assert outcomes(other, theirs, mine) == ["password_changed", None]
            assert other.refresh(theirs.refresh_token).reason == "password_changed"
            assert other.login(phone, old).reason == "invalid_credentials"
        assert other.refresh(mine.refresh_token).status == 200

    def test_closing_the_account_and_taking_it_back(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        granted = one.register(phone)
        assert close(one, granted.token, "a wrong one").reason == "password_wrong"
        assert outcomes(other, granted) == [None]
        closes_at = datetime.fromisoformat(close(one, granted.token).json["data"]["closes_at"])
        assert timedelta(days=6, hours=23) < closes_at - datetime.now() < timedelta(days=7, hours=1)
        assert other.user_info(granted.token).reason == "user_not_active"
        assert other.refresh(granted.refresh_token).reason == "user_not_active"
        back = other.login(phone)
        assert back.json["msg"] == "登陆成功"
        assert one.user_info(back.token).json["data"]["state"] == "正常"
        assert outcomes(one, granted) == ["user_closed"]

    def test_a_closing_that_has_come_due(self, server: Server, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        granted = one.register(phone, user_name="张三")
        user_id = one.user_info(granted.token).json["data"]["id"]
        invited = one.register(f"133{next(_numbers):08}", invited_by=user_id)
        close(one, granted.token)
        server.rows("UPDATE x_user SET state_until = '2020-01-01 00:00:00.000000' WHERE id = ?", user_id)
        assert (other.login(phone).status, other.login(phone).reason) == (403, "user_not_active")
        # The number is free, and the new account is another one.
        again = other.register(phone)
        assert one.user_info(again.token).json["data"]["id"] > user_id
        left = server.rows("SELECT phone, user_name, password, state FROM x_user WHERE id = ?", user_id)
        assert left == [(None, None, "", "已注销")]
        assert one.user_info(invited.token).json["data"]["mid"] == user_id
        assert server.rows("SELECT count(*) FROM x_session WHERE user_id = ?", user_id) == [(0,)]
        assert outcomes(one, granted) == ["user_not_active"]

    def test_a_new_name_is_seen(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        token = one.register(phone, user_name="张三").token
        for name in ("李四", None, "王五"):
            changed = one.request("PATCH", "/api/user/profile", {"user_name": name}, token=token)
            assert changed.json["data"] == other.user_info(token).json["data"]
            assert changed.json["data"]["user_name"] == name


class TestDevices:
    def test_both_workers_show_the_same_list(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        first = one.register(phone, device=PC)
        second = other.login(phone, device=MOBILE)
        shown = one.sessions(first.token)
        assert [(each["id"], each["device"], each["current"]) for each in shown] == [
            (first.session_id, PC, True),
            (second.session_id, MOBILE, False),
        ]
        assert {each["address"] for each in shown} == {"127.0.0.1"}
        assert [{**each, "current": None} for each in other.sessions(second.token)] == [
            {**each, "current": None} for each in shown
        ]

    def test_the_same_device_replaces_its_own_session(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        granted = [one.register(phone, device=MOBILE)]
        for number in range(6):
            granted.append(workers[number % 2].login(phone, device=MOBILE))
        assert outcomes(one, *granted) == ["session_replaced"] * 6 + [None]
        assert [each["id"] for each in other.sessions(granted[-1].token)] == [granted[-1].session_id]

    def test_a_login_that_is_remembered_lasts_longer(self, server: Server, client: Client, phone: str) -> None:
        short, long = client.register(phone), client.login(phone, remember=True)
        statement = "SELECT julianday(expires_at) - julianday(started_at), idle_seconds FROM x_session WHERE id = ?"
        [(days, idle)] = server.rows(statement, short.session_id)
        assert (round(days), idle) == (30, 14 * 86400)
        [(days, idle)] = server.rows(statement, long.session_id)
        assert (round(days), idle) == (180, 60 * 86400)

    @pytest.mark.parametrize(("moved", "reason"), [("last_seen_at", "session_idle"), ("expires_at", "session_expired")])
    def test_its_time_is_over(self, server: Server, client: Client, phone: str, moved: str, reason: str) -> None:
        granted = client.register(phone)
        server.rows(
            f"UPDATE x_session SET {moved} = datetime('now', '-15 days') || '.000000' WHERE id = ?", granted.session_id
        )
        told = client.user_info(granted.token)
        assert (told.status, told.reason, told.json["msg"]) == (401, reason, "token过期")
        assert told.json["data"].keys() == {"ended_at"}
        assert client.refresh(granted.refresh_token).reason == reason


class TestThePolicyOfTheService:
    @pytest.fixture(scope="class")
    @classmethod
    def strict(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        policy = '{"phone": 1, "pc": 1, "total": 3, "overflow": "evict_oldest"}'
        with serving(tmp_path_factory.mktemp("strict"), WORKERS="2", DEVICE_POLICY=policy) as running:
            yield running

    def test_a_phone_and_a_pc_live_side_by_side_and_a_second_phone_takes_the_place_of_the_first(
        self, strict: Server, phone: str
    ) -> None:
        with strict.client() as client:
            phone_one, pc = client.register(phone, device={"type": "phone"}), client.login(phone, device=PC)
            phone_two = client.login(phone, device=MOBILE)
            assert outcomes(client, phone_one, pc, phone_two) == ["session_replaced", None, None]
            assert client.user_info(phone_one.token).json["data"]["by"] == {"type": "phone", "name": "小米 15"}
            web, tablet = client.login(phone, device={"type": "web"}), client.login(phone, device={"type": "tablet"})
            # Three at the most: the oldest goes.
            assert outcomes(client, pc, phone_two, web, tablet) == ["session_replaced", None, None, None]

    def test_logins_at_both_workers_at_once_never_exceed_it(self, strict: Server, phone: str) -> None:
        with strict.client() as client:
            client.register(phone)
        together = Barrier(8)

        def log_in(number: int) -> list[Answer]:
            with strict.client_of(strict.workers[number % 2]) as client:
                together.wait(60)
                return [client.login(phone, device={"type": "phone"}) for _ in range(5)]

        with ThreadPoolExecutor(8) as pool:
            granted = [each for some in pool.map(log_in, range(8)) for each in some if each.status == 200]
        assert len(granted) >= 8
        with strict.client() as client:
            told = outcomes(client, *granted)
            assert told.count(None) == 1
            assert set(told) == {None, "session_replaced"}
            [live] = [each for each, reason in zip(granted, told, strict=True) if reason is None]
            assert live.session_id in {each["id"] for each in client.sessions(live.token)}


class TestRefreshing:
    def test_each_answer_is_that_of_a_login_and_opens(self, workers: tuple[Client, Client], phone: str) -> None:
        granted = workers[0].register(phone)
        tokens = {granted.refresh_token}
        for number in range(6):
            refreshed = workers[number % 2].refresh(granted.refresh_token)
            assert_envelope(refreshed)
            assert refreshed.json["msg"] == "刷新成功"
            assert refreshed.json["data"].keys() == granted.json["data"].keys()
            assert refreshed.session_id == granted.session_id
            assert workers[1 - number % 2].user_info(refreshed.token).status == 200
            assert refreshed.refresh_token not in tokens
            tokens.add(refreshed.refresh_token)
            granted = refreshed

    def test_a_lost_answer_is_given_again_by_the_other_worker(self, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        granted = one.register(phone)
        lost = one.refresh(granted.refresh_token)
        again = other.refresh(granted.refresh_token)
        assert again.refresh_token == lost.refresh_token
        assert outcomes(one, again, lost, granted) == [None, None, None]
        assert one.refresh(again.refresh_token).status == 200

    def test_an_answer_that_is_never_read(self, server: Server, client: Client, phone: str) -> None:
        granted = client.register(phone)
        with server.client() as hasty:
            hasty.request("GET", "/healthz")
            assert hasty._connection is not None
            body = f'{{"refresh_token": "{granted.refresh_token}"}}'
            hasty._connection.request("POST", "/api/user/token/refresh", body, {"Content-Type": "application/json"})
        found = client.refresh(granted.refresh_token)
        assert client.user_info(found.token).status == 200

    def test_reuse_ends_the_session_for_both(self, server: Server, workers: tuple[Client, Client], phone: str) -> None:
        one, other = workers
        granted, bystander = one.register(phone), one.login(phone)
        refreshed = one.refresh(granted.refresh_token)
        # As if the time of grace were over.
        server.rows(
            "UPDATE x_session SET refresh_rotated_at = datetime('now', '-11 minutes') || '.000000' WHERE id = ?",
            granted.session_id,
        )
        told = other.refresh(granted.refresh_token)
        assert (told.status, told.reason) == (401, "refresh_token_reused")
        assert one.refresh(refreshed.refresh_token).reason == "refresh_token_reused"
        assert outcomes(one, granted, refreshed, bystander) == ["refresh_token_reused", "refresh_token_reused", None]

    def test_sixteen_at_once_leave_one_successor(self, server: Server, phone: str) -> None:
        with server.client() as client:
            granted = client.register(phone)
        together = Barrier(16)

        def refresh(number: int) -> Answer:
            with server.client_of(server.workers[number % 2]) as client:
                together.wait(60)
                return client.refresh(granted.refresh_token)

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(refresh, range(16)))
        assert [answer.status for answer in answers] == [200] * 16
        [successor] = {answer.refresh_token for answer in answers}
        with server.client() as client:
            assert outcomes(client, *answers) == [None] * 16
            assert client.refresh(successor).status == 200
        assert server.rows("SELECT refresh_rotations FROM x_session WHERE id = ?", granted.session_id) == [(2,)]

    @pytest.mark.parametrize("wrong", ["", "x", "a.b", "令牌", "x" * 5000])
    def test_what_is_no_refresh_token_is_refused(self, client: Client, phone: str, wrong: str) -> None:
        granted = client.register(phone)
        for token in (wrong, granted.token, granted.refresh_token[:-1], granted.session_id):
            refused = client.refresh(token)
            assert_envelope(refused)
            assert (refused.status, refused.reason) == (401, "refresh_token_invalid")
        assert client.refresh(granted.refresh_token).status == 200


class TestLastSeen:
    @pytest.mark.parametrize("way", ["user_info", "refresh"])
    def test_a_request_that_is_due_is_written_within_seconds(
        self, server: Server, client: Client, phone: str, way: str
    ) -> None:
        granted = client.register(phone)
        _put_back(server, granted.session_id, "-61 seconds")
        before = _seen(server, granted.session_id)
        if way == "user_info":
            assert client.user_info(granted.token).status == 200
        else:
            assert client.refresh(granted.refresh_token).status == 200
        end_of_patience = time.monotonic() + 20
        while _seen(server, granted.session_id) == before and time.monotonic() < end_of_patience:
            time.sleep(0.05)
        assert _seen(server, granted.session_id) - before >= timedelta(seconds=60)

    def test_one_that_is_not_due_writes_nothing(self, server: Server, client: Client, phone: str) -> None:
        granted, due = client.register(phone), client.login(phone)
        _put_back(server, granted.session_id, "-30 seconds")
        _put_back(server, due.session_id, "-90 seconds")
        before, due_before = _seen(server, granted.session_id), _seen(server, due.session_id)
        for _ in range(5):
            assert client.user_info(granted.token).status == 200
        assert client.user_info(due.token).status == 200
        # When the one that is due has been written, the other one would have been too.
        end_of_patience = time.monotonic() + 20
        while _seen(server, due.session_id) == due_before:
            assert time.monotonic() < end_of_patience
            time.sleep(0.05)
        assert _seen(server, granted.session_id) == before


class TestRunningOut:
    def test_a_session_that_was_seen_to_be_idle_stays_so_though_the_clock_is_put_back(
        self, server: Server, client: Client, phone: str
    ) -> None:
        granted, not_asked = client.register(phone), client.login(phone)
        # To a session it is the same whether the clock moves or its own last use.
        for each in (granted, not_asked):
            _put_back(server, each.session_id, "-15 days")
        refused = client.user_info(granted.token)
        assert refused.reason == "session_idle"
        ended = "SELECT end_reason FROM x_session WHERE id = ?"
        end_of_patience = time.monotonic() + 20
        while server.rows(ended, granted.session_id) == [(None,)] and time.monotonic() < end_of_patience:
            time.sleep(0.05)
        assert server.rows(ended, granted.session_id) == [("idle",)]
        for each in (granted, not_asked):
            _put_back(server, each.session_id, "+1 hour")
        again = client.user_info(granted.token)
        assert (again.reason, again.json["data"]) == ("session_idle", refused.json["data"])
        assert client.refresh(granted.refresh_token).reason == "session_idle"
        assert outcomes(client, not_asked) == [None]


def _put_back(server: Server, session_id: str, by: str) -> None:
    server.rows("UPDATE x_session SET last_seen_at = datetime('now', ?) || '.000000' WHERE id = ?", by, session_id)


def _seen(server: Server, session_id: str) -> datetime:
    [(text,)] = server.rows("SELECT last_seen_at FROM x_session WHERE id = ?", session_id)
    return datetime.fromisoformat(text)


class TestRestart:
    @pytest.mark.parametrize("is_violent", [False, True], ids=["SIGTERM", "SIGKILL"])
    def test_sessions_ends_and_refresh_tokens_stay(self, folder: Path, *, is_violent: bool) -> None:
        with serving(folder, WORKERS="2") as server:
            with server.client() as client:
                live, ended = client.register("13800138000", device=PC), client.login("13800138000")
                used = client.login("13800138000")
                successor = client.refresh(used.refresh_token)
                client.logout(ended.token)
            server.kill() if is_violent else server.stop()
            server.start()
            with server.client() as client:
                assert outcomes(client, live, ended, successor) == [None, "session_logged_out", None]
                assert client.sessions(live.token)[0]["device"] == PC
                # The answer to the last refresh before the end may have been lost with it.
                assert client.refresh(used.refresh_token).refresh_token == successor.refresh_token
                assert client.refresh(successor.refresh_token).status == 200
                assert client.refresh(live.refresh_token).status == 200
                assert client.refresh(ended.refresh_token).reason == "session_logged_out"


class TestWhatIsLeftBehind:
    """Files of a server that has been through it all."""

    PASSWORDS = ("a horse with a red hat", "a horse with a blue hat", "nobody's horse")

    @pytest.fixture(scope="class")
    @classmethod
    def told(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, list[Answer]]]:
        first, second, wrong = cls.PASSWORDS
        with serving(tmp_path_factory.mktemp("left"), WORKERS="2") as server, server.client() as client:
            user = "13800138000"
            answers = [client.register(user, first, device=PC), client.login(user, first, device=MOBILE)]
            answers.append(client.refresh(answers[0].refresh_token))
            client.login(user, wrong)
            client.login("13900139000", wrong)
            client.register(user, wrong)
            client.refresh(answers[1].refresh_token[:-1] + "A")
            client.user_info(answers[1].token[:-4] + "AAAA")
            change_password(client, answers[2].token, wrong, second)
            change_password(client, answers[2].token, first, second)
            answers.append(client.login(user, second))
            end(client, answers[3].token, answers[0].session_id)
            client.request("PATCH", "/api/user/profile", {"user_name": "张三"}, token=answers[3].token)
            server.told("user", "grant-admin", user)
            admin = {"phone": user, "password": second}
            answers.append(client.request("POST", "/api/admin/login", admin))
            answers.append(
                client.request("POST", "/api/admin/token/refresh", {"refresh_token": answers[4].refresh_token})
            )
            client.request("POST", "/api/admin/explain", {"token": answers[1].token}, token=answers[5].token)
            close(client, answers[3].token, wrong)
            close(client, answers[3].token, second)
            answers.append(client.login(user, second))
            client.logout(answers[6].token)
            yield server, answers

    def test_the_audit_log_tells_it_all(self, told: tuple[Server, list[Answer]]) -> None:
        server, _ = told
        found = server.rows(
            "SELECT action, outcome, detail FROM x_audit WHERE subject = 1 OR subject IS NULL ORDER BY id"
        )
        assert found == [
            ("register", "done", None),
            ("log_in", "done", None),
            ("log_in", "done", None),
            ("log_in", "invalid_credentials", None),
            ("log_in", "invalid_credentials", None),
            ("register", "phone_taken", None),
            ("change_password", "password_wrong", None),
            ("end_session", "done", "password_changed"),
            ("change_password", "done", None),
            ("log_in", "done", None),
            ("end_session", "done", "kicked"),
            ("rename", "done", None),
            ("grant_admin", "done", None),
            ("admin_log_in", "done", None),
            ("read", "done", "token: password_changed"),
            ("close", "password_wrong", None),
            ("close", "done", None),
            *[("end_session", "done", "user_closed")] * 2,
            ("reopen", "done", None),
            ("log_in", "done", None),
            ("end_session", "done", "logged_out"),
        ]
        ended = server.rows("SELECT actor, address, device_type, device_name FROM x_audit WHERE detail = 'logged_out'")
        assert ended == [("user:1", "127.0.0.1", "other", None)]

    def test_no_password_and_no_token_is_in_any_file_of_the_database_or_in_the_log(
        self, told: tuple[Server, list[Answer]]
    ) -> None:
        server, answers = told
        kept = b"".join(path.read_bytes() for path in server.data_dir.glob("menshen.sqlite3*"))
        said = (server.out + server.log).encode()
        # What is to be found, so that the search is known to find.
        for known in ("13800138000", "小米 15", "张三", answers[0].session_id):
            assert known.encode() in kept
        assert b"/api/user/password" in said
        secrets = [password.encode() for password in self.PASSWORDS]
        for answer in answers:
            secrets += [answer.token.encode(), answer.token.split(".")[2].encode()]
            text = answer.refresh_token.split(".")[1]
            secrets += [text.encode(), urlsafe_b64decode(text + "="), urlsafe_b64decode(text + "=").hex().encode()]
        for secret in secrets:
            assert secret not in kept
            assert secret not in said

    def test_no_text_column_holds_one_either(self, told: tuple[Server, list[Answer]]) -> None:
        server, answers = told
        texts: list[Any] = []
        for table in ("x_user", "x_session", "x_audit"):
            texts += [value for row in server.rows(f"SELECT * FROM {table}") for value in row if isinstance(value, str)]
        assert len(texts) > 100
        secrets = {*self.PASSWORDS}
        for answer in answers:
            secrets |= {*answer.token.split(".")[1:], answer.refresh_token.split(".")[1]}
        assert not [text for text in texts if any(secret in text for secret in secrets)]
