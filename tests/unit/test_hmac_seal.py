"""Sealed text: nobody else can read, make or change it."""

import string
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.conformance.seals import SealContract
from menshen.adapters.hmac_seal import HmacSeal
from menshen.adapters.memory.fakes import FakeSeal
from menshen.domain.ports.outside import Seal

from .cases import examples, for_each

SECRET = b"kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
SEAL = HmacSeal(SECRET)

BEFORE = "kj9vjlONwML3-3lnlrH85mF7LFXIOBN83a_OhdngE-rYYW3_lCr0unZ7r-jb928QQ18mG3DbeH4s5XUHYx-kkDAoyt72mMj3bDZWOIk"


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


@for_each("length", [57, 58, 59])
def test_no_changed_character_is_taken(length: int) -> None:
    """In the last one some bits may mean nothing, depending on the length."""
    sealed = SEAL.seal("x" * length, "one")
    for place in range(len(sealed)):
        for other in string.ascii_letters + string.digits + "-_":
            changed = sealed[:place] + other + sealed[place + 1 :]
            assert changed == sealed or SEAL.open(changed, "one") is None, place


def test_blocks_that_are_the_same_do_not_look_so() -> None:
    sealed = SEAL.seal("a" * 320, "one")
    hidden = urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))[16:-32]
    assert len({hidden[start : start + 32] for start in range(0, 320, 32)}) == 10


def test_what_was_sealed_before_is_still_opened() -> None:
    assert SEAL.open(BEFORE, "one") == "a text that was sealed before"


def test_another_secret_opens_nothing_and_none_is_shown() -> None:
    sealed = SEAL.seal("a text", "one")
    assert HmacSeal(SECRET[::-1]).open(sealed, "one") is None
    assert SECRET.decode() not in repr(SEAL)


def test_nothing_of_the_text_shows_not_even_that_two_begin_alike() -> None:
    one, other = (SEAL.seal("eyJhbGciOiJIUzI1NiJ9" + end, "one") for end in "ab")
    assert one[:20] != other[:20]
    assert "eyJ" not in one
