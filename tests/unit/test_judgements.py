"""A judgement says for how long it holds."""

from datetime import timedelta

from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from menshen.domain.errors import Refusal
from menshen.domain.presences import Judgement
from menshen.domain.sessions import LAST_SEEN_STEP, SessionEnd, SessionId

from .cases import examples
from .memory_house import MOMENT, House


@define
class Noting:
    """LastSeen that only counts."""

    notes: list[SessionId] = field(factory=list)

    def note(self, session_id: SessionId, at: object) -> None:
        self.notes.append(session_id)

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        self.notes.append(session_id)


SECONDS = st.integers(1, 300).map(lambda seconds: timedelta(seconds=seconds))


@examples(60)
@given(
    token=SECONDS,
    absolute=SECONDS,
    idle=SECONDS,
    since_seen=SECONDS,
    where=st.integers(0, 999).map(lambda part: part / 1000),
)
def test_until_its_end_nothing_changes_and_nothing_is_noted_and_at_its_end_something_does(
    token: timedelta, absolute: timedelta, idle: timedelta, since_seen: timedelta, where: float
) -> None:
    house, noting = House(), Noting()
    house.register()
    granted, now = house.login(), house.clock.time
    issued = house.codec.issued[granted.access_token]
    claims = evolve(issued, expires_at=issued.issued_at + token)
    house.store.sessions[granted.session.id] = evolve(
        house.stored(granted), expires_at=now + absolute, idle_ttl=idle, last_seen_at=now - since_seen
    )
    guard = evolve(house.service.authenticate_strictly, last_seen=noting)

    def judged() -> Judgement | None:
        try:
            return guard.judgement(claims)
        except Refusal:
            return None

    first = judged()
    if first is None:
        return
    assert first.since == now < first.until
    # Its last use is written by now, if it was noted.
    was_noted = bool(noting.notes)
    if was_noted:
        house.store.sessions[granted.session.id] = evolve(house.stored(granted), last_seen_at=now)
        assert since_seen >= LAST_SEEN_STEP
    noting.notes.clear()
    house.clock.time = now + where * (first.until - now)
    later = judged()
    assert later is not None
    assert later.principal.user == first.principal.user
    assert (later.until >= first.until, noting.notes) == (True, [])
    house.clock.time = first.until
    # What was noted may have made it last longer, if it was written by then.
    assert judged() is None or noting.notes or was_noted
    house.clock.time = first.until - MOMENT
    assert judged() is not None
