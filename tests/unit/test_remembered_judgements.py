"""What is remembered is served only as long as it is known to be so."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import falcon
import pytest
from attrs import define, evolve
from falcon.testing import TestClient, create_environ

from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.adapters.remembering.judgements import MOST_SECONDS
from menshen.domain.devices import NO_CLIENT
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import WouldWait
from menshen.domain.sessions import SessionIdle
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import UserId, UserNotActive
from menshen.entrypoints.accounts import Accounts
from menshen.entrypoints.http.app import create_app
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import Mine, logged
from .memory_house import MOMENT, OPERATOR, OTHER_PHONE, PASSWORD, House
from .remembering_house import RememberingHouse


@pytest.fixture
def remembering() -> RememberingHouse:
    found = RememberingHouse()
    found.house.register()
    return found


def test_the_second_request_reads_nothing(remembering: RememberingHouse) -> None:
    granted, other = remembering.login(), remembering.login()
    assert [remembering.reads(each) for each in (granted, other, granted, other, granted)] == [1, 1, 0, 0, 0]


CHANGES: dict[str, tuple[Callable[[RememberingHouse, Granted, Granted], object], str]] = {
    "logout": (lambda r, g, _: r.service.logout(g.principal), "session_logged_out"),
    "kick": (lambda r, g, _: r.service.operate.kick(g.user.id, session_id=None, actor=OPERATOR), "session_kicked"),
    "kick one": (
        lambda r, g, _: r.service.operate.kick(g.user.id, session_id=g.session.id, actor=OPERATOR),
        "session_kicked",
    ),
    "kicked by another session": (
        lambda r, g, o: r.service.end_sessions.others(o.principal, password=None, client=NO_CLIENT),
        "session_kicked",
    ),
    "everybody kicked": (lambda r, g, _: r.service.kick_everybody(caller=OPERATOR), "session_kicked"),
    "everybody kicked by an admin": (
        lambda r, g, _: r.service.kick_everybody(caller=admin(r).principal, password=PASSWORD),
        "session_kicked",
    ),
    "freeze": (
        lambda r, g, _: r.service.operate.freeze(g.user.id, reason="x", until=None, actor=OPERATOR),
        "user_not_active",
    ),
    "password": (
        lambda r, g, o: r.service.change_password(o.principal, old=PASSWORD, new="another password", client=NO_CLIENT),
        "password_changed",
    ),
    "password set": (
        lambda r, g, _: r.service.set_password(g.user.id, password="another password", actor=OPERATOR),
        "password_changed",
    ),
    "close": (
        lambda r, g, o: r.service.close_account(o.principal, password=PASSWORD, client=NO_CLIENT),
        "user_not_active",
    ),
    "name": (lambda r, g, o: r.service.rename_user(o.principal, user_name="new", client=NO_CLIENT), "new"),
    "fee": (lambda r, g, _: r.service.operate.set_fee(g.user.id, percentage=7, actor=OPERATOR), "None"),
}


def admin(remembering: RememberingHouse) -> Granted:
    """Another user, who is an admin."""
    found = remembering.house.register_admin(OTHER_PHONE)
    assert found.is_admin
    return remembering.service.admin_login(PhoneAndPassword(OTHER_PHONE, PASSWORD))


@for_each("change", CHANGES)
def test_a_change_counts_at_the_very_next_request(change: str) -> None:
    remembering = RememberingHouse()
    remembering.house.register()
    granted, other = remembering.login(), remembering.login()
    act, expected = CHANGES[change]
    for _ in range(2):
        assert remembering.shown(granted) == "None"
    act(remembering, granted, other)
    assert remembering.reads(granted) == 1
    assert remembering.shown(granted) == expected
    if change == "fee":
        assert remembering.service.authenticate(granted.access_token).user.fee_percentage == 7


def test_a_login_that_replaces_another_counts_at_once() -> None:
    house = House.with_policy({"total": 1})
    remembering = RememberingHouse(house)
    house.register()
    granted = remembering.login()
    assert [remembering.shown(granted) for _ in range(2)] == ["None"] * 2
    remembering.login()
    assert remembering.shown(granted) == "session_replaced"


def test_a_refusal_is_read_each_time(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    remembering.service.operate.freeze(granted.user.id, reason="x", until=None, actor=OPERATOR)
    assert [remembering.reads(granted) for _ in range(3)] == [1, 1, 1]
    assert [remembering.reads(evolve(granted, access_token="x")) for _ in range(2)] == [0, 0]


def test_without_trust_in_the_channel_each_request_reads(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    assert remembering.reads(granted) == 0
    remembering.channel.trusted = False
    assert [remembering.reads(granted) for _ in range(2)] == [1, 1]
    # What was read meanwhile may be served again.
    remembering.channel.trusted = True
    assert remembering.reads(granted) == 0


def test_nothing_is_served_for_longer_than_a_minute(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    remembering.time += MOST_SECONDS - 0.01
    assert remembering.reads(granted) == 0
    remembering.time += 0.01
    assert [remembering.reads(granted) for _ in range(2)] == [1, 0]


def test_a_session_that_seems_to_have_run_out_is_read_before_it_is_refused(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    stored = remembering.house.stored(granted)
    token = remembering.house.codec.issued[granted.access_token]
    remembering.house.codec.issued[granted.access_token] = evolve(token, expires_at=stored.expires_at)
    # Another process has noted that it was used.
    remembering.house.clock.time = stored.idle_at - timedelta(seconds=1)
    remembering.house.store.sessions[stored.id] = evolve(stored, last_seen_at=remembering.house.clock.time)
    remembering.house.clock.move(timedelta(seconds=1))
    assert remembering.reads(granted) == 1
    assert remembering.shown(granted) == "None"


def test_an_expired_session_is_refused_and_its_end_is_final(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    token = remembering.house.codec.issued[granted.access_token]
    remembering.house.codec.issued[granted.access_token] = evolve(
        token, expires_at=token.expires_at + timedelta(days=90)
    )
    remembering.house.clock.time = remembering.house.stored(granted).expires_at
    assert remembering.shown(granted) in {"session_expired", "session_idle"}
    remembering.house.clock.move(-timedelta(days=20))
    assert remembering.shown(granted) in {"session_expired", "session_idle"}


def test_what_one_process_has_found_to_be_over_another_serves_no_more_if_the_clock_is_put_back(
    remembering: RememberingHouse,
) -> None:
    granted = remembering.login()
    other = evolve(remembering.judgements)
    assert [str(each(granted.access_token).user.user_name) for each in (other, other)] == ["None"] * 2
    remembering.house.clock.time = remembering.house.stored(granted).idle_at
    assert remembering.shown(granted) in {"session_idle", "token_expired"}
    # To a moment for which the other remembers that it lives.
    remembering.house.clock.time = granted.session.started_at + timedelta(seconds=30)
    with pytest.raises(SessionIdle):
        other(granted.access_token)


def test_before_the_moment_of_a_judgement_it_is_judged_anew(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.house.clock.move(timedelta(seconds=10))
    assert [remembering.reads(granted) for _ in range(2)] == [1, 0]
    remembering.house.clock.move(-timedelta(seconds=5))
    assert [remembering.reads(granted) for _ in range(2)] == [1, 0]


def test_a_token_that_expires_is_refused_at_that_very_moment(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    claims = remembering.house.codec.issued[granted.access_token]
    claims = evolve(claims, expires_at=claims.issued_at + timedelta(seconds=20))
    remembering.house.codec.issued[granted.access_token] = claims
    remembering.house.clock.time = claims.expires_at - MOMENT
    assert [remembering.shown(granted) for _ in range(2)] == ["None"] * 2
    remembering.house.clock.move(MOMENT)
    assert remembering.shown(granted) == "token_expired"


def test_a_hot_session_is_noted_once_a_minute(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    for _ in range(12):
        for _ in range(5):
            remembering.shown(granted)
        remembering.house.clock.move(timedelta(seconds=10))
        remembering.time += 1
    assert remembering.noted.notes == 1
    assert remembering.house.stored(granted).last_seen_at > granted.session.last_seen_at


def test_the_sessions_used_last_are_kept() -> None:
    remembering = RememberingHouse()
    remembering.judgements.limit = 2
    remembering.house.register()
    first, second, third = (remembering.login() for _ in range(3))
    for each in (first, second, first, third):
        remembering.shown(each)
    assert len(remembering.judgements._kept) == 2
    assert [remembering.reads(each) for each in (first, third, second)] == [0, 0, 1]


def test_a_token_is_not_served_what_another_was(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    # One whose epoch is the same.
    remembering.house.register(OTHER_PHONE)
    other = remembering.login(OTHER_PHONE)
    remembering.shown(granted)
    remembering.service.rename_user(other.principal, user_name="other", client=NO_CLIENT)
    assert [remembering.shown(each) for each in (granted, other) * 2] == ["None", "other"] * 2
    # The codec of this house says nothing of whose a token is in the token itself.
    assert remembering.shown(evolve(granted, access_token=granted.access_token + "x")) == "token_invalid"


def test_no_token_is_kept(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    [(name, kept)] = remembering.judgements._kept.items()
    assert len(name) == 16
    assert granted.access_token not in repr(kept)
    assert granted.access_token.encode() not in name


def test_a_scan_of_tokens_does_not_grow_and_pushes_nothing_out(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)
    for number in range(1000):
        assert (
            remembering.shown(evolve(granted, access_token=f"garbage {number} \N{SNOWMAN} \udcff")) == "token_invalid"
        )
    assert remembering.reads(granted) == 0
    assert len(remembering.judgements._kept) == 1
    for _ in range(300):
        remembering.shown(remembering.login())
    assert len(remembering.judgements._kept) == remembering.judgements.limit


def test_what_the_store_cannot_say_is_an_error_and_leaves_what_was_remembered(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    remembering.shown(granted)

    def fail() -> None:
        raise StoreUnavailable("gone")

    remembering.channel.trusted = False
    remembering.reading.before = fail
    assert remembering.shown(granted) == "store_unavailable"
    remembering.channel.trusted = True
    assert remembering.reads(granted) == 0


@define(eq=False)
class LostEpochs(LocalEpochs):
    """Epochs whose file may have become one that cannot be opened."""

    is_lost: bool = False

    def of(self, user_id: UserId) -> int:
        self._check()
        return super().of(user_id)

    def change(self, users: Iterable[UserId]) -> None:
        self._check()
        super().change(users)

    def change_all(self) -> None:
        self._check()
        super().change_all()

    def _check(self) -> None:
        if self.is_lost:
            raise PermissionError("it belongs to somebody else")


def test_without_epochs_each_request_reads_and_what_is_done_does_not_seem_to_fail() -> None:
    epochs = LostEpochs()
    remembering = RememberingHouse(epochs=epochs)
    remembering.house.register()
    granted = remembering.login()
    assert remembering.shown(granted) == "None"
    epochs.is_lost = True
    remembering.channel.trusted = False
    assert [remembering.reads(granted) for _ in range(3)] == [1, 1, 1]
    other = remembering.login()
    with logged("menshen.store") as records:
        remembering.service.logout(granted.principal)
        assert remembering.shown(granted) == "session_logged_out"
        assert remembering.service.kick_everybody(caller=OPERATOR) == 1
        assert remembering.shown(other) == "session_kicked"
    said = "a change is not announced to other processes: it belongs to somebody else"
    assert [record.getMessage() for record in records] == [said, said]


def test_a_strict_guard_and_explain_read_what_nobody_was_told_of(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    assert remembering.shown(granted) == "None"
    # By hand, and no word of it has come yet.
    remembering.house.freeze(granted.user)
    assert remembering.shown(granted) == "None"
    with pytest.raises(UserNotActive):
        remembering.service.authenticate_strictly(granted.access_token)
    assert remembering.service.explain_token(granted.access_token).verdict == "user_not_active"


def test_an_app_can_have_a_strict_guard_on_a_route(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    accounts = Accounts(remembering.service, Settings())
    app = falcon.App()
    app.add_route("/usual", falcon.before(accounts.guard)(type("Usual", (Mine,), {}))())
    app.add_route("/strict", falcon.before(accounts.strict_guard)(type("Strict", (Mine,), {}))())
    client, token = TestClient(app), {"token": granted.access_token}
    assert [client.simulate_get(path, headers=token).status_code for path in ("/usual", "/strict")] == [200, 200]
    remembering.house.freeze(granted.user)
    assert [client.simulate_get(path, headers=token).status_code for path in ("/usual", "/strict")] == [200, 401]


def test_whoever_does_not_wait_is_told_so_and_the_app_makes_no_fault_of_it(remembering: RememberingHouse) -> None:
    granted = remembering.login()
    app = create_app(remembering.service, Settings())

    def ask() -> list[bytes]:
        return list(app(create_environ("/api/user/user_info", headers={"token": granted.access_token}), _ignored))

    with logged("menshen") as records, remembering.judgements.patience.without(), pytest.raises(WouldWait):
        ask()
    assert ask()
    assert remembering.reading.reads == 1
    with remembering.judgements.patience.without():
        assert ask()
    assert remembering.reading.reads == 1
    assert not records


def _ignored(status: str, headers: Any, exc_info: Any = None, /) -> Any:
    return None
