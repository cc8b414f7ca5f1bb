"""The contract of all storage ports: texts and times come back as they went in, or are refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve, frozen

from ...domain.actors import Actor
from ...domain.audit import AuditEvent
from ...domain.devices import MAX_DEVICE_ID_LENGTH, MAX_DEVICE_NAME_LENGTH, Device, DeviceType
from ...domain.ports.stores import Store
from ...domain.sessions import EndReason, Session, SessionEnd, SessionId
from ...domain.users import MAX_FREEZE_REASON_LENGTH, MAX_USER_NAME_LENGTH, NewUser, User, UserState
from .audit import new_event
from .part import PartOfContract
from .sessions import START, new_session, refreshing
from .steps import Steps
from .users import another_user, save

_DEVICE = Device(DeviceType.PC, "an id", "a name")


def _new_user(_store: Store) -> NewUser:
    return evolve(another_user(user_name="a name"), state=UserState("封号", None, "a reason"))


def _keep_new_user(store: Store, user: NewUser) -> NewUser:
    found = store.users.by_id(Steps(store).users.add(user).id)
    assert found is not None
    assert found.registered_at is not None
    return evolve(
        user,
        password_hash=found.password_hash,
        registered_at=found.registered_at,
        user_name=found.user_name,
        state=found.state,
    )


def _user(store: Store) -> User:
    return evolve(Steps(store).users.add(_new_user(store)), wechat_openid="an openid")


def _keep_user(store: Store, user: User) -> User | None:
    save(store.work, user)
    return store.users.by_id(user.id)


def _session(store: Store) -> Session:
    return evolve(
        new_session(Steps(store).users.add(another_user()).id),
        device=_DEVICE,
        address="192.0.2.1",
        user_agent="a browser",
        end=SessionEnd(START, EndReason.KICKED, evolve(_DEVICE, id=None), Actor.service()),
    )


def _keep_session(store: Store, session: Session) -> Session | None:
    Steps(store).sessions.add(evolve(session, end=None))
    if session.end is not None:
        assert Steps(store).sessions.end([session.id], session.end) == 1
    return store.sessions.by_id(session.id)


def _event(_store: Store) -> AuditEvent:
    return evolve(new_event(), session_id=SessionId("a session"), device=_DEVICE, address="192.0.2.1")


def _keep_event(store: Store, event: AuditEvent) -> AuditEvent:
    Steps(store).audit.append(event)
    return store.audit.find(subject=None, before=None, limit=1)[0].event


@frozen
class _Noun:
    """A noun of the store: how one is made, stored and read back."""

    name: str
    make: Callable[[Store], Any]
    keep: Callable[[Store, Any], Any]


_NEW_USER = _Noun("a new user", _new_user, _keep_new_user)
_USER = _Noun("a user", _user, _keep_user)
_SESSION = _Noun("a session", _session, _keep_session)
_EVENT = _Noun("an event", _event, _keep_event)

# Each field with a text, and how long the text may be.
_TEXTS = [
    (_NEW_USER, "password_hash", 120),
    (_NEW_USER, "user_name", MAX_USER_NAME_LENGTH),
    (_NEW_USER, "state.text", 120),
    (_NEW_USER, "state.reason", MAX_FREEZE_REASON_LENGTH),
    (_USER, "password_hash", 120),
    (_USER, "user_name", MAX_USER_NAME_LENGTH),
    (_USER, "wechat_openid", 120),
    (_USER, "state.text", 120),
    (_USER, "state.reason", MAX_FREEZE_REASON_LENGTH),
    (_SESSION, "id", 64),
    (_SESSION, "device.id", MAX_DEVICE_ID_LENGTH),
    (_SESSION, "device.name", MAX_DEVICE_NAME_LENGTH),
    (_SESSION, "address", 64),
    (_SESSION, "user_agent", 256),
    (_SESSION, "end.by.name", MAX_DEVICE_NAME_LENGTH),
    (_SESSION, "end.actor.text", 80),
    (_EVENT, "actor.text", 80),
    (_EVENT, "outcome", 64),
    (_EVENT, "detail", 5_000),
    (_EVENT, "session_id", 64),
    (_EVENT, "device.id", MAX_DEVICE_ID_LENGTH),
    (_EVENT, "device.name", MAX_DEVICE_NAME_LENGTH),
    (_EVENT, "address", 64),
]
_TIMES = [
    (_NEW_USER, "registered_at"),
    (_NEW_USER, "state.until"),
    (_USER, "state.until"),
    (_SESSION, "started_at"),
    (_SESSION, "last_seen_at"),
    (_SESSION, "expires_at"),
    (_SESSION, "refreshing.rotated_at"),
    (_SESSION, "refreshing.expires_at"),
    (_SESSION, "end.at"),
    (_EVENT, "at"),
]

_CHARACTERS = {
    "characters of 4 bytes": "𠮷🔑",
    "characters of several code points": "👨‍👩‍👧‍👦🇨🇳",
    "blanks": " ",
    "blanks of other kinds": " \N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}",
    "upper and lower case": "aAßẞıİſsK\N{KELVIN SIGN}",
    "combining accents": "e\N{COMBINING ACUTE ACCENT}",
    "full width": "Ａａ１，",
    "right to left": "אב\N{RIGHT-TO-LEFT MARK}",
    "what SQL might read": "'\"`\\%_;--$1:x?{}#/*",
    "what might be a number": "0",
    "what might be JSON": '{"a":null}',
    "the last of Unicode": "\ue000\ufffd\ufffe\U0010ffff",
}


def _name(value: object) -> str | None:
    return value.name if isinstance(value, _Noun) else None


def _with(thing: Any, place: str, value: object) -> Any:
    """*thing* with *value* in the field *place*: ``device.name`` is the name in its device."""
    name, _, rest = place.partition(".")
    return evolve(thing, **{name: _with(getattr(thing, name), rest, value) if rest else value})


class ExactTextContract(PartOfContract):
    """Texts are kept whole or refused. Subclasses give the fixture ``store``: an empty Store."""

    @pytest.mark.parametrize(("noun", "place", "longest"), _TEXTS, ids=_name)
    def test_a_text_comes_back_whole(self, store: Store, noun: _Noun, place: str, longest: int) -> None:
        for characters in _CHARACTERS.values():
            # With a blank at either end.
            thing = _with(noun.make(store), place, f" {(characters * longest)[: longest - 2]} ")
            assert noun.keep(store, thing) == thing

    @pytest.mark.parametrize(("noun", "place", "longest"), _TEXTS, ids=_name)
    def test_a_text_is_never_cut(self, store: Store, noun: _Noun, place: str, longest: int) -> None:
        # Some databases silently cut trailing blanks even where they refuse any other text that is too long.
        for text in ("x" * (longest + 1), "𠮷" * (longest + 1), "x" * longest + " ", "an end\0 before", "\ud800"):
            thing = _with(noun.make(store), place, text)
            try:
                found = noun.keep(store, thing)
            except Exception:  # noqa: BLE001 - refused, in whatever words: nobody is told that it was kept
                continue
            assert found == thing
        thing = noun.make(store)
        assert noun.keep(store, thing) == thing

    @pytest.mark.parametrize(
        ("noun", "place"),
        [
            *((_NEW_USER, "user_name"), (_NEW_USER, "state.reason"), (_USER, "user_name"), (_USER, "wechat_openid")),
            *((_SESSION, "device.id"), (_SESSION, "device.name"), (_SESSION, "address"), (_SESSION, "user_agent")),
            *((_SESSION, "end.by.name"), (_EVENT, "detail"), (_EVENT, "device.id"), (_EVENT, "device.name")),
            *((_EVENT, "address"), (_EVENT, "session_id")),
        ],
        ids=_name,
    )
    def test_an_empty_text_is_not_none(self, store: Store, noun: _Noun, place: str) -> None:
        for text in ("", None):
            thing = _with(noun.make(store), place, text)
            assert noun.keep(store, thing) == thing


class ExactTimeContract(PartOfContract):
    """Times come back to the microsecond, in UTC. Subclasses give the fixture ``store``: an empty Store."""

    @pytest.mark.parametrize(("noun", "place"), _TIMES, ids=_name)
    def test_a_time_comes_back_to_the_microsecond(self, store: Store, noun: _Noun, place: str) -> None:
        for time in (
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2038, 1, 19, 3, 14, 8, 100000, tzinfo=UTC),
            # Where clocks change for summer time, here or there, these are hours that do not exist or occur twice.
            *(datetime(2026, 3, 29, hour, 30, 0, 999999, tzinfo=UTC) for hour in (0, 1, 2)),
            *(datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1, 2)),
            datetime(9998, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ):
            # Without a limit on idleness, which could not be added to the last possible time.
            made = noun.make(store)
            thing = _with(evolve(made, idle_ttl=timedelta(0)) if noun is _SESSION else made, place, time)
            found = noun.keep(store, thing)
            assert found == thing
            for part in place.split("."):
                found = getattr(found, part)
            assert found.utcoffset() == timedelta(0)

    def test_a_time_that_differs_by_a_microsecond_is_another(self, store: Store) -> None:
        user = Steps(store).users.add(another_user())
        moment = timedelta(microseconds=1)
        for second, at in enumerate([START, START.replace(microsecond=0), START.replace(microsecond=999999)]):
            session = new_session(user.id, started_at=at - timedelta(days=7), name=f"session {second}")
            Steps(store).sessions.add(session)
            assert session.expires_at == at
            assert session in store.sessions.live(user.id, session.kind, at - moment)
            assert session not in store.sessions.live(user.id, session.kind, at)
            Steps(store).audit.append(new_event(at=at))
            assert Steps(store).sessions.prune(at, 1) == Steps(store).audit.prune(at, 1) == 0
            assert Steps(store).sessions.prune(at + moment, 1) == Steps(store).audit.prune(at + moment, 1) == 1

    @pytest.mark.parametrize("seconds", [0, 1, 3600, 10 * 365 * 86400])
    def test_a_length_of_time_comes_back(self, store: Store, seconds: int) -> None:
        session = evolve(_session(store), idle_ttl=timedelta(seconds=seconds))
        assert _keep_session(store, session) == session

    @pytest.mark.parametrize("rotations", [0, 1, 2**31 - 1])
    @pytest.mark.parametrize(
        "digest", [b"\x00" * 32, b"\xff" * 32, bytes(range(32)), b"' \\\r\n\x1a\x00\t%_" + b" " * 22]
    )
    def test_a_digest_comes_back_byte_by_byte(self, store: Store, digest: bytes, rotations: int) -> None:
        session = evolve(_session(store), refreshing=refreshing(digest, rotations), end=None)
        assert _keep_session(store, session) == session
        new = refreshing(bytes(reversed(digest[1:])) + b"\x01", rotations)
        assert Steps(store).sessions.rotate(session.id, old=digest, new=new)
        assert store.sessions.by_id(session.id) == evolve(session, refreshing=new)
