"""The device that a login names, what the device policy does with it, and what a refused client is told."""

from datetime import timedelta

from attrs import evolve

from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import Device, DeviceType
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import (
    ADDRESS,
    LOGIN,
    PASSWORD,
    PHONE,
    REGISTER,
    SESSIONS,
    SHANGHAI,
    HttpService,
    done,
    envelope,
    granted,
    refused,
    serve,
    session_of,
)

BOTH = (REGISTER, LOGIN)
NOW = "2026-01-01 08:00:00"


def with_policy(**table: object) -> HttpService:
    return serve(Settings(time_zone=SHANGHAI, device_policy=DevicePolicy.from_table(table)))


def house(path: str) -> HttpService:
    """A service in which a request to *path*, register or log in, succeeds."""
    http = serve()
    if path == LOGIN:
        http.registered()
        http.store.sessions.clear()
        http.store.audit.clear()
    return http


def only_device(http: HttpService) -> Device:
    (session,) = http.store.sessions.values()
    return session.device


def body(**more: object) -> dict[str, object]:
    return {"phone": PHONE, "password": PASSWORD, **more}


# The device.


@for_each("path", BOTH)
@for_each("type_name", ["phone", "tablet", "pc", "web", "mini_program", "other"])
def test_a_login_may_say_what_it_is(path: str, type_name: str) -> None:
    http = house(path)
    granted(http.post(path, body(device={"type": type_name, "id": "d-1", "name": "张三的手机"})))
    assert only_device(http) == Device(DeviceType(type_name), "d-1", "张三的手机")


@for_each("path", BOTH)
@for_each(
    "more",
    [{}, {"device": None}, {"device": {}}, {"device": {"type": None, "id": None, "name": None}}, {"device": {"x": 1}}],
)
def test_a_client_that_says_nothing_is_other(path: str, more: dict[str, object]) -> None:
    http = house(path)
    granted(http.post(path, body(**more)))
    assert only_device(http) == Device(DeviceType.OTHER, None, None)


@for_each("path", BOTH)
@for_each(
    "device",
    [
        {"id": "x" * 128},
        {"name": "x" * 64},
        {"id": "𠮷" * 128, "name": "😀" * 64},
        {"name": ""},
        {"id": " ", "name": " "},
    ],
)
def test_ids_and_names_are_kept_as_they_came(path: str, device: dict[str, str]) -> None:
    http = house(path)
    granted(http.post(path, body(device=device)))
    assert only_device(http) == Device(DeviceType.OTHER, device.get("id"), device.get("name"))


CANNOT_BE_KEPT = [
    *({"type": name} for name in ("", "Phone", "PHONE", "phone ", "desktop", "total", "phone+pc", "ｐｃ", "x" * 9_000)),
    *({"id": text} for text in ("", "x" * 129, "a\nb", "\x1b[31m", "\x7f", "\x85")),
    *({"name": text} for text in ("x" * 65, "a\nb", "\t", "\x9b", "x" * 9_000)),
    {"type": "phone", "id": "fine", "name": "a\rb"},
]


@for_each("path", BOTH)
@for_each("device", CANNOT_BE_KEPT)
def test_a_device_that_cannot_be_kept_is_refused_and_nothing_is_stored(path: str, device: dict[str, str]) -> None:
    http = house(path)
    users = dict(http.store.users)
    refused(http.post(path, body(device=device)), 400, "device_invalid", "设备信息无效")
    assert http.store.users == users
    assert not http.store.sessions
    assert not http.store.audit
    english = http.post(path, body(device=device), **{"Accept-Language": "en"})
    refused(english, 400, "device_invalid", "The device cannot be understood.")


@for_each("path", BOTH)
@for_each("text", ["\ud800", "\0"])
@for_each("member", ["type", "id", "name"])
def test_what_is_no_character_is_no_json_of_ours(path: str, member: str, text: str) -> None:
    http = house(path)
    refused(http.post(path, body(device={member: text})), 400, "body_invalid")
    assert not http.store.sessions


NO_OBJECTS: list[object] = ["phone", "", 1, 0, 1.5, True, False, [], [{}]]
NO_TEXTS: list[object] = [1, 1.5, True, False, [], {}, ["phone"]]
NO_SWITCHES: list[object] = [1, 0, "true", "", 1.0, [], {}, [True]]


def saying(member: str, value: object) -> dict[str, object]:
    return {"device": {member: value}}


WRONG: list[tuple[dict[str, object], str]] = [
    *(({"device": value}, "device") for value in NO_OBJECTS),
    *((saying(member, value), member) for member in ("type", "id", "name") for value in NO_TEXTS),
    *(({"remember": value}, "remember") for value in NO_SWITCHES),
]


@for_each("path", BOTH)
@for_each(("more", "member"), WRONG)
def test_a_wrong_type_is_never_coerced(path: str, more: dict[str, object], member: str) -> None:
    hasher = FakePasswordHasher()
    http = serve(hasher=hasher)
    refused(http.post(path, body(**more)), 400, "member_invalid", f"参数{member}类型错误")
    assert not http.store.users
    assert hasher.judged == 0


# Remembering.


@for_each("path", BOTH)
@for_each("remember", [True, False, None])
def test_remember_takes_the_longer_life(path: str, remember: bool | None) -> None:
    http = house(path)
    granted(http.post(path, body(remember=remember)))
    (session,) = http.store.sessions.values()
    life = session.expires_at - session.started_at, session.idle_ttl
    expected = (180, 60) if remember else (30, 14)
    assert life == tuple(timedelta(days=days) for days in expected)


def test_the_operator_says_how_long_that_is() -> None:
    http = serve(
        Settings(
            time_zone=SHANGHAI,
            session_ttl=timedelta(hours=5),
            session_idle_ttl=timedelta(hours=2),
            remember_session_ttl=timedelta(hours=9),
            remember_session_idle_ttl=timedelta(hours=7),
        )
    )
    sessions = [http.session(session_of(answer)) for answer in (http.register(), http.login(remember=True))]
    hours = [(session.expires_at - session.started_at, session.idle_ttl) for session in sessions]
    assert hours == [
        (timedelta(hours=5), timedelta(hours=2)),
        (timedelta(hours=9), timedelta(hours=7)),
    ]


# Where the login comes from.


@for_each(
    ("user_agent", "kept"),
    [
        ("Mozilla/5.0", "Mozilla/5.0"),
        ("x" * 256, "x" * 256),
        ("x" * 9_000, "x" * 256),
        ("a\x1bb\tc", "a?b?c"),
        ("", ""),
    ],
)
def test_the_session_knows_the_address_and_a_hint_of_the_program(user_agent: str, kept: str) -> None:
    http = serve()
    http.registered()
    session = http.session(session_of(http.post(LOGIN, body(), **{"User-Agent": user_agent})))
    assert (session.address, session.user_agent) == (ADDRESS, kept)


# The same device again.


@for_each("path", BOTH)
def test_the_same_device_replaces_its_own_session_even_where_many_are_allowed(path: str) -> None:
    http = serve()
    device = {"type": "phone", "id": "d-1", "name": "old name"}
    first = granted(http.post(REGISTER, body(device=device if path == REGISTER else None)))
    if path == LOGIN:
        first = granted(http.login(device=device))
    other = granted(http.login(device={"type": "phone", "id": "d-2"}))
    second = granted(http.login(device={"type": "pc", "id": "d-1", "name": "new name"}))
    by = {"ended_at": NOW, "by": {"type": "pc", "name": "new name"}}
    refused(http.user_info(first), 401, "session_replaced", "token过期", by)
    assert http.user_info(other).status_code == http.user_info(second).status_code == 200


def test_the_same_device_id_of_another_user_is_another_device(http: HttpService) -> None:
    device = {"type": "phone", "id": "d-1"}
    first = http.registered(device=device)
    second = http.registered("13900139000", device=device)
    assert http.user_info(first).status_code == http.user_info(second).status_code == 200


# The policy.


def test_a_phone_ends_a_phone_and_spares_the_pc() -> None:
    http = with_policy(phone=1, pc=1)
    phone = http.registered(device={"type": "phone", "name": "first"})
    pc = granted(http.login(device={"type": "pc"}))
    other = granted(http.login())
    http.clock.move(timedelta(seconds=5))
    again = granted(http.login(device={"type": "phone", "name": "second"}))
    by = {"ended_at": "2026-01-01 08:00:05", "by": {"type": "phone", "name": "second"}}
    refused(http.user_info(phone), 401, "session_replaced", "token过期", by)
    assert {http.user_info(token).status_code for token in (pc, other, again)} == {200}


@for_each(("overflow", "ends"), [("evict_oldest", 0), ("evict_idle", 1)])
def test_who_goes_is_the_operators_choice(overflow: str, ends: int) -> None:
    http = with_policy(total=2, overflow=overflow)
    tokens = [http.registered()]
    http.clock.move(timedelta(minutes=5))
    tokens.append(granted(http.login()))
    http.clock.move(timedelta(minutes=5))
    assert http.user_info(tokens[0]).status_code == 200
    http.clock.move(timedelta(minutes=5))
    tokens.append(granted(http.login()))
    codes = [http.user_info(token).status_code for token in tokens]
    assert codes == [401 if number == ends else 200 for number in range(3)]


def test_a_policy_of_ones_own_counts_for_that_user_alone() -> None:
    http = serve()
    first, other = http.registered(), http.registered("13900139000")
    http.change_user(device_policy=DevicePolicy.single())
    granted(http.login())
    granted(http.login("13900139000"))
    assert envelope(http.user_info(first))["reason"] == "session_replaced"
    assert http.user_info(other).status_code == 200


# When the limit is reached, and newcomers are rejected.


def full() -> tuple[HttpService, str, str]:
    """A service with one place, which is taken: the token and the session that have it."""
    http = with_policy(phone=1, total=1, overflow="reject_new")
    answer = http.post(
        REGISTER, body(device={"type": "phone", "id": "d-1", "name": "the first"}), **{"User-Agent": "app/1"}
    )
    http.clock.move(timedelta(minutes=3))
    return http, granted(answer), session_of(answer)


def test_the_refusal_names_the_devices_that_are_in() -> None:
    http, token, session_id = full()
    assert http.user_info(token).status_code == 200
    sessions = dict(http.store.sessions)
    refused(
        http.login(device={"type": "pc", "id": "d-2"}),
        403,
        "too_many_devices",
        "登陆设备数量已达上限",
        {
            "sessions": [
                {
                    "id": session_id,
                    "device": {"type": "phone", "id": "d-1", "name": "the first"},
                    "first_seen": "2026-01-01 08:00:00",
                    "last_seen": "2026-01-01 08:03:00",
                    "address": ADDRESS,
                    "user_agent": "app/1",
                }
            ]
        },
    )
    assert http.store.sessions == sessions
    assert http.user_info(token).status_code == 200


def test_the_refusal_speaks_english_too_and_keeps_its_data() -> None:
    http, _, session_id = full()
    answer = envelope(http.post(LOGIN, body(), **{"Accept-Language": "en"}))
    assert answer["msg"] == "No more devices may log in; sign one of them out first."
    assert [session["id"] for session in answer["data"]["sessions"]] == [session_id]


def test_the_devices_are_named_to_nobody_without_the_password() -> None:
    http, _, _ = full()
    refused(http.login(password="another password"), 403, "invalid_credentials", "用户账号或密码错误")


def test_a_client_of_200_alone_sees_the_devices_as_well() -> None:
    http, _, _ = full()
    always = serve(evolve(http.settings, always_http_200=True))
    always.registered()
    answer = always.login()
    assert answer.status_code == 200
    assert envelope(answer)["code"] == 403
    assert len(envelope(answer)["data"]["sessions"]) == 1


def test_a_login_may_say_whom_it_replaces() -> None:
    http, token, session_id = full()
    second = granted(http.login(device={"type": "pc", "name": "the second"}, replace=session_id))
    by = {"ended_at": "2026-01-01 08:03:00", "by": {"type": "pc", "name": "the second"}}
    refused(http.user_info(token), 401, "session_replaced", "token过期", by)
    assert http.user_info(second).status_code == 200


def test_the_same_device_is_let_in_again() -> None:
    http, token, _ = full()
    second = granted(http.login(device={"type": "phone", "id": "d-1"}))
    assert envelope(http.user_info(token))["reason"] == "session_replaced"
    assert http.user_info(second).status_code == 200


@for_each("replace", [None, "", "no such session", "x" * 9_000])
def test_an_unknown_user_makes_no_room(replace: str | None) -> None:
    http, token, _ = full()
    assert envelope(http.login(replace=replace))["reason"] == "too_many_devices"
    assert http.user_info(token).status_code == 200


def test_nobody_replaces_a_session_of_somebody_else() -> None:
    http, token, session_id = full()
    other = http.registered("13900139000")
    assert envelope(http.login("13900139000", replace=session_id))["reason"] == "too_many_devices"
    assert http.user_info(token).status_code == http.user_info(other).status_code == 200


@for_each("replace", [1, 0, True, False, 1.5, [], {}, ["fake"]])
def test_whom_to_replace_is_a_text(replace: object) -> None:
    http, token, _ = full()
    refused(http.login(replace=replace), 400, "member_invalid", "参数replace类型错误")
    assert http.user_info(token).status_code == 200


def test_a_login_that_is_refused_replaces_nobody() -> None:
    http, token, session_id = full()
    http.login(password="another password", replace=session_id)
    http.login("13900139000", replace=session_id)
    assert http.user_info(token).status_code == 200


def test_where_there_is_room_the_named_one_still_goes(http: HttpService) -> None:
    first = http.register()
    second = http.login()
    third = http.login(replace=session_of(first))
    assert envelope(http.user_info(granted(first)))["reason"] == "session_replaced"
    live = done(http.request("GET", SESSIONS, token=granted(third)))["sessions"]
    assert [session["id"] for session in live] == [session_of(second), session_of(third)]


def test_a_registration_has_nobody_to_replace(http: HttpService) -> None:
    first = http.register()
    granted(http.register("13900139000", replace=session_of(first)))
    assert http.user_info(granted(first)).status_code == 200


def test_a_place_that_is_given_up_is_free() -> None:
    http, token, session_id = full()
    done(http.request("DELETE", f"{SESSIONS}/{session_id}", token=token))
    granted(http.login())


def test_a_type_without_a_place_is_told_so() -> None:
    http = with_policy(web=0, total=3)
    http.registered()
    refused(http.login(device={"type": "web"}), 403, "too_many_devices", "登陆设备数量已达上限", {"sessions": []})


def test_a_registration_on_a_device_without_a_place_registers_nobody() -> None:
    http = with_policy(web=0)
    refused(http.register(device={"type": "web"}), 403, "too_many_devices", data={"sessions": []})
    assert not http.store.users
    granted(http.register(device={"type": "pc"}))
