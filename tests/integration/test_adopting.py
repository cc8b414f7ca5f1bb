"""``menshen adopt`` adopts a tutorial's database on each product, and everybody logs in afterwards."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from menshen.adapters.sql.database import open_database
from menshen.adapters.sql.migrating import differences

from .servers import Client, Server, serving
from .tutorial_tables import (
    CAN_LOG_IN,
    COLUMNS,
    DECIDED,
    DECISIONS,
    LEFT,
    PRODUCTS,
    TAKEN,
    THEIRS,
    WEAK,
    ZONE,
    Tutorial,
    adopt,
    long_scrypt,
    menshen_told,
    nasty_rows,
    new_tutorial,
    password_of,
    row,
)

# All but phone and registration_time.
OTHERS = [0, 1, 3, 4, 5, 7, 8, 9, 10]
PASSWORD_COLUMN, STATE_COLUMN = COLUMNS.index("password"), COLUMNS.index("state")


@frozen
class Adopted:
    """A database that has been adopted, what was there before, and a server on it."""

    tutorial: Tutorial
    dump: Any
    dump_after_dry_run: Any
    rows: dict[int, tuple[Any, ...]]
    rows_after: dict[int, tuple[Any, ...]]
    """The rows after the adoption, before anybody logged in."""
    report: dict[str, Any]
    outcome: dict[str, Any]
    server: Server

    def client(self) -> Client:
        return self.server.client()


@pytest.fixture(scope="module", params=PRODUCTS)
def adopted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    folder: Path = tmp_path_factory.mktemp("adopted")
    tutorial = new_tutorial(request.param, folder, request)
    tutorial.make()
    tutorial.insert(nasty_rows(tutorial.product))
    tutorial.execute(*THEIRS)
    dump, rows = tutorial.dump(), tutorial.rows()
    report = adopt(tutorial, "--dry-run", *DECISIONS)
    dump_after = tutorial.dump()
    outcome = adopt(tutorial, "--yes", *DECISIONS)
    rows_after = tutorial.rows()
    with serving(folder / "server", DATABASE_URL=tutorial.url, TIME_ZONE=ZONE) as server:
        yield Adopted(tutorial, dump, dump_after, rows, rows_after, report, outcome, server)
        assert server.returncode is None


def test_a_dry_run_reports_everything_and_changes_nothing(adopted: Adopted) -> None:
    report = adopted.report
    assert report["rows"] == 33
    assert report["accounts_before"] == 0
    assert report["to_be_taken"] == len(TAKEN)
    assert report["without_phone"] == 2
    assert report["left"] == len(LEFT)
    assert report["left_rows"] == list(LEFT)
    assert report["left_by_reason"] == dict(Counter(each["why"] for each in LEFT))
    found = [(each["state"], each["rows"], each["is_known"], each["becomes"]) for each in report["states"]]
    assert found[0] == ("正常", 23, True, None)
    assert sorted(found[1:], key=str) == sorted(
        [
            (None, 1, False, None),
            ("冻结", 1, True, None),
            ("已注销", 1, True, None),
            # Known to us only with an end, which the tutorial's table has no place for.
            ("注销中", 1, False, None),
            ("禁用", 1, False, None),
            ("正常 ", 1, True, "正常"),
            ("", 1, False, None),
            ("\u3000冻结\u200b\n", 1, True, "冻结"),
            ("封禁 ", 1, True, "冻结"),
            ("停用", 1, True, "正常"),
        ],
        key=str,
    )
    assert report["to_be_wrapped"] == len(WEAK)
    assert {each["hash"]: (each["rows"], each["can_log_in"], each["is_weak"]) for each in report["hashes"]} == {
        "argon2": (1, True, False),
        "bcrypt": (1, True, False),
        "scrypt": (2, True, False),
        "pbkdf2": (24, True, False),
        "md5": (1, True, True),
        "salted sha256": (1, True, True),
        "cut": (1, False, False),
        "unknown": (1, False, False),
        "none": (1, False, False),
    }
    assert report["obstacles"] == []
    assert report["time_zone"] == ZONE
    assert adopted.dump_after_dry_run == adopted.dump


def test_the_adoption_does_what_the_report_said(adopted: Adopted) -> None:
    promised = {name.removeprefix("to_be_"): value for name, value in adopted.report.items()}
    assert adopted.outcome == promised


def test_who_can_log_in_does_so_with_the_old_password_and_sees_what_was_there(adopted: Adopted) -> None:
    rows = {each["id"]: each for each in nasty_rows(adopted.tutorial.product)}
    with adopted.client() as client:
        for user_id, digits in CAN_LOG_IN.items():
            old = rows[user_id]
            for spelling in (old["phone"].removesuffix(".0"), digits):
                token = client.login(spelling, password_of(user_id)).token
            seen = client.user_info(token).json["data"]
            time = old["registration_time"]
            assert seen == {
                "id": user_id,
                "mid": old.get("mid"),
                "phone": digits,
                "user_name": old["user_name"],
                "openid": None,
                "registration_time": None if time is None or time.startswith("0000") else time[:19],
                "account_balance": float(old["account_balance"] or 0),
                "state": "正常",
                "fee_percentage": old["fee_percentage"] or 4,
            }, old


def test_money_is_exact_to_the_last_digit(adopted: Adopted) -> None:
    with adopted.client() as client:
        token = client.login("13800138001", password_of(1)).token
        assert b"1234567890.1234" in client.user_info(token).body


def test_who_could_not_log_in_before_cannot_now(adopted: Adopted) -> None:
    with adopted.client() as client:
        assert client.login("13800138010", password_of(10)).reason == "user_not_active"
        assert client.login("13800138014", password_of(14)).reason == "user_not_active"
        assert client.login("13800138011", "anything").reason == "invalid_credentials"
        assert client.login("13800138012", "plain text").reason == "invalid_credentials"
        assert client.login("13800138015", password_of(15)).reason == "invalid_credentials"
        assert client.login("13800138016", password_of(16)).reason == "invalid_credentials"
        assert client.login("13800138022", password_of(22)).reason == "user_not_active"
        # The number is another row's, and so is the password that goes with it.
        assert client.login("13800138001", password_of(5)).reason == "invalid_credentials"


def test_states_become_what_they_say_or_what_was_decided(adopted: Adopted) -> None:
    ids = ", ".join(map(str, sorted(DECIDED)))
    found = adopted.tutorial.execute(f"SELECT id, state, state_reason FROM x_user WHERE id IN ({ids}) ORDER BY id")
    # Of a state that froze somebody the text stays, as a reason.
    assert found == [(26, "正常", None), (28, "冻结", None), (29, "冻结", "封禁"), (30, "正常", None)]
    with adopted.client() as client:
        for user_id in (27, 28, 29):
            assert client.login(f"138001380{user_id}", password_of(user_id)).reason == "user_not_active"


def test_a_later_decision_applies_to_accounts_adopted_before(adopted: Adopted) -> None:
    assert adopt(adopted.tutorial, "--yes", "--state", "禁用=frozen", "--state", "=frozen")["settled"] == 2
    found = adopted.tutorial.execute("SELECT id, state, state_reason FROM x_user WHERE id IN (10, 27) ORDER BY id")
    assert found == [(10, "冻结", "禁用"), (27, "冻结", None)]


def frozen_and_let_in(tutorial: Tutorial, phone: str) -> None:
    """An operator freezes the user without an end, and then lets the user in."""
    for arguments in (["freeze", phone, "--reason", "to be looked at"], ["unfreeze", phone]):
        code, _, err = menshen_told(tutorial, "user", *arguments)
        assert (code, err) == (0, "")


def test_an_operator_lets_in_whom_a_state_of_before_keeps_out(adopted: Adopted) -> None:
    frozen_and_let_in(adopted.tutorial, "13800138022")
    with adopted.client() as client:
        token = client.login("13800138022", password_of(22)).token
        assert client.user_info(token).json["data"]["state"] == "正常"


def test_a_user_whose_hash_is_longer_than_ours_can_be_frozen_before_the_first_login(adopted: Adopted) -> None:
    frozen_and_let_in(adopted.tutorial, "13800138023")
    assert adopted.tutorial.rows()[23] == adopted.rows_after[23]
    with adopted.client() as client:
        assert client.login("13800138023", password_of(23)).token
        # The first login has made another hash.
        assert client.login("13800138023", password_of(23)).token
    assert adopted.tutorial.rows()[23] != adopted.rows_after[23]


@pytest.mark.parametrize("product", PRODUCTS)
def test_texts_that_are_longer_than_ours_stay_whole(
    product: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tutorial = new_tutorial(product, tmp_path, request)
    tutorial.make()
    if product != "sqlite":
        change = {"postgresql": "ALTER COLUMN {} TYPE VARCHAR(200)", "mariadb": "MODIFY {} VARCHAR(200)"}[product]
        tutorial.execute(
            *(f"ALTER TABLE x_user {change.format(name)}" for name in ("user_name", "openid", "state")),
        )
    texts = {"user_name": "名" * 162, "openid": "o" * 162}
    tutorial.insert(
        [
            row(1, "13800138001", password=long_scrypt(password_of(1)), **texts),
            row(2, "13800138002", state="禁" * 162, **texts),
        ]
    )
    assert adopt(tutorial, "--yes")["taken"] == 2
    with serving(tmp_path / "server", DATABASE_URL=tutorial.url, TIME_ZONE=ZONE) as server, server.client() as client:
        assert client.login("13800138002", password_of(2)).reason == "user_not_active"
        frozen_and_let_in(tutorial, "13800138002")
        for user_id, phone in ((1, "13800138001"), (2, "13800138002")):
            token = client.login(phone, password_of(user_id)).token
            seen = client.user_info(token).json["data"]
            assert {name: seen[name] for name in texts} == texts
    hashes = [password for (password,) in tutorial.execute("SELECT password FROM x_user")]
    assert all(each.startswith("$argon2id$") for each in hashes)


def test_what_is_left_is_as_it_was_to_the_byte(adopted: Adopted) -> None:
    rows = adopted.tutorial.rows()
    for each in LEFT:
        assert rows[each["id"]] == adopted.rows[each["id"]]


def test_of_a_row_that_was_taken_only_phone_and_time_are_others(adopted: Adopted) -> None:
    for user_id in TAKEN:
        before, after = adopted.rows[user_id], adopted.rows_after[user_id]
        changed = {number for number in OTHERS if after[number] != before[number]}
        expected = {PASSWORD_COLUMN: WEAK, STATE_COLUMN: DECIDED}
        assert changed == {number for number, ids in expected.items() if user_id in ids}


def test_no_weak_hash_is_left_once_all_is_adopted(adopted: Adopted) -> None:
    """Not even of those who never log in again."""
    ids = ", ".join(map(str, sorted(WEAK)))
    before = [password for (password,) in adopted.tutorial.execute(f"SELECT password FROM x_user WHERE id IN ({ids})")]
    assert all(each.startswith(("wrapped:", "$argon2id$")) for each in before), before


def test_a_number_is_registered_once(adopted: Adopted) -> None:
    with adopted.client() as client:
        for spelling in ("13800138001", "+86 13800138002", "１３８００１３８００４"):
            assert client.register(spelling).reason == "phone_taken"


def test_the_number_of_a_row_that_is_left_is_nobody_elses(adopted: Adopted) -> None:
    """Otherwise its owner would have another account, and the row could never be adopted."""
    assert adopted.report["to_be_kept"] == adopted.outcome["kept"] == 1
    with adopted.client() as client:
        assert client.register("+86 13800138017").reason == "phone_taken"
        assert client.login("13800138017", password_of(17)).reason == "invalid_credentials"


def test_who_closed_an_account_with_the_old_application_has_given_up_the_number(adopted: Adopted) -> None:
    with adopted.client() as client:
        token = client.register("13800138016").token
        assert client.user_info(token).json["data"]["id"] > 33
    assert adopted.tutorial.rows()[16] == adopted.rows[16]


def test_every_other_command_works(adopted: Adopted) -> None:
    code, out, err = menshen_told(adopted.tutorial, "migrate", "--check")
    assert (code, err) == (0, "")
    assert "up to date" in out
    code, out, err = menshen_told(adopted.tutorial, "user", "show", "13800138002", "--json")
    assert code == 0, err


def test_the_tables_are_ours_but_for_what_the_tutorial_has_more_and_sqlite_cannot_change(adopted: Adopted) -> None:
    database = open_database(adopted.tutorial.url, connections=1)
    found = differences(database)
    database.close()
    kinds = {_kind_of(each) for each in found}
    # The column that is not ours stays, and nothing is made narrower than it was.
    accepted = {("remove_column", "token"), ("modify_type", "password")}
    if adopted.tutorial.product == "sqlite":
        # What SQLite keeps in a NUMERIC column comes back exactly for as long as only the old application writes there.
        accepted.add(("modify_type", "account_balance"))
    assert kinds <= accepted, found


def _kind_of(difference: Any) -> tuple[str, str]:
    """The kind of a difference that Alembic tells of, and the column."""
    one = difference[0] if isinstance(difference, list) else difference
    name = one[3].name if one[0].endswith("_column") else one[3]
    return one[0], name


def test_the_old_applications_tables_are_as_they_were(adopted: Adopted) -> None:
    assert adopted.tutorial.execute("SELECT version_num FROM alembic_version") == [("deadbeef0000",)]
    assert adopted.tutorial.execute("SELECT id, buyer FROM orders") == [(1, 1)]


def test_what_the_old_application_adds_and_an_operator_mends_is_taken_by_the_next_run(adopted: Adopted) -> None:
    tutorial = adopted.tutorial
    before = tutorial.rows()
    tutorial.insert([row(1001, "0086-13800139001", registration_time="2024-05-06 07:08:09"), row(1002, "13800138001")])
    tutorial.execute("UPDATE x_user SET phone = '13800138007' WHERE id = 7")

    outcome = adopt(tutorial, "--yes")

    assert outcome["taken"] == 2
    assert {each["id"] for each in outcome["left_rows"]} == {each["id"] for each in LEFT} - {7} | {1002}
    after = tutorial.rows()
    untouched = before.keys() - {7}
    assert {user_id: after[user_id] for user_id in untouched} == {user_id: before[user_id] for user_id in untouched}
    with adopted.client() as client:
        for user_id, digits, time in (
            (7, "13800138007", "2021-03-04 05:06:07"),
            (1001, "13800139001", "2024-05-06 07:08:09"),
        ):
            seen = client.user_info(client.login(digits, password_of(user_id)).token).json["data"]
            assert (seen["id"], seen["registration_time"]) == (user_id, time)


def test_a_run_that_finds_nothing_to_do_changes_nothing(adopted: Adopted) -> None:
    before = adopted.tutorial.dump()
    assert adopt(adopted.tutorial, "--yes")["to_be_taken"] == 0
    assert adopted.tutorial.dump() == before


def test_a_deleted_users_token_never_opens_the_account_that_gets_the_same_id(adopted: Adopted) -> None:
    with adopted.client() as client:
        token = client.register("13800139100").token
        user_id = client.user_info(token).json["data"]["id"]
        adopted.tutorial.execute(f"DELETE FROM x_user WHERE id = {user_id}")
        new = client.register("13800139101").token
        assert client.user_info(token).status == 401
        assert client.user_info(new).json["data"]["phone"] == "13800139101"
        if adopted.tutorial.product == "sqlite":
            assert client.user_info(new).json["data"]["id"] == user_id
