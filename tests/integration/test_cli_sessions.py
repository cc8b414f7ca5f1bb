"""``menshen session ...`` and ``menshen token explain``, beside a server that runs at the same time."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from .servers import PASSWORD, Answer, Client, Server, only_line

_numbers = count()

PHONE_DEVICE = {"type": "phone", "id": "an-id", "name": "小米 15"}

SESSION_MEMBERS = {
    *("id", "kind", "device_type", "device_id", "device_name", "first_seen", "last_seen", "expires_at", "address"),
    "user_agent",
}

EXPLAINED = {
    *("verdict", "kind", "issued_at", "expires_at", "user_id", "user_state", "session_id", "ended_at", "ended_as"),
    *("ended_by", "ended_from"),
}


@pytest.fixture
def phone() -> str:
    return f"135{next(_numbers):08}"


@pytest.fixture
def registered(client: Client, phone: str) -> Answer:
    return client.register(phone)


def kick(server: Server, phone: str, session_id: str) -> Any:
    # With an equals sign, since an id may begin with a hyphen.
    return server.told("session", "kick", phone, f"--session={session_id}")


def explained(server: Server, token: str) -> dict[str, Any]:
    found = server.told("token", "explain", stdin=f"{token}\n")
    assert isinstance(found, dict)
    assert found.keys() == EXPLAINED
    return found


class TestList:
    def test_it_shows_the_live_sessions_in_their_order(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        second = client.request(
            "POST",
            "/api/user/login",
            {"phone": phone, "password": PASSWORD, "device": PHONE_DEVICE},
            headers={"User-Agent": "an app/1.0"},
        )
        client.logout(client.login(phone).token)
        sessions = server.told("session", "list", phone)
        assert [session["id"] for session in sessions] == [registered.session_id, second.session_id]
        assert all(session.keys() == SESSION_MEMBERS for session in sessions)
        shown = sessions[1]
        assert (shown["device_type"], shown["device_id"], shown["device_name"]) == ("phone", "an-id", "小米 15")
        assert (shown["kind"], shown["address"], shown["user_agent"]) == ("user", "127.0.0.1", "an app/1.0")
        assert datetime.fromisoformat(shown["first_seen"]) <= datetime.fromisoformat(shown["last_seen"])
        assert datetime.fromisoformat(shown["expires_at"]).tzinfo is not None

    def test_the_columns_stand_below_each_other_beside_chinese_names(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        for name in ("小米", "iPhone", "华为平板电脑"):
            client.login(phone, device={"type": "tablet", "name": name})
        header, *rows = server.menshen("session", "list", phone).stdout.splitlines()
        assert len(rows) == 4
        # A Chinese character takes two columns of a terminal; in GBK it takes two bytes.
        column = header.index("first_seen")
        for row in rows:
            assert re.match(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row.encode("gbk")[column:]), rows

    def test_a_user_without_any(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        client.logout(registered.token)
        assert server.told("session", "list", phone) == []
        [header] = server.menshen("session", "list", phone).stdout.splitlines()
        assert header.split()[0] == "id"


class TestKick:
    def test_one_is_refused_at_the_next_request_and_the_others_stay(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        second = client.login(phone)
        assert client.user_info(second.token).status == 200
        assert kick(server, phone, second.session_id) == {"ended": 1}
        told = client.user_info(second.token)
        assert (told.status, told.reason, told.json["msg"]) == (401, "session_kicked", "token过期")
        # No other device did it.
        assert told.json["data"].keys() == {"ended_at"}
        assert client.refresh(second.refresh_token).reason == "session_kicked"
        assert client.user_info(registered.token).status == 200

    def test_all_of_them(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        server.told("user", "grant-admin", phone)
        admin = client.request("POST", "/api/admin/login", {"phone": phone, "password": PASSWORD})
        done = server.menshen("session", "kick", phone, "--all")
        assert (done.returncode, done.stdout) == (0, "ended  2\n")
        assert client.user_info(registered.token).reason == "session_kicked"
        assert client.request("GET", "/api/admin/users", token=admin.token).reason == "session_kicked"
        assert server.told("session", "kick", phone, "--all") == {"ended": 0}
        assert client.login(phone).status == 200

    def test_what_is_no_live_session_of_this_user_is_refused(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        somebody = client.register(f"135{next(_numbers):08}")
        over = client.login(phone)
        client.logout(over.token)
        for session_id in (somebody.session_id, over.session_id, "none", "", "张三"):
            done = server.menshen("session", "kick", phone, f"--session={session_id}")
            assert (done.returncode, done.stdout) == (1, "")
            assert only_line(done.stderr).startswith("menshen: no_such_session: ")
        assert client.user_info(somebody.token).status == 200
        # The first end stays.
        assert client.user_info(over.token).reason == "session_logged_out"

    @pytest.mark.parametrize(
        "arguments",
        [[], ["--all", "--session=x"], ["--session"], ["--every"], ["--everybody"], ["--everybody", "--all"]],
    )
    def test_wrong_usage_ends_nothing(
        self, server: Server, client: Client, registered: Answer, phone: str, arguments: list[str]
    ) -> None:
        done = server.menshen("session", "kick", phone, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert client.user_info(registered.token).status == 200

    def test_all_of_everybody(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        """It counts at the next request, of users and of admins."""
        other = client.register(f"135{next(_numbers):08}")
        server.told("user", "grant-admin", phone)
        admin = client.request("POST", "/api/admin/login", {"phone": phone, "password": PASSWORD})
        assert server.told("session", "kick", "--everybody")["ended"] >= 3
        for token in (registered.token, other.token):
            assert client.user_info(token).reason == "session_kicked"
        assert client.request("GET", "/api/admin/users", token=admin.token).reason == "session_kicked"
        assert client.refresh(other.refresh_token).reason == "session_kicked"
        assert server.told("session", "kick", "--everybody") == {"ended": 0}
        assert client.user_info(client.login(phone).token).status == 200
        done = server.menshen("session", "kick", "--all")
        assert (done.returncode, done.stdout) == (2, "")

    def test_a_user_who_is_not_there(self, server: Server) -> None:
        for arguments in (["list"], ["kick", "--all"]):
            done = server.menshen("session", *arguments, "13500135999")
            assert (done.returncode, done.stdout) == (1, "")
            assert only_line(done.stderr).startswith("menshen: no_such_user: ")


class TestExplain:
    def test_a_token_that_opens(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        found = explained(server, registered.token)
        user_id = client.user_info(registered.token).json["data"]["id"]
        assert (found["verdict"], found["kind"], found["user_state"]) == ("valid", "user", "正常")
        assert (found["user_id"], found["session_id"]) == (user_id, registered.session_id)
        lifetime = datetime.fromisoformat(found["expires_at"]) - datetime.fromisoformat(found["issued_at"])
        assert lifetime.days == 7
        assert {found[name] for name in EXPLAINED if name.startswith("ended")} == {None}

    def test_what_ended_it_when_and_by_whom(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        kicked, signed_out = client.login(phone), client.login(phone)
        kick(server, phone, kicked.session_id)
        mine = client.login(phone, device=PHONE_DEVICE)
        client.request("DELETE", f"/api/user/sessions/{signed_out.session_id}", token=mine.token)
        by_operator, by_device = explained(server, kicked.token), explained(server, signed_out.token)
        assert by_operator["verdict"] == by_device["verdict"] == "session_kicked"
        assert by_operator["ended_as"] == "kicked"
        assert by_operator["ended_by"].startswith("operator:")
        assert by_operator["ended_from"] is None
        assert by_device["ended_by"] == f"user:{by_device['user_id']}"
        assert by_device["ended_from"] == "phone 小米 15"
        assert datetime.fromisoformat(by_device["ended_at"]) >= datetime.fromisoformat(by_operator["ended_at"])

    def test_the_check_that_fails_is_the_one_that_the_guard_names(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        header, claims, signature = registered.token.split(".")
        forged = json.loads(base64.urlsafe_b64decode(claims + "=="))
        forged_claims = base64.urlsafe_b64encode(json.dumps({**forged, "sub": "1"}).encode()).decode().rstrip("=")
        for token in (f"{header}.{forged_claims}.{signature}", "abc", "..", "令牌", registered.refresh_token):
            done = server.menshen("token", "explain", "--json", stdin=token)
            assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "token_invalid")
        server.told("user", "freeze", phone, "--reason", "x")
        found = explained(server, registered.token)
        assert found["verdict"] == client.user_info(registered.token).reason == "user_not_active"
        assert (found["user_state"], found["ended_as"]) == ("冻结", "user_frozen")

    def test_the_token_of_an_admin(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        server.told("user", "grant-admin", phone)
        admin = client.request("POST", "/api/admin/login", {"phone": phone, "password": PASSWORD})
        found = explained(server, admin.token)
        assert (found["verdict"], found["kind"]) == ("valid", "admin")
        server.told("user", "revoke-admin", phone)
        assert explained(server, admin.token)["verdict"] == "session_kicked"

    def test_looking_at_a_token_is_no_use_of_its_session(self, server: Server, registered: Answer) -> None:
        long_ago = "2026-01-01 00:00:00.000000"
        statement = "UPDATE x_session SET last_seen_at = ?, idle_seconds = 999999999 WHERE id = ?"
        server.rows(statement, long_ago, registered.session_id)
        assert explained(server, registered.token)["verdict"] == "valid"
        seen = server.rows("SELECT last_seen_at FROM x_session WHERE id = ?", registered.session_id)
        assert seen == [(long_ago,)]

    def test_it_reads_well_without_the_json(self, server: Server, registered: Answer) -> None:
        done = server.menshen("token", "explain", stdin=registered.token)
        lines = done.stdout.splitlines()
        assert (done.returncode, lines[0].split()) == (0, ["verdict", "valid"])
        assert {line.split()[0] for line in lines} == EXPLAINED
        assert registered.token not in done.stdout

    @pytest.mark.parametrize("arguments", [["a"], ["a", "b"]])
    def test_wrong_usage(self, server: Server, arguments: list[str]) -> None:
        assert server.menshen("token", "explain", *arguments).returncode == 2


@pytest.fixture(scope="module", autouse=True)
def _nothing_went_wrong(server: Server) -> Iterator[None]:
    yield
    assert "Traceback" not in server.log
