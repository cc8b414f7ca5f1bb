"""What is erased of a closed account, and what stays: the list in docs/http.md, checked on each product."""

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from menshen.adapters.sql.tables import metadata, users
from menshen.domain.actors import Actor
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword

from .databases import DatabaseServer
from .migrators import by_hand
from .racers import open_race_service
from .servers import PASSWORD
from .stores import migrated

PAGE = Path(__file__).parents[2] / "docs" / "http.md"
OPERATOR = Actor.operator("root")
PHONE, THEIRS = "13800138000", "13900139000"


def listed(table: str) -> tuple[set[str], set[str]]:
    """The columns that the page says are erased, and those that it says stay."""
    [line] = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{table}` |")]
    erased, stays = (set(re.findall(r"`([a-z_]+)`", cell)) for cell in line.split("|")[2:4])
    return erased, stays


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/accounts.sqlite3"
    server: DatabaseServer = request.getfixturevalue(request.param)
    return server.new_database()


def rows(url: str, statement: str, **parameters: object) -> list[dict[str, Any]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(text(statement), parameters).mappings()]
    engine.dispose()
    return found


def test_the_page_names_every_table_that_refers_to_a_user() -> None:
    referring = {
        table.name for table in metadata.sorted_tables for key in table.foreign_keys if key.column.table is users
    }
    assert "x_session" in referring
    for name in referring:
        listed(name)


@pytest.mark.parametrize("null", ["", " NOT NULL DEFAULT 'x'"])
def test_the_page_says_what_is_erased_and_what_stays(url: str, null: str) -> None:
    migrated(url)
    by_hand(url, f"ALTER TABLE x_user ADD COLUMN token VARCHAR(255){null}")
    service = open_race_service(url)
    referrer = service.register_user(phone="13700137000", password=PASSWORD)
    user = service.register_user(phone=PHONE, password=PASSWORD, user_name="张三", invited_by=referrer.id)
    service.login(PhoneAndPassword(PHONE, PASSWORD))
    service.operate.freeze(user.id, reason="a rude person", until=None, actor=OPERATOR)
    service.operate.unfreeze(user.id, actor=OPERATOR)
    service.browse.user(user.id, caller=OPERATOR)
    by_hand(
        url,
        "UPDATE x_user SET token = 'a token', openid = 'an openid', is_admin = TRUE, device_policy = '{}',"
        f" account_balance = 12.34, state = '注销中', state_until = '2026-01-01 00:00:00', state_reason = 'rude'"
        f" WHERE id = {user.id}",
        "UPDATE x_audit SET device_id = 'd', device_name = 'n', last_at = at, detail = COALESCE(detail, 'what'),"
        f" likeness = 'l', shown = 1, session_id = 's', device_type = 'pc', address = '192.0.2.1'"
        f" WHERE subject = {user.id} AND action = 'freeze'",
    )
    of_user, of_log = "SELECT * FROM x_user WHERE id = :id", "SELECT * FROM x_audit WHERE subject = :id ORDER BY id"
    [before], log_before = rows(url, of_user, id=user.id), rows(url, of_log, id=user.id)
    assert service.prune().accounts == 1
    service.close()

    [after], log = rows(url, of_user, id=user.id), rows(url, of_log, id=user.id)
    erased, stays = listed("x_user")
    assert erased | stays == set(after)
    assert erased & stays == set()
    assert not any(after[name] for name in erased), after
    assert {name: after[name] for name in stays - {"state"}} == {name: before[name] for name in stays - {"state"}}
    assert after["state"] == "已注销"
    assert rows(url, "SELECT id FROM x_session WHERE user_id = :id", id=user.id) == []
    erased, stays = listed("x_audit")
    assert erased | stays == set(log[0])
    assert len(log) == len(log_before) + 1
    for entry, as_it_was in zip(log, log_before, strict=False):
        assert {name: entry[name] for name in stays} == {name: as_it_was[name] for name in stays}
        if entry["action"] in {"freeze", "read"}:
            assert entry["detail"] is None


def test_what_another_program_has_closed_is_not_ours_to_erase(url: str) -> None:
    migrated(url)
    service = open_race_service(url)
    user = service.register_user(phone=THEIRS, password=PASSWORD, user_name="李四")
    by_hand(url, f"UPDATE x_user SET state = '已注销' WHERE id = {user.id}")
    before = rows(url, "SELECT * FROM x_user WHERE id = :id", id=user.id)
    assert service.prune().accounts == 0
    service.close()
    assert rows(url, "SELECT * FROM x_user WHERE id = :id", id=user.id) == before
