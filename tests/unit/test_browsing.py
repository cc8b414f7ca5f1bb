"""Whatever an operator or an admin looks at is recorded, without burying what was done."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from attrs import evolve

import menshen.entrypoints
from menshen.adapters.memory.audit import MemoryAuditWriter
from menshen.domain.actors import Actor
from menshen.domain.audit import Action, AuditEntry, AuditEvent, EntryKind
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.reading import UserFilter
from menshen.domain.ports.writing import AuditWriter
from menshen.domain.sessions import SessionUnknown
from menshen.domain.use_cases.acting import Caller
from menshen.domain.use_cases.browsing import Browse, masked
from menshen.domain.users import NoSuchUser, Phone, Standing, UserId
from menshen.entrypoints.stores import memory_store

from .cases import for_each
from .http_service import ADMIN_PHONE, ADMIN_USERS, AUDIT, HttpService, Route, done, refused, serve
from .memory_house import OPERATOR, OTHER_PHONE, PHONE, House, client_on
from .test_http_admin_refusals import ADMIN_ROUTES, call

HERE = client_on("pc", "pc-1", "an operator's computer")
NOBODY = UserId(99)

READING = [route for route in ADMIN_ROUTES if route.method == "GET" or route.path.endswith("/explain")]


def reads(house: House | HttpService) -> list[AuditEntry]:
    return [entry for entry in house.store.audit.values() if entry.event.action is Action.READ]


def told(house: House | HttpService) -> list[tuple[str | None, int | None, int | None, int]]:
    """What was looked for, about whom, how much was shown, and how often."""
    return [(each.event.detail, each.event.subject, each.event.shown, each.times) for each in reads(house)]


@for_each("route", READING)
def test_every_route_that_shows_something_leaves_a_trace(route: Route) -> None:
    http = serve()
    http.registered()
    token = http.admin()
    assert call(http, route, token).status_code == 200
    [entry] = reads(http)
    event = entry.event
    assert (event.actor.text, event.outcome, event.address) == (
        f"user:{http.user(ADMIN_PHONE).id}",
        "done",
        "198.51.100.7",
    )
    assert event.shown is not None


def test_there_are_such_routes() -> None:
    assert len(READING) >= 5


def test_no_transport_reads_by_another_way() -> None:
    """Except for looking up a user to act on, which is recorded as the act."""
    ways = re.compile(r"service\.(find_users|sessions_of|read_audit|explain_token|find_user\.by_id)\b")
    entrypoints = Path(menshen.entrypoints.__file__).parent
    for path in [*entrypoints.glob("http/*.py"), *entrypoints.glob("cli/*.py")]:
        assert not ways.search(path.read_text(encoding="utf-8")), path


def test_what_was_looked_for_and_how_much_was_shown(house: House) -> None:
    user = house.register()
    house.register(OTHER_PHONE)
    granted = house.login()
    browse = house.service.browse
    browse.users(UserFilter(), caller=OPERATOR)
    browse.users(UserFilter(phone=Phone(PHONE), standing=Standing.ACTIVE), caller=OPERATOR)
    browse.users(UserFilter(phone=Phone("13100131000")), caller=OPERATOR)
    browse.users(UserFilter(name_prefix="张 id=1"), caller=OPERATOR)
    browse.users(UserFilter(name_prefix="a\nb"), caller=OPERATOR)
    browse.users(UserFilter(user_id=NOBODY), caller=OPERATOR)
    browse.user(user.id, caller=OPERATOR)
    browse.sessions(user.id, caller=OPERATOR)
    browse.explain(granted.access_token, caller=OPERATOR)
    browse.explain("garbage", caller=OPERATOR)
    browse.audit(subject=user.id, caller=OPERATOR)
    assert told(house) == [
        ("users", None, 2, 1),
        ("users phone=138****8000 state=active", user.id, 1, 1),
        ("users phone=131****1000", None, 0, 1),
        ("users name=张 id=1", None, 0, 1),
        ("users name=?", None, 0, 1),
        ("users id=99", None, 0, 1),
        ("user", user.id, 1, 1),
        ("sessions", user.id, 1, 1),
        ("token: valid", user.id, 1, 1),
        ("token: token_invalid", None, 0, 1),
        ("audit acts", user.id, 2, 1),
    ]
    assert {each.event.actor for each in reads(house)} == {OPERATOR}


def test_a_look_that_finds_nobody_is_recorded_as_well(house: House) -> None:
    browse = house.service.browse
    with pytest.raises(NoSuchUser):
        browse.user(NOBODY, caller=OPERATOR)
    with pytest.raises(NoSuchUser):
        browse.sessions(NOBODY, caller=OPERATOR)
    for identifier in ("+86 131 0013 1000", "99", "a\nb", "9" * 99):
        with pytest.raises(NoSuchUser):
            browse.named(identifier, caller=OPERATOR)
    assert [(what, shown, times) for what, _, shown, times in told(house)] == [
        ("user 99", 0, 2),
        ("sessions of user 99", 0, 1),
        ("user 131****1000", 0, 1),
        ("user ?", 0, 2),
    ]


def test_no_whole_number_is_in_the_log(house: House) -> None:
    user = house.register()
    assert house.service.browse.named(PHONE, caller=OPERATOR) == user.id
    house.service.browse.users(UserFilter(phone=Phone(PHONE)), caller=OPERATOR)
    assert masked(Phone(PHONE)) == "138****8000"
    assert PHONE not in repr(house.store.audit)


def test_the_same_look_within_a_minute_is_one_entry_for_each_who_looks(house: House) -> None:
    users = [house.register(f"1380013800{number}") for number in range(5)]
    admin = house.register_admin(OTHER_PHONE)
    by = house.admin_login(OTHER_PHONE).principal
    browse = house.service.browse
    for after in (0, 2, 4):
        browse.users(UserFilter(), after=after, limit=2, caller=by, client=HERE)
        browse.users(UserFilter(), after=after, limit=2, caller=OPERATOR)
        house.clock.move(timedelta(seconds=10))
    admins, operators = reads(house)
    assert (admins.event.actor.text, admins.event.address) == (f"user:{admin.id}", HERE.address)
    assert operators.event.actor == OPERATOR
    for entry in (admins, operators):
        assert (entry.times, entry.event.shown) == (3, len(users) + 1)
        assert entry.last_at == entry.event.at + timedelta(seconds=20)
    house.clock.move(timedelta(minutes=1))
    browse.users(UserFilter(), caller=OPERATOR)
    assert len(reads(house)) == 3


def test_reads_do_not_bury_the_acts(house: House) -> None:
    user = house.register()
    for _ in range(3):
        house.service.browse.user(user.id, caller=OPERATOR)
        house.clock.move(timedelta(minutes=1))

    def seen(kind: EntryKind) -> list[AuditEvent]:
        return [entry.event for entry in house.service.read_audit(subject=user.id, kind=kind)]

    assert [event.action for event in seen(EntryKind.ACTS)] == [Action.REGISTER]
    assert [event.action for event in seen(EntryKind.READS)] == [Action.READ] * 3
    assert len(seen(EntryKind.ALL)) == 4
    assert [entry.event for entry in house.service.read_audit(subject=user.id)] == seen(EntryKind.ACTS)


def test_reads_are_asked_for_over_http() -> None:
    http = serve()
    token = http.admin()
    done(http.request("GET", f"{ADMIN_USERS}?phone={ADMIN_PHONE}", token=token))
    assert all(entry["action"] != "read" for entry in done(http.request("GET", AUDIT, token=token))["entries"])
    shown = done(http.request("GET", f"{AUDIT}?kind=reads", token=token))["entries"]
    assert [(each["action"], each["detail"], each["shown"], each["times"]) for each in shown] == [
        ("read", "audit acts", 4, 1),
        ("read", "users phone=137****7000", 1, 1),
    ]
    assert len(done(http.request("GET", f"{AUDIT}?kind=all", token=token))["entries"]) > 4
    refused(http.request("GET", f"{AUDIT}?kind=x", token=token), 400, "query_invalid", "查询参数kind无效")


class _FullAuditLog(MemoryAuditWriter):
    def count(self, event: AuditEvent, window: timedelta) -> None:
        raise StoreUnavailable("the disk is full")


def test_what_cannot_be_recorded_is_not_shown(house: House) -> None:
    user = house.register()
    work = memory_store(house.store, {AuditWriter: _FullAuditLog}).work
    with pytest.raises(StoreUnavailable):
        evolve(house.service.browse, work=work).user(user.id, caller=OPERATOR)


BROWSES_PARTS = {each.name for each in attrs.fields(Browse)}

LOOKS: dict[str, Callable[[Browse, Caller], object]] = {
    "users": lambda browse, caller: browse.users(UserFilter(), caller=caller),
    "named": lambda browse, caller: browse.named("1", caller=caller),
    "user": lambda browse, caller: browse.user(UserId(1), caller=caller),
    "sessions": lambda browse, caller: browse.sessions(UserId(1), caller=caller),
    "audit": lambda browse, caller: browse.audit(caller=caller),
    "explain": lambda browse, caller: browse.explain("a token", caller=caller),
}


@for_each("look", LOOKS)
def test_who_is_neither_an_admin_nor_an_operator_sees_nothing_whatever_guard_there_was(look: str) -> None:
    house = House()
    house.register_admin()
    # The session of an admin who came as a user, and somebody who has none.
    for caller in (house.login().principal, Actor.user(UserId(1)), Actor.nobody()):
        before = house.events
        with pytest.raises(SessionUnknown):
            LOOKS[look](house.service.browse, caller)
        assert house.events == before


def test_these_are_all_the_looks_that_there_are() -> None:
    assert LOOKS.keys() == {name for name in vars(Browse) if not name.startswith("_")} - BROWSES_PARTS
