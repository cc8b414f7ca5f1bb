"""The device that a login names is kept whole or refused."""

import pytest

from menshen.domain.devices import (
    MAX_DEVICE_ID_LENGTH,
    MAX_DEVICE_NAME_LENGTH,
    NO_CLIENT,
    Client,
    Device,
    DeviceInvalid,
    DeviceType,
)
from menshen.domain.texts import is_plain

from .cases import for_each
from .memory_house import OTHER_PHONE, PASSWORD, PHONE, House, client_on

PLAIN = [" ", "iPhone 15 Pro", "张三的手机", "🏮", "O'Brien\"; --", "<b>", "a/b+c=d"]
NOT_PLAIN = ["a\0b", "\n", "name\r\nforged: line", "\x1b[31m", "\x7f", "\x85", "\ud83d"]


def test_a_client_that_says_nothing_is_on_another_device() -> None:
    assert Device() == Device(DeviceType.OTHER, None, None)
    assert Client() == NO_CLIENT
    assert NO_CLIENT.device == Device()
    assert not NO_CLIENT.remember


def test_the_types_are_the_contracts() -> None:
    assert [kind.value for kind in DeviceType] == ["phone", "tablet", "pc", "web", "mini_program", "other"]


@for_each("text", [*PLAIN, None])
def test_an_id_and_a_name_may_be_anything_that_can_be_shown(text: str | None) -> None:
    device = Device(DeviceType.PHONE, text, text)
    device.check()
    assert (device.id, device.name) == (text, text)


def test_an_empty_id_would_make_one_device_of_all_that_send_it() -> None:
    with pytest.raises(DeviceInvalid):
        Device(id="").check()
    Device(name="").check()


PLACEHOLDERS = [
    *(
        "0",
        "000000000000000",
        "00000000-0000-0000-0000-000000000000",
        "00:00:00:00:00:00",
        "{00000000}",
        "ffffffff",
        "FFFF-FFFF",
    ),
    *("undefined", "null", " Null ", "NULL", "(null)", "nil", "None", "NaN", "unknown", "[object Object]"),
    *("9774d56d682e549c", "02:00:00:00:00:00"),
]


@for_each("text", PLACEHOLDERS)
def test_a_placeholder_is_no_id(text: str) -> None:
    device = Device(DeviceType.PHONE, text, "a phone")
    device.check()
    assert device == Device(DeviceType.PHONE, None, "a phone")


@for_each("text", ["0a", "10000000", "null1", "nullable", "f0", "ff-0f", "unknown-7", "-", "0x0", "x" * 36])
def test_an_id_that_only_begins_like_a_placeholder_is_one(text: str) -> None:
    assert Device(id=text).id == text


def test_clients_that_send_a_placeholder_do_not_log_each_other_out() -> None:
    house = House()
    house.register()
    logins = [house.login(client=client_on("phone", text)) for text in PLACEHOLDERS]
    assert len(house.live(logins[0].user)) == len(PLACEHOLDERS)
    same = [house.login(client=client_on("phone", "a phone of its own")) for _ in range(2)]
    assert same[0].session.id not in house.live(logins[0].user)


@for_each("text", NOT_PLAIN)
def test_an_id_or_a_name_with_a_control_character_is_refused(text: str) -> None:
    with pytest.raises(DeviceInvalid):
        Device(id=text).check()
    with pytest.raises(DeviceInvalid):
        Device(name=text).check()


@for_each("character", ["x", "机", "🔑"])
def test_lengths_are_in_characters_with_the_limit_allowed(character: str) -> None:
    Device(id=character * MAX_DEVICE_ID_LENGTH, name=character * MAX_DEVICE_NAME_LENGTH).check()
    with pytest.raises(DeviceInvalid):
        Device(id=character * (MAX_DEVICE_ID_LENGTH + 1)).check()
    with pytest.raises(DeviceInvalid):
        Device(name=character * (MAX_DEVICE_NAME_LENGTH + 1)).check()


@for_each("text", ["", *PLAIN])
def test_a_text_is_plain_up_to_its_limit(text: str) -> None:
    assert is_plain(text, len(text))
    assert not is_plain(text + "x", len(text))


@for_each("text", NOT_PLAIN)
def test_a_text_with_a_character_that_cannot_be_shown_is_not_plain(text: str) -> None:
    for whole in (text, f"before{text}", f"{text}after"):
        assert not is_plain(whole, 100)


@for_each("device", [Device(id=""), Device(name="a\nb"), Device(id="x" * 129), Device(id="\ud83d")])
def test_who_comes_on_a_device_that_cannot_be_kept_stays_out_before_anything_else(device: Device) -> None:
    house = House()
    house.register_admin()
    users, events = dict(house.store.users), house.events
    client = Client(device=device)
    for phone in (PHONE, OTHER_PHONE, "no number"):
        with pytest.raises(DeviceInvalid):
            house.login(phone, client=client)
        with pytest.raises(DeviceInvalid):
            house.admin_login(phone, client=client)
        with pytest.raises(DeviceInvalid):
            house.service.register_and_login(phone=phone, password=PASSWORD, client=client)
    assert house.hasher.judged == 0
    assert (house.store.users, house.store.sessions, house.events) == (users, {}, events)
