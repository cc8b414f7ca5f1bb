"""What operators do to users at the command line counts at the running server's very next request."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest

from .servers import PASSWORD, Answer, Client, Server, only_line

_numbers = count()


@pytest.fixture
def phone() -> str:
    return f"136{next(_numbers):08}"


@pytest.fixture
def registered(client: Client, phone: str) -> Answer:
    return client.register(phone)


def admin_login(client: Client, phone: str) -> Answer:
    return client.request("POST", "/api/admin/login", {"phone": phone, "password": PASSWORD})


def refused(server: Server, *arguments: str) -> str:
    """The reason why a command is refused."""
    done = server.menshen(*arguments)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    return only_line(done.stderr).split(": ")[1]


class TestFreezing:
    def test_it_counts_at_the_next_request_and_unfreezing_at_the_next_login(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        assert client.user_info(registered.token).status == 200
        frozen = server.told("user", "freeze", phone, "--reason", "欺诈")
        assert (frozen["state"], frozen["standing"], frozen["state_until"]) == ("冻结", "frozen", None)
        assert frozen["state_reason"] == "欺诈"
        assert client.user_info(registered.token).reason == "user_not_active"
        assert client.refresh(registered.refresh_token).reason == "user_not_active"
        assert (client.login(phone).status, client.login(phone).reason) == (403, "user_not_active")
        assert server.told("session", "list", phone) == []

        unfrozen = server.told("user", "unfreeze", phone)
        assert (unfrozen["standing"], unfrozen["state_reason"]) == ("active", None)
        # The freeze has ended the sessions for good.
        assert client.user_info(registered.token).reason == "user_frozen"
        assert client.refresh(registered.refresh_token).reason == "user_frozen"
        assert client.user_info(client.login(phone).token).status == 200

    def test_a_timed_freeze_ends_without_an_operator(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        before = datetime.now(UTC)
        frozen = server.told("user", "freeze", phone, "--reason", "x", "--for", "12h")
        until = datetime.fromisoformat(frozen["state_until"])
        assert timedelta(hours=12, seconds=-1) <= until - before <= timedelta(hours=12, seconds=60)
        assert client.login(phone).status == 403
        # Its time is over.
        server.rows("UPDATE x_user SET state_until = '2020-01-01 00:00:00.000000' WHERE phone = ?", phone)
        assert server.told("user", "show", phone)["standing"] == "active"
        assert refused(server, "user", "unfreeze", phone) == "state_conflict"
        assert client.login(phone).status == 200
        assert server.told("user", "show", phone)["state_reason"] is None

    def test_until_a_moment_of_any_offset(self, server: Server, registered: Answer, phone: str) -> None:
        moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=300)
        for text in (moment.astimezone(timezone(timedelta(hours=8))).isoformat(), f"{moment:%Y-%m-%d %H:%M:%S}Z"):
            frozen = server.told("user", "freeze", phone, "--reason", "x", "--until", text)
            assert datetime.fromisoformat(frozen["state_until"]) == moment

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["--reason", "x", "--for", "0"],
            ["--reason", "x", "--for", "soon"],
            ["--reason", "x", "--for", "-5m"],
            ["--reason", "x", "--until", "2090-01-01T16:00:00"],
            ["--reason", "x", "--until", "tomorrow"],
            ["--reason", "x", "--until", "0001-01-01T00:00:00+14:00"],
            ["--reason", "x", "--until", "9999-12-31T23:59:59-14:00"],
            ["--reason", "x", "--for", "1h", "--until", "2090-01-01T16:00:00Z"],
        ],
    )
    def test_wrong_usage_changes_nothing(
        self, server: Server, client: Client, registered: Answer, phone: str, arguments: list[str]
    ) -> None:
        done = server.menshen("user", "freeze", phone, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
        assert client.user_info(registered.token).status == 200

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["--reason", "a\nb"], "text_invalid"),
            (["--reason", "a" * 201], "text_invalid"),
            (["--reason", "x", "--until", "2020-01-01T00:00:00Z"], "freeze_invalid"),
            (["--reason", "x", "--until", "9999-01-01T00:00:00Z"], "freeze_invalid"),
        ],
    )
    def test_a_refusal_changes_nothing(
        self, server: Server, client: Client, registered: Answer, phone: str, arguments: list[str], reason: str
    ) -> None:
        assert refused(server, "user", "freeze", phone, *arguments) == reason
        assert client.user_info(registered.token).status == 200


class TestClosing:
    def test_it_counts_at_the_next_request_and_a_login_takes_it_back(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        before = datetime.now(UTC)
        closes_at = datetime.fromisoformat(server.told("user", "close", phone)["closes_at"])
        assert timedelta(days=7, seconds=-1) <= closes_at - before <= timedelta(days=7, seconds=60)
        assert client.user_info(registered.token).reason == "user_not_active"
        assert server.told("user", "show", phone)["standing"] == "closing"
        assert refused(server, "user", "close", phone) == "state_conflict"
        assert refused(server, "user", "unfreeze", phone) == "state_conflict"
        assert client.login(phone).status == 200
        assert client.user_info(registered.token).reason == "user_closed"
        assert server.told("user", "show", phone)["standing"] == "active"

    def test_a_closed_account_stays_closed_and_its_number_is_free(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        user = server.told("user", "fee", phone, "7")
        server.told("user", "close", phone)
        server.rows("UPDATE x_user SET state_until = '2020-01-01 00:00:00.000000' WHERE phone = ?", phone)
        assert client.login(phone).reason == "user_not_active"
        assert refused(server, "user", "freeze", phone, "--reason", "x") == "state_conflict"
        assert server.told("prune")["accounts"] == 1
        closed = server.told("user", "show", str(user["id"]))
        assert (closed["standing"], closed["state"], closed["phone"]) == ("closed", "已注销", None)
        assert (closed["user_name"], closed["fee_percentage"]) == (None, 7)
        assert client.login(phone).reason == "invalid_credentials"
        assert client.register(phone).status == 200
        assert server.told("user", "show", phone)["id"] > user["id"]


class TestFee:
    @pytest.mark.parametrize("percentage", [0, 100, 17])
    def test_it_is_seen_at_the_next_request(
        self, server: Server, client: Client, registered: Answer, phone: str, percentage: int
    ) -> None:
        assert server.told("user", "fee", phone, str(percentage))["fee_percentage"] == percentage
        assert client.user_info(registered.token).json["data"]["fee_percentage"] == percentage

    @pytest.mark.parametrize("percentage", ["-1", "101", "99999999999999999999"])
    def test_what_is_no_percentage_is_refused(
        self, server: Server, client: Client, registered: Answer, phone: str, percentage: str
    ) -> None:
        assert refused(server, "user", "fee", phone, percentage) == "fee_invalid"
        assert client.user_info(registered.token).json["data"]["fee_percentage"] == 4

    def test_what_is_no_number_is_wrong_usage(self, server: Server, phone: str) -> None:
        assert server.menshen("user", "fee", phone, "4.5").returncode == 2


class TestPolicy:
    def device(self, kind: str, name: str | None = None) -> dict[str, Any]:
        return {"device": {"type": kind, "name": name}}

    def test_it_counts_at_the_next_login(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        old = [registered, *(client.login(phone, **self.device("phone")) for _ in range(3))]
        shown = server.told("user", "policy", phone, '{"phone": 1, "total": 2}')
        assert shown["device_policy"] == '{"phone": 1, "total": 2, "overflow": "evict_oldest"}'
        assert [client.user_info(each.token).status for each in old] == [200] * 4
        new = client.login(phone, **self.device("phone", "小米 15"))
        told = [client.user_info(each.token) for each in old]
        assert [(each.status, each.reason) for each in told[1:]] == [(401, "session_replaced")] * 3
        assert told[1].json["data"]["by"] == {"type": "phone", "name": "小米 15"}
        # The one of another type was in nobody's way.
        assert {session["id"] for session in server.told("session", "list", phone)} == {
            registered.session_id,
            new.session_id,
        }

    def test_and_at_the_next_refresh(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        newer = client.login(phone)
        server.told("user", "policy", phone, "single")
        refused_refresh = client.refresh(registered.refresh_token)
        assert (refused_refresh.status, refused_refresh.reason) == (401, "session_replaced")
        assert client.user_info(registered.token).reason == "session_replaced"
        assert client.user_info(client.refresh(newer.refresh_token).token).status == 200

    def test_full_may_mean_that_the_newcomer_is_refused(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        server.told("user", "policy", phone, '{"total": 1, "overflow": "reject_new"}')
        full = client.login(phone, **self.device("pc"))
        assert (full.status, full.reason) == (403, "too_many_devices")
        assert [session["id"] for session in full.json["data"]["sessions"]] == [registered.session_id]
        assert client.user_info(registered.token).status == 200

    def test_default_takes_it_away_again(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        assert server.told("user", "policy", phone, "single")["device_policy"] == "single"
        assert server.told("user", "policy", phone, "multi")["device_policy"] == "multi"
        assert server.told("user", "policy", phone, "default")["device_policy"] is None
        client.login(phone)
        assert client.user_info(registered.token).status == 200

    @pytest.mark.parametrize(
        "policy", ["", "two", "[]", "{}", '{"phone": 1', '{"fridge": 1}', '{"phone": -1}', '{"phone": 1, "phone": 2}']
    )
    def test_what_is_no_policy_is_wrong_usage(
        self, server: Server, registered: Answer, phone: str, policy: str
    ) -> None:
        done = server.menshen("user", "policy", phone, policy)
        assert (done.returncode, done.stdout) == (2, "")
        assert "policy" in only_line(done.stderr)
        assert server.told("user", "show", phone)["device_policy"] is None


class TestAdmins:
    def test_granting_and_revoking_count_at_once(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        assert admin_login(client, phone).reason == "not_an_admin"
        assert server.told("user", "grant-admin", phone)["is_admin"] is True
        admin = admin_login(client, phone)
        assert client.request("GET", "/api/admin/users", token=admin.token).status == 200
        assert [session["kind"] for session in server.told("session", "list", phone)] == ["user", "admin"]

        assert server.told("user", "revoke-admin", phone)["is_admin"] is False
        told = client.request("GET", "/api/admin/users", token=admin.token)
        assert (told.status, told.reason) == (401, "session_kicked")
        refresh = client.request("POST", "/api/admin/token/refresh", {"refresh_token": admin.refresh_token})
        assert refresh.reason == "session_kicked"
        assert admin_login(client, phone).reason == "not_an_admin"
        # It is the session of the admin that has ended, not that of the user.
        assert client.user_info(registered.token).status == 200

    def test_a_frozen_admin_is_kept_out(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        server.told("user", "grant-admin", phone)
        admin = admin_login(client, phone)
        server.told("user", "freeze", phone, "--reason", "x")
        assert client.request("GET", "/api/admin/audit", token=admin.token).reason == "user_not_active"
        assert admin_login(client, phone).reason == "user_not_active"


@pytest.mark.parametrize(
    "arguments",
    [
        ["freeze", "--reason", "x"],
        ["unfreeze"],
        ["close"],
        ["fee", "5"],
        ["policy", "single"],
        ["grant-admin"],
        ["revoke-admin"],
    ],
)
def test_a_user_who_is_not_there(server: Server, arguments: list[str]) -> None:
    verb, *rest = arguments
    assert refused(server, "user", verb, "13500135999", *rest) == "no_such_user"


class TestGettingBackIn:
    def test_another_number(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        other = f"199{phone[3:]}"
        assert server.told("user", "phone", phone, other)["phone"] == other
        assert client.login(other).status == 200
        assert client.login(phone).reason == "invalid_credentials"
        assert client.user_info(registered.token).json["data"]["phone"] == other
        assert refused(server, "user", "phone", other, "12345") == "phone_invalid"
        assert refused(server, "user", "phone", phone, "19900000000") == "no_such_user"

    def test_another_password(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        told = server.told("user", "password", phone, stdin="a password by the operator\n")
        assert "a password" not in str(told)
        assert client.user_info(registered.token).reason == "password_changed"
        assert client.login(phone).reason == "invalid_credentials"
        assert client.login(phone, "a password by the operator").status == 200
        done = server.menshen("user", "password", phone, stdin="short\n")
        assert (done.returncode, only_line(done.stderr).split(": ")[1]) == (1, "password_length")
