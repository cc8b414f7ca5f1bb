"""Values in our rows that this version does not know, written by a newer one or a person, never cause a fault."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from falcon.testing import Result, TestClient

from menshen.domain.actors import Actor
from menshen.domain.devices import Client
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import User
from menshen.entrypoints.http.app import create_app
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.wiring import Service

from .databases import DatabaseServer
from .migrators import by_hand, told
from .racers import open_race_service
from .servers import PASSWORD
from .stores import migrated

OPERATOR = Actor.operator("root")
_numbers = count()


@frozen
class Place:
    """A service on a database that others write into as well."""

    url: str
    service: Service
    client: TestClient
    folder: Path

    def registered(self) -> User:
        return self.service.register_user(phone=f"133{next(_numbers):08}", password=PASSWORD)

    def login(self, user: User) -> Granted:
        assert user.phone is not None
        return self.service.login(PhoneAndPassword(user.phone.digits, PASSWORD), client=Client(remember=False))

    def admin_token(self) -> str:
        user = self.registered()
        assert user.phone is not None
        self.service.operate.set_admin(user.id, is_admin=True, actor=OPERATOR)
        return self.service.admin_login(PhoneAndPassword(user.phone.digits, PASSWORD)).access_token

    def get(self, path: str, token: str) -> Result:
        return self.client.simulate_get(path, headers={"token": token})

    def told(self, *arguments: str) -> Any:
        found = told(self.url, self.folder, *arguments, "--json")
        assert found.code == 0
        return json.loads(found.out)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/accounts.sqlite3"
    else:
        server: DatabaseServer = request.getfixturevalue(request.param)
        url = server.new_database()
    migrated(url)
    service = open_race_service(url)
    yield Place(url, service, TestClient(create_app(service, Settings())), folder)
    service.close()


def test_a_session_of_an_unknown_kind_opens_nothing_and_ends_with_all_others(place: Place) -> None:
    user = place.registered()
    granted, other = place.login(user), place.login(user)
    by_hand(place.url, f"UPDATE x_session SET kind = 'kiosk' WHERE id = '{granted.session.id}'")
    refused = place.get("/api/user/user_info", granted.access_token)
    assert (refused.status_code, refused.json["reason"]) == (401, "session_unknown")
    refreshed = place.client.simulate_post("/api/user/token/refresh", json={"refresh_token": granted.refresh_token})
    assert (refreshed.status_code, refreshed.json["reason"]) == (401, "refresh_token_invalid")
    assert place.get("/api/user/sessions", other.access_token).status_code == 200
    shown = place.get(f"/api/admin/users/{user.id}/sessions", place.admin_token()).json["data"]["sessions"]
    assert {each["id"]: each["kind"] for each in shown} == {
        granted.session.id: "unknown",
        other.session.id: "user",
    }
    assert {each["kind"] for each in place.told("session", "list", str(user.id))} == {"unknown", "user"}
    assert place.service.operate.kick(user.id, session_id=None, actor=OPERATOR) == 2
    assert place.service.sessions_of(user.id) == []


@pytest.mark.parametrize("reason", ["'bored'", "NULL"])
def test_an_end_for_an_unknown_reason_is_an_end(place: Place, reason: str) -> None:
    user = place.registered()
    granted = place.login(user)
    place.service.operate.kick(user.id, session_id=None, actor=OPERATOR)
    by_hand(
        place.url,
        f"UPDATE x_session SET end_reason = {reason}, end_device_type = 'watch' WHERE id = '{granted.session.id}'",
    )
    refused = place.get("/api/user/user_info", granted.access_token)
    assert (refused.status_code, refused.json["reason"]) == (401, "session_ended")
    assert refused.json["data"]["by"]["type"] == "other"
    refreshed = place.client.simulate_post("/api/user/token/refresh", json={"refresh_token": granted.refresh_token})
    assert (refreshed.status_code, refreshed.json["reason"]) == (401, "session_ended")
    explained = place.client.simulate_post(
        "/api/admin/explain", json={"token": granted.access_token}, headers={"token": place.admin_token()}
    )
    assert explained.json["data"]["verdict"] == "session_ended"
    assert explained.json["data"]["session"]["end"]["reason"] == "unknown"


def test_an_unknown_device_is_another_one(place: Place) -> None:
    user = place.registered()
    granted = place.login(user)
    by_hand(place.url, f"UPDATE x_session SET device_type = 'watch' WHERE id = '{granted.session.id}'")
    assert place.get("/api/user/user_info", granted.access_token).status_code == 200
    [session] = place.get("/api/user/sessions", granted.access_token).json["data"]["sessions"]
    assert session["device"]["type"] == "other"


def test_an_unknown_action_is_shown_as_it_is(place: Place) -> None:
    user = place.registered()
    by_hand(
        place.url,
        "INSERT INTO x_audit (at, actor, action, outcome, subject, device_type)"
        f" VALUES ('2026-01-02 03:04:05', 'robot:1', 'dance', 'well', {user.id}, 'watch')",
    )
    shown = place.get(f"/api/admin/audit?user={user.id}", place.admin_token()).json["data"]["entries"]
    assert [(each["action"], each["outcome"]) for each in shown] == [("dance", "well"), ("register", "done")]
    assert shown[0]["device"]["type"] == "other"
    assert place.told("audit", "--user", str(user.id))[0]["action"] == "dance"


@pytest.mark.parametrize(
    "policy",
    ["no JSON", "[]", "3", '"multi"', '{"watch": 1}', '{"phone": "x"}', '{"overflow": ["a"]}', "[" * 5000],
    ids=lambda policy: policy[:20],
)
def test_a_policy_that_cannot_be_read_is_the_strictest_and_stays(place: Place, policy: str) -> None:
    user = place.registered()
    first = place.login(user)
    by_hand(place.url, f"UPDATE x_user SET device_policy = '{policy}' WHERE id = {user.id}")
    second = place.login(user)
    assert place.get("/api/user/user_info", first.access_token).json["reason"] == "session_replaced"
    assert place.get("/api/user/user_info", second.access_token).status_code == 200
    shown = place.get(f"/api/admin/users/{user.id}", place.admin_token()).json["data"]
    assert shown["device_policy"] == {"total": 1, "overflow": "evict_oldest"}
    assert place.told("user", "show", str(user.id))["id"] == user.id
    # Whatever else changes: what a newer version has written is still there for it.
    place.service.operate.set_fee(user.id, percentage=9, actor=OPERATOR)
    by_hand(
        place.url,
        f"UPDATE x_user SET user_name = CASE WHEN device_policy = '{policy}' THEN 'kept' ELSE 'lost' END"
        f" WHERE id = {user.id}",
    )
    found = place.service.find_user.by_id(user.id)
    assert found is not None
    assert (found.user_name, found.fee_percentage) == ("kept", 9)
    # An operator can give another one.
    place.service.operate.set_policy(user.id, policy=None, actor=OPERATOR)
    found = place.service.find_user.by_id(user.id)
    assert found is not None
    assert found.device_policy is None
