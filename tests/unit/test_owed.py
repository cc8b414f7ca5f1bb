"""Word that is owed is said once, together with what has come since, and nobody waits for it too long."""

from collections.abc import Iterator
from threading import Event

import pytest
from attrs import define, field

from menshen.adapters.redis.owed import Owed
from menshen.domain.users import UserId

ONE, OTHER = UserId(1), UserId(2)
LONG = 60.0


@define(eq=False)
class Voice:
    """What is said is heard, unless it is to fail; it may have to wait until it is free to speak."""

    said: list[set[UserId] | None] = field(factory=list)
    failures: int = 0
    is_free: Event = field(factory=Event)
    has_begun: Event = field(factory=Event)
    has_said: Event = field(factory=Event)
    is_closed: Event = field(factory=Event)

    def __call__(self, users: set[UserId] | None) -> None:
        self.has_begun.set()
        assert self.is_free.wait(LONG)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("nobody is there")
        self.said.append(users)
        self.has_said.set()

    def close(self) -> None:
        self.is_closed.set()


@pytest.fixture
def voice() -> Voice:
    found = Voice()
    found.is_free.set()
    return found


@pytest.fixture
def owed(voice: Voice) -> Iterator[Owed]:
    found = Owed(voice, retry_seconds=LONG)
    yield found
    voice.is_free.set()
    found.close(LONG)
    assert voice.is_closed.is_set()


def test_what_was_said_is_owed_no_more(owed: Owed, voice: Voice) -> None:
    assert owed.pay({ONE}, LONG)
    assert owed.pay({OTHER}, LONG)
    assert voice.said == [{ONE}, {OTHER}]


def test_what_could_not_be_said_is_said_with_the_next(owed: Owed, voice: Voice) -> None:
    voice.failures = 2
    assert not owed.pay({ONE}, LONG)
    assert not owed.pay({OTHER}, LONG)
    assert owed.pay({ONE}, LONG)
    assert voice.said == [{ONE, OTHER}]
    assert owed.pay({ONE}, LONG)
    assert voice.said[1:] == [{ONE}]


def test_what_could_not_be_said_is_said_without_a_next_one(voice: Voice) -> None:
    owed = Owed(voice, retry_seconds=0.0)
    voice.failures = 1
    owed.pay({ONE}, LONG)
    assert voice.has_said.wait(LONG)
    owed.close(LONG)
    assert voice.said == [{ONE}]


def test_what_is_owed_at_the_end_is_tried_once_more(voice: Voice) -> None:
    owed = Owed(voice, retry_seconds=LONG)
    voice.failures = 1
    assert not owed.pay({ONE}, LONG)
    owed.close(LONG)
    assert voice.said == [{ONE}]


def test_everybody_includes_whoever_was_owed(owed: Owed, voice: Voice) -> None:
    voice.failures = 1
    assert not owed.pay({ONE}, LONG)
    assert owed.pay(None, LONG)
    assert owed.pay({ONE}, LONG)
    assert voice.said == [None, {ONE}]


def test_everybody_stays_owed_as_well(owed: Owed, voice: Voice) -> None:
    voice.failures = 1
    assert not owed.pay(None, LONG)
    assert owed.pay({ONE}, LONG)
    assert voice.said == [None]


def test_nobody_waits_longer_than_the_patience(owed: Owed, voice: Voice) -> None:
    voice.is_free.clear()
    assert not owed.pay({ONE}, 0.0)
    assert voice.has_begun.wait(LONG)
    # What comes while it speaks is said afterwards.
    assert not owed.pay({OTHER}, 0.0)
    voice.is_free.set()
    assert owed.pay({OTHER}, LONG)
    assert voice.said[0] == {ONE}
    assert {user_id for users in voice.said[1:] for user_id in users or ()} == {OTHER}


def test_after_the_end_nothing_is_promised(voice: Voice) -> None:
    owed = Owed(voice, retry_seconds=LONG)
    assert owed.pay({ONE}, LONG)
    owed.close(LONG)
    assert not owed.pay({OTHER}, LONG)
    assert voice.said == [{ONE}]
