"""What users do with their own account: the password, the name, the sessions."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from attrs import evolve

from menshen.domain.actors import Actor
from menshen.domain.audit import Action
from menshen.domain.devices import NO_CLIENT
from menshen.domain.errors import Refusal
from menshen.domain.passwords import (
    HasherBusy,
    PasswordHoldsIdentifier,
    PasswordLengthInvalid,
    PasswordTooCommon,
    strict_policy,
)
from menshen.domain.ports.outside import Verdict
from menshen.domain.proofs import InvalidCredentials, ReauthenticationFailed, ReauthenticationNeeded
from menshen.domain.sessions import (
    NoSuchSession,
    PasswordWasChanged,
    SessionExpired,
    SessionId,
    SessionIdle,
    SessionKicked,
    SessionLoggedOut,
    SessionReplaced,
    SessionUnknown,
)
from menshen.domain.use_cases.account import RECENT_LOGIN
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import Profile, User, UserId, UserNameInvalid, UserNotActive, UserNotFound, UserState

from .cases import for_each
from .memory_house import (
    OPERATOR,
    OTHER_PHONE,
    PASSWORD,
    PHONE,
    WRONG_PASSWORD,
    House,
    MeddlingHasher,
    client_on,
    told_of,
    with_parts,
)

NEW = "a newer password"
HERE = client_on("pc", "pc-1", "an office computer")


@pytest.fixture
def user(house: House) -> User:
    return house.register_admin()


@pytest.fixture
def current(house: House, user: User) -> Granted:
    return house.login(client=HERE)


def change(house: House, current: Granted, old: str = PASSWORD, new: str = NEW) -> None:
    house.service.change_password(current.principal, old=old, new=new, client=HERE)


# The password.


def test_after_a_change_the_new_password_opens_and_the_old_one_does_not(house: House, current: Granted) -> None:
    change(house, current)
    with pytest.raises(InvalidCredentials):
        house.login()
    house.login(password=NEW)


def test_a_change_of_the_password_ends_all_other_sessions_of_every_kind(
    house: House, user: User, current: Granted
) -> None:
    phone, admin = house.login(client=client_on("phone")), house.admin_login()
    house.register(OTHER_PHONE)
    other = house.login(OTHER_PHONE)
    house.clock.move(timedelta(minutes=1))
    change(house, current)
    assert house.live(user) == [current.session.id]
    with pytest.raises(PasswordWasChanged) as refused:
        house.authenticate(phone)
    assert (refused.value.ended_at, refused.value.by) == (house.clock.time, told_of(HERE.device))
    with pytest.raises(PasswordWasChanged):
        house.service.authenticate_admin(admin.access_token)
    for refresh, granted in ((house.service.refresh, phone), (house.service.admin_refresh, admin)):
        with pytest.raises(PasswordWasChanged):
            refresh(granted.refresh_token)
    house.authenticate(current)
    house.service.refresh(current.refresh_token)
    house.authenticate(other)


@pytest.mark.parametrize("old", ["", WRONG_PASSWORD, PASSWORD + " ", NEW])
def test_the_old_password_must_be_right(house: House, user: User, current: Granted, old: str) -> None:
    other = house.login()
    with pytest.raises(ReauthenticationFailed):
        change(house, current, old=old)
    assert house.hash_of(user) == f"fake:{PASSWORD}"
    house.authenticate(other)


def test_an_outdated_hash_proves_the_old_password_as_well(house: House, user: User, current: Granted) -> None:
    house.put_hash(user, f"old:{PASSWORD}")
    house.service.change_password(current.principal, old=PASSWORD, new=NEW, client=HERE)
    assert house.hash_of(user) == f"fake:{NEW}"


@for_each(
    ("new", "refusal"),
    [
        ("short", PasswordLengthInvalid),
        ("x" * 129, PasswordLengthInvalid),
        ("Qwertyuiop", PasswordTooCommon),
        (f"my {PHONE}", PasswordHoldsIdentifier),
        ("zhangsan 1", PasswordHoldsIdentifier),
    ],
)
def test_the_new_password_meets_the_policy(new: str, refusal: type[Exception]) -> None:
    house = House()
    house.service.register_user(phone=PHONE, password=PASSWORD, user_name="Zhangsan")
    current, other = house.login(), house.login()
    policy = strict_policy(common=frozenset({"qwertyuiop"}), service_name="menshen")
    strict = evolve(house.service.change_password, password_policy=policy)
    with pytest.raises(refusal):
        strict(current.principal, old=PASSWORD, new=new, client=HERE)
    assert house.hash_of(current.user) == f"fake:{PASSWORD}"
    house.authenticate(other)


def test_of_a_password_that_changed_meanwhile_the_first_change_stays(
    house: House, user: User, current: Granted
) -> None:
    other = house.login()
    change(house, other, new="the other device's password")
    with pytest.raises(PasswordWasChanged):
        change(house, current)
    assert house.hash_of(user) == "fake:the other device's password"


def test_a_password_that_was_changed_since_it_was_judged_proves_nothing(
    house: House, user: User, current: Granted
) -> None:
    other = house.login()
    hasher = MeddlingHasher(house, after=lambda: house.put_hash(user, "fake:changed in the table"))
    with pytest.raises(ReauthenticationFailed):
        with_parts(house.service.change_password, hasher=hasher)(current.principal, old=PASSWORD, new=NEW, client=HERE)
    assert hasher.verdicts == [Verdict.MATCH]
    assert house.hash_of(user) == "fake:changed in the table"
    house.authenticate(other)
    assert [event.outcome for event in house.events_of(Action.CHANGE_PASSWORD)] == ["password_wrong"]


def test_a_user_without_a_number_still_has_a_password(house: House, user: User, current: Granted) -> None:
    house.store.users[user.id] = evolve(user, phone=None)
    without = house.service.authenticate(current.access_token)
    house.service.change_password(without, old=PASSWORD, new=NEW, client=HERE)
    assert house.hash_of(user) == f"fake:{NEW}"


def test_a_busy_hasher_changes_no_password(house: House, user: User, current: Granted) -> None:
    class BusyHasher:
        def hash(self, password: str) -> str:
            raise HasherBusy("busy")

        def verify(self, password: str, password_hash: str | None) -> Verdict:
            return house.hasher.verify(password, password_hash)

    before = house.events
    busy = with_parts(house.service.change_password, hasher=BusyHasher())
    with pytest.raises(HasherBusy):
        busy(current.principal, old=PASSWORD, new=NEW, client=HERE)
    assert house.hash_of(user) == f"fake:{PASSWORD}"
    assert house.events == before


def test_a_change_of_the_password_is_recorded_with_the_ends_it_brings(
    house: House, user: User, current: Granted
) -> None:
    other = house.login()
    before = len(house.events)
    change(house, current)
    ended, changed = house.events[before:]
    assert (ended.action, ended.session_id, ended.detail) == (
        Action.END_SESSION,
        other.session.id,
        "password_changed",
    )
    assert (changed.action, changed.outcome) == (Action.CHANGE_PASSWORD, "done")
    for event in (ended, changed):
        assert (event.actor, event.subject) == (Actor.user(user.id), user.id)
        assert (event.device, event.address) == (HERE.device, HERE.address)


def test_a_wrong_old_password_is_recorded(house: House, user: User, current: Granted) -> None:
    with pytest.raises(ReauthenticationFailed):
        change(house, current, old=WRONG_PASSWORD)
    (event,) = house.events_of(Action.CHANGE_PASSWORD)
    assert (event.outcome, event.actor, event.subject) == ("password_wrong", Actor.user(user.id), user.id)
    assert (event.device, event.address) == (HERE.device, HERE.address)


# The name.


def rename(house: House, current: Granted, name: str | None) -> Profile:
    return house.service.rename_user(current.principal, user_name=name, client=HERE)


@pytest.mark.parametrize("name", ["张三", " 张 三 ", "", None, "x" * 80])
def test_a_user_takes_another_name_or_none(house: House, user: User, current: Granted, name: str | None) -> None:
    rename(house, current, "before")
    assert rename(house, current, name) == house.user(user).profile == evolve(user, user_name=name).profile


@pytest.mark.parametrize("name", ["x" * 81, "a\nb", "\0", "\ud800"])
def test_a_name_that_cannot_be_kept_whole_is_refused(house: House, user: User, current: Granted, name: str) -> None:
    with pytest.raises(UserNameInvalid):
        rename(house, current, name)
    assert house.user(user) == user


def test_a_new_name_undoes_nothing_that_was_changed_meanwhile(house: House, user: User, current: Granted) -> None:
    house.put_hash(user, "fake:another password")
    house.service.operate.set_fee(user.id, percentage=7, actor=OPERATOR)
    renamed = rename(house, current, "张三")
    assert renamed == house.user(user).profile
    assert (renamed.user_name, house.hash_of(user), renamed.fee_percentage) == ("张三", "fake:another password", 7)


def test_a_new_name_is_recorded(house: House, user: User, current: Granted) -> None:
    rename(house, current, "张三")
    (event,) = house.events_of(Action.RENAME)
    assert (event.actor, event.subject, event.device) == (Actor.user(user.id), user.id, HERE.device)


# The sessions.


def test_a_user_sees_the_live_sessions_of_one_kind_in_the_order_in_which_they_started(house: House, user: User) -> None:
    house.register(OTHER_PHONE)
    house.login(OTHER_PHONE)
    granted = []
    for _ in range(3):
        granted.append(house.login())
        house.clock.move(timedelta(minutes=1))
    admin = house.admin_login()
    house.service.logout(granted[1].principal)
    own, admins = granted[0].principal, admin.principal
    assert house.service.list_sessions(own) == [granted[0].session, granted[2].session]
    assert house.service.list_sessions(admins) == [admin.session]
    house.clock.move(timedelta(days=365))
    assert house.service.list_sessions(own) == []


def test_a_user_ends_one_other_session(house: House, user: User, current: Granted) -> None:
    other, third = house.login(), house.login()
    house.service.end_sessions(current.principal, session_id=other.session.id, password=None, client=HERE)
    with pytest.raises(SessionKicked) as refused:
        house.authenticate(other)
    assert (refused.value.ended_at, refused.value.by) == (house.clock.time, told_of(HERE.device))
    assert set(house.live(user)) == {current.session.id, third.session.id}
    with pytest.raises(SessionKicked):
        house.service.refresh(other.refresh_token)


def test_ending_the_current_session_is_logging_out(house: House, current: Granted) -> None:
    house.service.end_sessions(current.principal, session_id=current.session.id, password=None, client=HERE)
    with pytest.raises(SessionLoggedOut) as refused:
        house.authenticate(current)
    assert refused.value.by is None


def test_a_user_ends_only_their_own_live_sessions(house: House, user: User, current: Granted) -> None:
    house.register(OTHER_PHONE)
    others, ended, admin = house.login(OTHER_PHONE), house.login(), house.admin_login()
    house.service.logout(ended.principal)
    before, events = dict(house.store.sessions), house.events
    for session_id in (others.session.id, ended.session.id, admin.session.id, SessionId("nobody's"), SessionId("")):
        with pytest.raises(NoSuchSession):
            house.service.end_sessions(current.principal, session_id=session_id, password=None, client=HERE)
    assert house.store.sessions == before
    assert house.events == events


def test_a_user_ends_all_other_sessions_of_this_kind(house: House, user: User, current: Granted) -> None:
    house.register(OTHER_PHONE)
    stranger, admin = house.login(OTHER_PHONE), house.admin_login()
    others = [house.login() for _ in range(3)]
    assert house.service.end_sessions.others(current.principal, password=None, client=HERE) == 3
    for other in others:
        with pytest.raises(SessionKicked):
            house.authenticate(other)
    assert set(house.live(user)) == {current.session.id, admin.session.id}
    house.authenticate(stranger)
    assert house.service.end_sessions.others(current.principal, password=None, client=NO_CLIENT) == 0


def test_each_end_is_recorded(house: House, user: User, current: Granted) -> None:
    others = [house.login() for _ in range(3)]
    house.service.end_sessions(current.principal, session_id=others[0].session.id, password=None, client=HERE)
    house.service.end_sessions.others(current.principal, password=None, client=HERE)
    house.service.end_sessions(current.principal, session_id=current.session.id, password=None, client=HERE)
    events = house.events_of(Action.END_SESSION)
    assert [event.session_id for event in events] == [each.session.id for each in (*others, current)]
    assert [event.detail for event in events] == ["kicked", "kicked", "kicked", "logged_out"]
    assert {(event.actor, event.subject, event.device) for event in events} == {
        (Actor.user(user.id), user.id, HERE.device)
    }


def test_long_after_the_login_other_sessions_are_ended_by_the_password(
    house: House, user: User, current: Granted
) -> None:
    """ASVS 7.5.2; the finder of an unlocked phone cannot log anybody out."""
    others = [house.login() for _ in range(3)]
    end = house.service.end_sessions
    house.clock.move(RECENT_LOGIN)
    before, events = dict(house.store.sessions), house.events
    for password, refusal in ((None, ReauthenticationNeeded), ("a wrong one", ReauthenticationFailed)):
        with pytest.raises(refusal):
            end(current.principal, session_id=others[0].session.id, password=password, client=HERE)
        with pytest.raises(refusal):
            end.others(current.principal, password=password, client=HERE)
    assert house.store.sessions == before
    recorded = house.events[len(events) :]
    assert {(event.action, event.outcome, event.subject) for event in recorded} == {
        (Action.END_SESSION, "password_wrong", user.id)
    }
    end(current.principal, session_id=others[0].session.id, password=PASSWORD, client=HERE)
    assert end.others(current.principal, password=PASSWORD, client=HERE) == 2
    # Logging oneself out is always possible.
    end(current.principal, session_id=current.session.id, password=None, client=HERE)
    assert not house.live(user)


def test_just_after_the_login_or_where_it_is_off_no_password_is_asked_for(house: House, user: User) -> None:
    before, current = house.login(), house.login()
    house.clock.move(RECENT_LOGIN - timedelta(seconds=1))
    house.service.end_sessions(current.principal, session_id=before.session.id, password=None, client=HERE)
    for _ in range(2):
        house.login()
    house.clock.move(timedelta(days=1))
    end = evolve(house.service.end_sessions, needs_password=False)
    assert end.others(current.principal, password=None, client=HERE) == 2


def test_a_password_that_changed_meanwhile_ends_no_session(house: House, user: User, current: Granted) -> None:
    other = house.login()
    house.clock.move(RECENT_LOGIN)
    change = house.service.change_password
    change(current.principal, old=PASSWORD, new="a newer password", client=HERE)
    other = house.login(password="a newer password")
    with pytest.raises(ReauthenticationFailed):
        house.service.end_sessions.others(current.principal, password=PASSWORD, client=HERE)
    house.authenticate(other)


# Changes after the guard let the request in.

Meanwhile = Callable[[House, Granted], object]


def erase(house: House, current: Granted) -> None:
    house.put_state(current.user, UserState.closing(house.clock.time))
    house.service.prune()


MEANWHILE: dict[str, tuple[Meanwhile, type[Refusal]]] = {
    "kicked": (
        lambda h, g: h.service.operate.kick(g.user.id, session_id=g.session.id, actor=OPERATOR),
        SessionKicked,
    ),
    "logged out": (lambda h, g: h.service.logout(g.principal), SessionLoggedOut),
    "replaced": (lambda h, g: h.login(client=HERE), SessionReplaced),
    "password changed": (lambda h, g: change(h, h.login()), PasswordWasChanged),
    "idle": (lambda h, g: h.clock.move(g.session.idle_ttl), SessionIdle),
    "expired": (lambda h, g: h.clock.move(g.session.expires_at - h.clock.time), SessionExpired),
    "frozen": (
        lambda h, g: h.service.operate.freeze(g.user.id, reason="x", until=None, actor=OPERATOR),
        UserNotActive,
    ),
    "frozen in the table": (lambda h, g: h.freeze(g.user), UserNotActive),
    "of unknown state": (lambda h, g: h.put_state(g.user, UserState("异常")), UserNotActive),
    "closing": (lambda h, g: h.service.close_account.close(g.user.id, actor=OPERATOR), UserNotActive),
    "erased": (erase, UserNotActive),
    "deleted": (lambda h, g: h.forget(g.user), UserNotFound),
    "forgotten": (lambda h, g: h.store.sessions.pop(g.session.id), SessionUnknown),
}

Act = Callable[[House, Granted, Callable[[], object]], object]


def change_after(house: House, current: Granted, meddle: Callable[[], object]) -> None:
    meddling = with_parts(house.service.change_password, hasher=MeddlingHasher(house, after=meddle))
    meddling(current.principal, old=PASSWORD, new=NEW, client=HERE)


def change_while_hashing(house: House, current: Granted, meddle: Callable[[], object]) -> None:
    meddling = with_parts(house.service.change_password, hasher=MeddlingHasher(house, before=meddle))
    meddling(current.principal, old=PASSWORD, new=NEW, client=HERE)


def close_after(house: House, current: Granted, meddle: Callable[[], object]) -> None:
    meddling = with_parts(house.service.close_account, hasher=MeddlingHasher(house, after=meddle))
    meddling(current.principal, password=PASSWORD, client=HERE)


def rename_after(house: House, current: Granted, meddle: Callable[[], object]) -> None:
    meddle()
    rename(house, current, "张三")


def end_one_after(house: House, current: Granted, meddle: Callable[[], object]) -> None:
    other = house.login()
    meddle()
    house.service.end_sessions(current.principal, session_id=other.session.id, password=PASSWORD, client=HERE)


def end_others_after(house: House, current: Granted, meddle: Callable[[], object]) -> None:
    house.login()
    meddle()
    house.service.end_sessions.others(current.principal, password=PASSWORD, client=HERE)


RECORDED = {
    change_after: Action.CHANGE_PASSWORD,
    change_while_hashing: Action.CHANGE_PASSWORD,
    close_after: Action.CLOSE,
}


@for_each("act", [*RECORDED, rename_after, end_one_after, end_others_after])
@for_each("name", MEANWHILE)
def test_who_is_out_by_now_changes_nothing(name: str, act: Act) -> None:
    house = House()
    house.register_admin()
    current = house.login(client=HERE)
    meanwhile, refusal = MEANWHILE[name]
    after: list[object] = []

    def meddle() -> None:
        meanwhile(house, current)
        after.append((dict(house.store.users), dict(house.store.sessions), house.events))

    with pytest.raises(refusal) as refused:
        act(house, current, meddle)
    assert type(refused.value) is refusal
    events = house.events
    if act in RECORDED:
        recorded = events.pop()
        assert (recorded.action, recorded.outcome) == (RECORDED[act], refusal.reason)
        assert (recorded.actor, recorded.subject) == (Actor.user(current.user.id), current.user.id)
        assert (recorded.device, recorded.address) == (HERE.device, HERE.address)
    assert [(house.store.users, house.store.sessions, events)] == after


@pytest.mark.parametrize("name", ["frozen", "closing", "frozen in the table", "erased"])
def test_who_may_not_act_any_more_is_told_when_that_ended_the_session(
    house: House, current: Granted, name: str
) -> None:
    MEANWHILE[name][0](house, current)
    ended_at = house.clock.time if name in {"frozen", "closing"} else None
    house.clock.move(timedelta(minutes=1))
    with pytest.raises(UserNotActive) as refused:
        rename(house, current, "张三")
    assert refused.value.ended_at == ended_at


def test_an_actor_is_a_user_an_operator_the_service_or_nobody() -> None:
    assert Actor.user(UserId(7)).text == "user:7"
    assert Actor.operator("root").text == "operator:root"
    assert Actor.operator("x" * 1000).text == "operator:" + "x" * 71
    assert (Actor.service().text, Actor.nobody().text) == ("service", "nobody")


# Rows that callers can cause.


def test_the_same_name_again_writes_nothing(house: House, user: User) -> None:
    granted = house.login()
    for name in ("张三", None):
        house.service.rename_user(granted.principal, user_name=name, client=HERE)
        before = rows(house)
        for _ in range(3):
            assert house.service.rename_user(granted.principal, user_name=name, client=HERE).user_name == name
        assert rows(house) == before


def rows(house: House) -> tuple[object, ...]:
    return dict(house.store.users), dict(house.store.sessions), dict(house.store.audit)


def test_renames_to_and_fro_are_one_row_an_hour(house: House, user: User) -> None:
    granted = house.login()
    for number in range(100):
        house.service.rename_user(granted.principal, user_name=f"name {number % 2}", client=HERE)
    [entry] = [each for each in house.store.audit.values() if each.event.action is Action.RENAME]
    assert (entry.times, entry.event.outcome) == (100, "done")
    house.clock.move(timedelta(hours=1))
    house.service.rename_user(granted.principal, user_name="another", client=HERE)
    assert len(house.events_of(Action.RENAME)) == 2


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda h, g: h.login(password="a wrong one"), "invalid_credentials"),
        (lambda h, g: h.login(OTHER_PHONE, "a wrong one"), "invalid_credentials"),
        (lambda h, g: h.register(), "phone_taken"),
        (
            lambda h, g: h.service.change_password(g.principal, old="wrong one", new="another one", client=HERE),
            "password_wrong",
        ),
        (lambda h, g: h.service.close_account(g.principal, password="wrong one", client=HERE), "password_wrong"),
    ],
)
def test_refusals_of_one_kind_are_one_row_an_hour(
    house: House, user: User, act: Callable[[House, Granted], object], reason: str
) -> None:
    granted = house.login()
    before = len(house.store.audit)
    for _ in range(50):
        with pytest.raises(Refusal):
            act(house, granted)
    [entry] = list(house.store.audit.values())[before:]
    assert (entry.event.outcome, entry.times) == (reason, 50)
