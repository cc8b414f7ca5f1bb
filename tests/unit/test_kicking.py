"""All sessions of all users end, and with another secret no older session continues."""

from datetime import timedelta

import pytest
from attrs import evolve, field, frozen

from menshen.adapters.memory.sessions import MemorySessions
from menshen.adapters.refresh_token_codec import HmacRefreshTokenCodec
from menshen.domain.admission import TooManyDevices
from menshen.domain.audit import Action, AuditEvent
from menshen.domain.errors import Refusal
from menshen.domain.ports.writing import Transaction
from menshen.domain.presences import Presence
from menshen.domain.proofs import ReauthenticationFailed, ReauthenticationNeeded
from menshen.domain.realms import NotAnAdmin
from menshen.domain.refresh_tokens import RefreshToken, RefreshTokenInvalid
from menshen.domain.sessions import EndReason, SessionId, SessionKicked
from menshen.domain.use_cases import kicking_everybody
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import User, UserId, UserNotFound

from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, House, client_on, with_parts

HERE = evolve(client_on("pc", None, "the desk"), address="198.51.100.9")


@pytest.fixture
def everybody(house: House, monkeypatch: pytest.MonkeyPatch) -> list[Granted]:
    """Some sessions of users and an admin; more than go into one batch."""
    monkeypatch.setattr(kicking_everybody, "BATCH", 2)
    house.register_admin()
    house.register(OTHER_PHONE)
    return [house.login(), house.login(), house.login(OTHER_PHONE), house.login(OTHER_PHONE), house.admin_login()]


def test_all_sessions_of_everybody_end(house: House, everybody: list[Granted]) -> None:
    house.service.logout(everybody[0].principal)
    before = house.events
    assert house.service.kick_everybody(caller=OPERATOR) == 4
    for granted in everybody[1:]:
        end = house.stored(granted).end
        assert end is not None
        assert (end.at, end.reason, end.actor) == (house.clock.time, EndReason.KICKED, OPERATOR)
        grants = house.service.admin_refresh if granted is everybody[-1] else house.service.refresh
        with pytest.raises(SessionKicked):
            grants(granted.refresh_token)
    first = house.stored(everybody[0]).end
    assert first is not None
    assert first.reason is EndReason.LOGGED_OUT
    # One entry stands for all.
    (event,) = house.events[len(before) :]
    assert (event.action, event.actor, event.subject) == (Action.KICK_EVERYBODY, OPERATOR, None)
    assert house.service.kick_everybody(caller=OPERATOR) == 0
    assert house.authenticate(house.login())


def test_each_batch_counts_at_once(house: House, everybody: list[Granted], monkeypatch: pytest.MonkeyPatch) -> None:
    """If it is interrupted, what has ended stays ended, and the next call ends the rest."""
    real, calls = kicking_everybody._end_some, []

    def breaks_off(tx: Transaction, after: SessionId, event: AuditEvent) -> tuple[SessionId | None, int]:
        calls.append(after)
        if len(calls) == 2:
            raise OSError("the machine stops")
        return real(tx, after, event)

    monkeypatch.setattr(kicking_everybody, "_end_some", breaks_off)
    with pytest.raises(OSError, match="stops"):
        house.service.kick_everybody(caller=OPERATOR)
    assert sum(session.end is not None for session in house.store.sessions.values()) == 2
    monkeypatch.setattr(kicking_everybody, "_end_some", real)
    assert house.service.kick_everybody(caller=OPERATOR) == 3


def test_a_clock_that_was_put_back_spares_nobody(house: House) -> None:
    house.register()
    house.clock.move(timedelta(hours=2))
    ahead = house.login()
    house.clock.move(timedelta(hours=-2))
    assert house.service.kick_everybody(caller=OPERATOR) == 1
    house.clock.move(timedelta(hours=2))
    with pytest.raises(SessionKicked):
        house.authenticate(ahead)


def test_an_admin_gives_the_password(house: House, everybody: list[Granted]) -> None:
    caller = everybody[-1].principal
    for password, refusal in ((None, ReauthenticationNeeded), ("a wrong one", ReauthenticationFailed)):
        with pytest.raises(refusal):
            house.service.kick_everybody(caller=caller, password=password, client=HERE)
    assert not [session for session in house.store.sessions.values() if session.end is not None]
    refused = house.events_of(Action.KICK_EVERYBODY)
    assert [(event.outcome, event.actor, event.address) for event in refused] == [
        ("password_wrong", caller.actor, HERE.address)
    ]
    assert house.service.kick_everybody(caller=caller, password=PASSWORD, client=HERE) == 5
    with pytest.raises(SessionKicked):
        house.service.kick_everybody(caller=caller, password=PASSWORD, client=HERE)


@pytest.mark.parametrize("meanwhile", ["demoted", "another password", "kicked", "erased"])
def test_somebody_who_is_no_longer_an_admin_kicks_nobody(
    house: House, everybody: list[Granted], meanwhile: str
) -> None:
    admin = everybody[-1]
    caller, use_case = admin.principal, house.service.kick_everybody
    if meanwhile == "demoted":
        refusal: type[Refusal] = NotAnAdmin
        house.store.users[admin.user.id] = evolve(house.user(admin.user), is_admin=False)
    elif meanwhile == "kicked":
        refusal = SessionKicked
        house.service.operate.kick(admin.user.id, session_id=admin.session.id, actor=OPERATOR)
    elif meanwhile == "erased":
        refusal = UserNotFound
        house.forget(admin.user)
    else:
        refusal = ReauthenticationFailed
        judged = house.user(admin.user)
        use_case = with_parts(use_case, presences=_Before(house.store, found=judged))
        house.put_hash(admin.user, house.service.register_user.hasher.hash("another one"))
    with pytest.raises(refusal):
        use_case(caller=caller, password=PASSWORD, client=HERE)
    assert house.authenticate(everybody[2])


@frozen
class _Before(MemorySessions):
    """The users as they were before the lock."""

    found: User = field(kw_only=True)

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        return Presence(self.found, self.by_id(session_id))


# Another secret.

OLD, NEW = (
    HmacRefreshTokenCodec(b"the old secret, which has leaked"),
    HmacRefreshTokenCodec(b"the new secret of the service!!!"),
)


def under(house: House, codec: HmacRefreshTokenCodec) -> House:
    """The same house after a restart with another secret."""
    return evolve(house, refresh_codec=codec)


def test_a_new_secret_logs_everybody_out(house: House) -> None:
    """Even somebody who has the old secret and a stolen token, rotated three times since."""
    house = under(house, OLD)
    house.register()
    stolen = house.login()
    fresh = stolen
    for _ in range(3):
        house.clock.move(timedelta(minutes=1))
        fresh = house.service.refresh(fresh.refresh_token)
    house = under(house, NEW)
    token = OLD.decode(stolen.refresh_token)
    assert token is not None
    forged: list[RefreshToken] = [token]
    for codec in (OLD, OLD, OLD, OLD, NEW, NEW):
        forged.append(codec.successor(forged[-1]))
    for text in (stolen.refresh_token, fresh.refresh_token, *map(OLD.encode, forged)):
        with pytest.raises(RefreshTokenInvalid):
            house.service.refresh(text)
    house = under(house, OLD)
    assert house.service.refresh(fresh.refresh_token)


def test_a_chain_from_before_keys_had_names_is_not_continued(house: House) -> None:
    house.register()
    granted = house.login()
    session = house.stored(granted)
    house.store.sessions[session.id] = evolve(session, refreshing=evolve(session.refreshing, key_id=None))
    with pytest.raises(RefreshTokenInvalid):
        house.service.refresh(granted.refresh_token)
    # Its access token is accepted until it expires, and so it takes a place until then.
    assert house.authenticate(granted)
    house.login()
    assert house.stored(granted).end is None


def test_it_takes_no_place_once_its_last_access_token_is_over() -> None:
    house = House.with_policy({"total": 1, "overflow": "reject_new"})
    house.register()
    granted = house.login()
    session = house.stored(granted)
    house.store.sessions[session.id] = evolve(session, refreshing=evolve(session.refreshing, key_id=None))
    house.clock.move(granted.access_token_ttl - timedelta(seconds=1))
    with pytest.raises(TooManyDevices):
        house.login()
    house.clock.move(timedelta(seconds=1))
    assert house.login()


def test_what_hangs_on_another_key_takes_no_place_of_the_device_policy() -> None:
    house = under(House.with_policy({"total": 1, "overflow": "reject_new"}), OLD)
    house.register()
    dead = house.login()
    with pytest.raises(TooManyDevices):
        house.login()
    house = under(house, NEW)
    live = house.login()
    end = house.stored(dead).end
    assert end is not None
    assert end.reason is EndReason.KICKED
    with pytest.raises(TooManyDevices):
        house.login()
    assert house.service.refresh(live.refresh_token)
