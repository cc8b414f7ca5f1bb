"""``menshen audit`` and ``menshen prune``, beside a server that runs at the same time."""

import os
import pwd
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from menshen.adapters.system_clock import SystemClock

from .servers import PASSWORD, Answer, Client, Server, free_port, menshen, only_line, serving

_numbers = count()

MEMBERS = {
    *("id", "time", "actor", "action", "outcome", "subject", "detail", "session_id", "device_type", "device_name"),
    *("address", "times", "last_time", "shown"),
}

LONG_AGO = "2020-01-01 00:00:00.000000"


@pytest.fixture
def phone() -> str:
    return f"134{next(_numbers):08}"


@pytest.fixture
def registered(client: Client, phone: str) -> Answer:
    return client.register(phone)


def audit(server: Server, *arguments: str) -> list[dict[str, Any]]:
    found = server.told("audit", *arguments)
    assert isinstance(found, list)
    assert all(entry.keys() == MEMBERS for entry in found)
    assert [entry["id"] for entry in found] == sorted((entry["id"] for entry in found), reverse=True)
    return found


class TestAudit:
    def test_it_tells_what_happened_to_a_user_newest_first(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        client.login(phone, "a wrong password")
        second = client.login(phone, device={"type": "pc", "name": "电脑"})
        client.logout(second.token)
        user = server.told("user", "freeze", phone, "--reason", "欺诈")
        entries = audit(server, "--user", phone)
        me, operator = f"user:{user['id']}", f"operator:{pwd.getpwuid(os.getuid()).pw_name}"
        assert {entry["subject"] for entry in entries} == {user["id"]}
        told = [(entry["action"], entry["outcome"], entry["actor"], entry["detail"]) for entry in reversed(entries)]
        assert told == [
            ("register", "done", me, None),
            ("log_in", "done", me, None),
            ("log_in", "invalid_credentials", "nobody", None),
            ("log_in", "done", me, None),
            ("end_session", "done", me, "logged_out"),
            ("end_session", "done", operator, "user_frozen"),
            ("freeze", "done", operator, "欺诈"),
        ]
        ended = entries[2]
        assert (ended["session_id"], ended["device_name"]) == (second.session_id, "电脑")
        assert {entry["address"] for entry in entries} == {"127.0.0.1", None}
        assert audit(server, "--user", str(user["id"])) == entries

    def test_every_act_of_an_operator_is_in_it(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=300)
        for verb, *rest in (
            ["fee", "7"],
            ["policy", "single"],
            ["policy", "default"],
            ["grant-admin"],
            ["revoke-admin"],
            ["freeze", "--reason=x", f"--until={until.isoformat()}"],
            ["unfreeze"],
            ["close"],
        ):
            server.told("user", verb, phone, *rest)
        by_operator = [e for e in reversed(audit(server, "--user", phone)) if e["actor"].startswith("operator:")]
        assert [(entry["action"], entry["detail"]) for entry in by_operator] == [
            ("set_fee", "7"),
            ("set_policy", "{'total': 1, 'overflow': 'evict_oldest'}"),
            ("set_policy", "everybody's"),
            ("grant_admin", None),
            ("revoke_admin", None),
            ("end_session", "user_frozen"),
            ("freeze", f"until {until.isoformat()}: x"),
            ("unfreeze", None),
            ("close", None),
        ]

    def test_pages_follow_each_other(self, server: Server, client: Client, registered: Answer, phone: str) -> None:
        for _ in range(6):
            client.login(phone)
        whole = audit(server, "--user", phone)
        first = audit(server, "--user", phone, "--limit", "5")
        rest = audit(server, "--user", phone, "--limit", "5", "--before", str(first[-1]["id"]))
        assert (len(first), first + rest) == (5, whole)

    def test_without_a_user_it_is_about_everybody_a_hundred_at_the_most(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        client.login(phone, "a wrong password")
        client.login("13400134999")
        newest = audit(server, "--limit", "2")
        assert [(entry["subject"] is None, entry["outcome"]) for entry in newest] == [
            (True, "invalid_credentials"),
            (False, "invalid_credentials"),
        ]
        server.rows(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) INSERT INTO x_audit"
            " (at, actor, action, outcome) SELECT '2026-01-01 00:00:00.000000', 'nobody', 'log_in', 'busy' FROM n"
        )
        assert len(audit(server, "--limit", "1000")) == len(audit(server)) == 100

    def test_the_columns_stand_below_each_other(self, server: Server, registered: Answer, phone: str) -> None:
        for reason in ("欺诈", "spam", "a\N{RIGHT-TO-LEFT OVERRIDE}b"):
            server.told("user", "freeze", phone, "--reason", reason)
            server.told("user", "unfreeze", phone)
        header, *rows = server.menshen("audit", "--user", phone).stdout.splitlines()
        assert header.split() == ["id", "time", "actor", "action", "outcome", "subject", "detail", "times", "address"]
        subject = header.index("subject")
        for row in rows:
            # A Chinese character takes two columns of a terminal; in GBK it takes two bytes.
            assert row.encode("gbk")[subject - 1 : subject + 1].strip().isdigit(), rows
            assert row.isprintable()

    def test_control_characters_of_a_foreign_writer_do_not_reach_the_terminal(
        self, server: Server, registered: Answer, phone: str
    ) -> None:
        [(user_id,)] = server.rows("SELECT id FROM x_user WHERE phone = ?", phone)
        server.rows("UPDATE x_audit SET detail = ? WHERE subject = ?", "a\x1b]0;title\x07\n\x9b31m", user_id)
        server.rows("UPDATE x_audit SET outcome = ? WHERE subject = ?", "done\r\x7f", user_id)
        rows = server.menshen("audit", "--user", phone).stdout.splitlines()[1:]
        assert len(rows) == 2
        for row in rows:
            assert "done??" in row
            assert "a?]0;title???31m" in row
            assert row.isprintable()

    def test_times_are_in_the_zone_that_is_set(self, server: Server, registered: Answer, phone: str) -> None:
        here = audit(server, "--user", phone)[0]["time"]
        done = menshen(
            *("audit", "--user", phone), folder=server.folder, DATA_DIR=str(server.data_dir), TIME_ZONE="Asia/Shanghai"
        )
        [line] = [line for line in done.stdout.splitlines() if "register" in line]
        there = datetime.fromisoformat(line.split("  ")[1])
        assert there.utcoffset() == timedelta(hours=8)
        assert abs(there - datetime.fromisoformat(here)) < timedelta(seconds=60)

    def test_refusals_and_wrong_usage(self, server: Server) -> None:
        nobody = server.menshen("audit", "--user", "13400134999")
        assert (nobody.returncode, nobody.stdout) == (1, "")
        assert only_line(nobody.stderr).startswith("menshen: no_such_user: ")
        for arguments in (["--limit", "many"], ["--before"], ["13400134999"]):
            assert server.menshen("audit", *arguments).returncode == 2


class TestPrune:
    def test_what_is_old_goes_and_what_is_not_stays(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        server.told("prune")
        over, ended, live = client.login(phone), client.login(phone), client.login(phone)
        client.logout(ended.token)
        server.rows("UPDATE x_session SET expires_at = ?1, over_at = ?1 WHERE id = ?2", LONG_AGO, over.session_id)
        server.rows("UPDATE x_session SET ended_at = ?1, over_at = ?1 WHERE id = ?2", LONG_AGO, ended.session_id)
        [(user_id,)] = server.rows("SELECT id FROM x_user WHERE phone = ?", phone)
        server.rows("UPDATE x_audit SET at = ? WHERE subject = ? AND action = 'register'", LONG_AGO, user_id)
        done = server.menshen("prune")
        assert (done.returncode, done.stdout) == (0, "sessions       2\naudit_entries  1\naccounts       0\n")
        assert server.told("prune") == {"sessions": 0, "audit_entries": 0, "accounts": 0}
        assert "register" not in {entry["action"] for entry in audit(server, "--user", phone)}
        assert client.user_info(over.token).reason == "session_unknown"
        assert client.user_info(ended.token).reason == "session_unknown"
        assert client.user_info(live.token).status == client.user_info(registered.token).status == 200

    def test_a_session_that_has_just_ended_can_still_be_told(
        self, server: Server, client: Client, registered: Answer
    ) -> None:
        client.logout(registered.token)
        server.told("prune")
        assert client.user_info(registered.token).reason == "session_logged_out"

    def test_more_than_a_batch_goes_while_others_log_in(
        self, server: Server, client: Client, registered: Answer, phone: str
    ) -> None:
        server.rows(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1700) INSERT INTO x_audit"
            " (at, actor, action, outcome) SELECT ?, 'nobody', 'log_in', 'busy' FROM n",
            LONG_AGO,
        )
        assert server.told("prune")["audit_entries"] == 1700
        assert client.login(phone).status == 200

    def test_the_retention_is_what_is_set(self, tmp_path: Path) -> None:
        with serving(tmp_path / "server", AUDIT_RETENTION="1h") as server, server.client() as client:
            client.register("13800138000")
            server.rows("UPDATE x_audit SET at = datetime('now', '-2 hours') || '.000000' WHERE action = 'register'")
            assert server.told("prune")["audit_entries"] == 1
            assert [entry["action"] for entry in audit(server)] == ["log_in"]

    def test_it_needs_no_server(self, tmp_path: Path) -> None:
        assert menshen("user", "create", "13800138000", folder=tmp_path, stdin=PASSWORD).returncode == 0
        done = menshen("prune", "--json", folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, '{"sessions": 0, "audit_entries": 0, "accounts": 0}\n')

    @pytest.mark.parametrize("was_pruned", [False, True])
    def test_by_a_clock_that_is_a_year_ahead_nothing_goes_until_somebody_vouches_for_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_pruned: bool
    ) -> None:
        here = Server(tmp_path, {}, port=free_port())
        assert here.menshen("user", "create", "13800138000", stdin=PASSWORD).returncode == 0
        if was_pruned:
            here.told("prune")
        right, before = SystemClock.now, here.rows("SELECT * FROM x_audit")
        monkeypatch.setattr(SystemClock, "now", lambda clock: right(clock) + timedelta(days=365))
        for options in ([], ["--json"]):
            done = here.menshen("prune", *options)
            assert (done.returncode, done.stdout) == (1, "")
            line = only_line(done.stderr)
            assert line.startswith(f"menshen: clock_in_doubt: The clock says {SystemClock().now().year}-")
            assert line.endswith("Set the clock right; where it is right, say so: menshen prune --clock-is-right")
            assert here.rows("SELECT * FROM x_audit") == before
        pruned = here.told("prune", "--clock-is-right")
        assert pruned == {"sessions": 0, "audit_entries": 1, "accounts": 0}
        [entry] = audit(here)
        assert (entry["action"], entry["actor"]) == ("vouch_for_clock", f"operator:{pwd.getpwuid(os.getuid()).pw_name}")
        assert here.told("prune") == {"sessions": 0, "audit_entries": 0, "accounts": 0}

    def test_wrong_usage(self, server: Server) -> None:
        assert server.menshen("prune", "everything").returncode == 2


@pytest.fixture(scope="module", autouse=True)
def _nothing_went_wrong(server: Server) -> Iterator[None]:
    # Entries of years ago and then none would be a gap, in a store that was never pruned.
    server.told("prune")
    yield
    assert "Traceback" not in server.log
