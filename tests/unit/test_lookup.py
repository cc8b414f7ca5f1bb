"""Finding one user, for operators."""

import pytest

from menshen.domain.users import User, UserId

from .cases import for_each
from .memory_house import House


@pytest.fixture
def user(house: House) -> User:
    return house.register()


@for_each("identifier", ["13800138000", "+86 138-0013-8000", "１３８００１３８０００", "1", "01", "0000000001"])
def test_a_user_is_found_by_phone_number_or_id(house: House, user: User, identifier: str) -> None:
    assert user.id == 1
    assert house.service.find_user(identifier) == user


@for_each(
    "identifier",
    [
        "",
        " ",
        "0",
        "-1",
        "+1",
        "2",
        " 1",
        "1 ",
        "1\n",
        "1.0",
        "1e0",
        "0x1",
        "1_0",
        "１",
        "²",
        "①",
        "2147483647",
        "2147483648",
        "4294967297",
        "00000000001",
        "13900139000",
        "张三",
        "\0",
        "\ud800",
        "9" * 100_000,
    ],
)
def test_anything_else_names_nobody(house: House, user: User, identifier: str) -> None:
    assert house.service.find_user(identifier) is None


def test_a_user_is_found_by_id(house: House, user: User) -> None:
    assert house.service.find_user.by_id(user.id) == user
    assert house.service.find_user.by_id(UserId(2)) is None
