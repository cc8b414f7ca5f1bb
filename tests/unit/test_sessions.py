"""From a login until its end."""

from datetime import UTC, datetime, timedelta

import pytest

from menshen.domain.errors import SessionExpired, SessionLoggedOut, SessionReplaced, Unauthenticated
from menshen.domain.sessions import EndReason, Session, SessionEnd, SessionId
from menshen.domain.users import UserId

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=7)
MOMENT = timedelta(microseconds=1)


def session(end: SessionEnd | None = None) -> Session:
    return Session(id=SessionId("s"), user_id=UserId(1), started_at=START, expires_at=END, end=end)


@pytest.mark.parametrize("now", [START, START + timedelta(days=1), END - MOMENT])
def test_a_session_lives_until_its_end(now: datetime) -> None:
    assert session().is_live(now)
    session().check_live(now)


@pytest.mark.parametrize("now", [END, END + MOMENT, END + timedelta(days=365)])
def test_a_session_is_over_from_its_end_on(now: datetime) -> None:
    assert not session().is_live(now)
    with pytest.raises(SessionExpired):
        session().check_live(now)


@pytest.mark.parametrize(
    ("reason", "refusal"), [(EndReason.REPLACED, SessionReplaced), (EndReason.LOGGED_OUT, SessionLoggedOut)]
)
@pytest.mark.parametrize("now", [START, END - MOMENT, END, END + timedelta(days=365)])
def test_a_session_that_was_ended_tells_how_for_ever(
    reason: EndReason, refusal: type[Unauthenticated], now: datetime
) -> None:
    ended = session(SessionEnd(START, reason))
    assert not ended.is_live(now)
    with pytest.raises(refusal):
        ended.check_live(now)


@pytest.mark.parametrize("reason", EndReason)
def test_every_way_to_end_a_session_has_a_refusal_of_its_own(reason: EndReason) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        session(SessionEnd(START, reason)).check_live(START)
    assert refusal.value.reason == f"session_{reason.value}"
