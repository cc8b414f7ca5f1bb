"""Sealed text: nobody else can read, make or change it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.conformance.seals import SealContract
from menshen.adapters.hmac_seal import HmacSeal
from menshen.adapters.memory.fakes import FakeSeal
from menshen.domain.ports.outside import Seal

from .cases import examples

SECRET = b"kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
SEAL = HmacSeal(SECRET)


class TestHmacSeal(SealContract):
    @pytest.fixture
    def seal(self) -> Seal:
        return SEAL


class TestFakeSeal(SealContract):
    @pytest.fixture
    def seal(self) -> Seal:
        return FakeSeal()


@given(text=st.text(max_size=200))
@examples(100)
def test_any_text_comes_back(text: str) -> None:
    assert SEAL.open(SEAL.seal(text, "one"), "one") == text


def test_no_changed_character_is_taken() -> None:
    sealed = SEAL.seal("a text of some length, which is longer than a block of it", "one")
    for place in range(len(sealed)):
        for other in "AB_-z9":
            changed = sealed[:place] + other + sealed[place + 1 :]
            assert changed == sealed or SEAL.open(changed, "one") is None, place


def test_another_secret_opens_nothing_and_none_is_shown() -> None:
    sealed = SEAL.seal("a text", "one")
    assert HmacSeal(SECRET[::-1]).open(sealed, "one") is None
    assert SECRET.decode() not in repr(SEAL)


def test_nothing_of_the_text_shows_not_even_that_two_begin_alike() -> None:
    one, other = (SEAL.seal("eyJhbGciOiJIUzI1NiJ9" + end, "one") for end in "ab")
    assert one[:20] != other[:20]
    assert "eyJ" not in one
