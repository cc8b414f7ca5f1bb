"""The contract of AuditTrail, AuditWriter and AuditPruning."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from attrs import evolve

from ...domain.actors import Actor
from ...domain.audit import Action, AuditEntry, AuditEvent, AuditId, EntryKind
from ...domain.devices import Device, DeviceType
from ...domain.sessions import SessionId
from ...domain.users import MAX_USER_ID, UserId
from .part import PartOfContract
from .steps import AuditSteps

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
HOUR = timedelta(hours=1)
_WINDOW_START = datetime(2026, 1, 2, 3, tzinfo=UTC)
ANNA, BERT = UserId(7), UserId(MAX_USER_ID)

_numbers: Iterator[int] = count(1)


def new_event(subject: UserId | None = ANNA, *, at: datetime = START) -> AuditEvent:
    """An event that is equal to no other."""
    detail = f"event {next(_numbers)}"
    return AuditEvent(at=at, actor=Actor.service(), action=Action.RENAME, subject=subject, detail=detail)


def all_of(audit: AuditSteps) -> list[AuditEvent]:
    """Every event, newest first."""
    return [entry.event for entry in audit.find(subject=None, before=None, limit=1000)]


class AuditContract(PartOfContract):
    """Subclasses give ``store``, which is empty."""

    @pytest.mark.parametrize(
        "event",
        [
            AuditEvent(at=START, actor=Actor.nobody(), action=Action.LOG_IN, subject=None, outcome="a_reason"),
            AuditEvent(
                at=START,
                actor=Actor.operator("o" * 100),
                action=Action.FREEZE,
                subject=BERT,
                outcome="done",
                detail="欠费 𠮷, 'quoted' % _ \\ " + "x" * 300,
                session_id=SessionId("s" * 64),
                device=Device(DeviceType.MINI_PROGRAM, id="标识" * 64, name="𠮷 的手机" + " " * 4),
                address="2001:db8::ffff:192.0.2.1",
            ),
            AuditEvent(at=START, actor=Actor.user(ANNA), action=Action.REGISTER, subject=ANNA, device=Device()),
            AuditEvent(at=START, actor=Actor.user(ANNA), action=Action.CLOSE, subject=ANNA, detail="", address=""),
        ],
    )
    def test_what_was_appended_comes_back_exactly(self, audit: AuditSteps, event: AuditEvent) -> None:
        audit.append(event)
        [entry] = audit.find(subject=None, before=None, limit=10)
        assert entry == AuditEntry(id=entry.id, event=event)
        assert entry.event.at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("action", Action)
    def test_every_action_comes_back(self, audit: AuditSteps, action: Action) -> None:
        event = evolve(new_event(), action=action)
        audit.append(event)
        [found] = all_of(audit)
        assert found == event
        assert found.action is action

    def test_the_same_event_twice_makes_two_entries(self, audit: AuditSteps) -> None:
        event = new_event()
        audit.append(event)
        audit.append(event)
        newer, older = audit.find(subject=None, before=None, limit=10)
        assert newer.event == older.event == event
        assert newer.id > older.id

    def test_the_entry_that_was_appended_last_is_found_first_whatever_its_time(self, audit: AuditSteps) -> None:
        events = [new_event(at=START + timedelta(hours=hours)) for hours in (1, 3, 2)]
        for event in events:
            audit.append(event)
        assert all_of(audit) == events[::-1]

    def test_there_is_nothing_in_an_empty_log(self, audit: AuditSteps) -> None:
        assert audit.find(subject=None, before=None, limit=10) == []
        assert audit.find(subject=ANNA, before=AuditId(1), limit=10) == []

    def test_what_is_about_one_subject_is_told_from_the_rest(self, audit: AuditSteps) -> None:
        events = [new_event(subject) for subject in (ANNA, BERT, None, ANNA)]
        for event in events:
            audit.append(event)
        for subject, expected in [(ANNA, [events[3], events[0]]), (BERT, [events[1]]), (UserId(8), [])]:
            found = audit.find(subject=subject, before=None, limit=10)
            assert [entry.event for entry in found] == expected
        assert all_of(audit) == events[::-1]

    @pytest.mark.parametrize("subject", [ANNA, None])
    def test_pages_leave_nothing_out(self, audit: AuditSteps, subject: UserId | None) -> None:
        for number in range(9):
            audit.append(new_event(BERT if number % 3 == 0 else ANNA))
        found: list[AuditEntry] = []
        for _ in range(4):
            page = audit.find(subject=subject, before=found[-1].id if found else None, limit=4)
            assert len(page) <= 4
            found += page
        assert found == audit.find(subject=subject, before=None, limit=100)
        assert len(found) == (9 if subject is None else 6)

    def test_what_comes_in_meanwhile_does_not_move_a_page(self, audit: AuditSteps) -> None:
        for _ in range(4):
            audit.append(new_event())
        expected = audit.find(subject=None, before=None, limit=4)
        audit.append(new_event())
        assert audit.find(subject=None, before=expected[1].id, limit=4) == expected[2:]

    def test_what_is_old_is_pruned_and_nothing_else(self, audit: AuditSteps) -> None:
        events = [new_event(at=START + timedelta(microseconds=number)) for number in range(4)]
        for event in events:
            audit.append(event)
        assert audit.prune(START + timedelta(microseconds=2), 10) == 2
        assert all_of(audit) == [events[3], events[2]]
        assert audit.prune(START + timedelta(microseconds=2), 10) == 0

    def test_no_more_is_pruned_than_was_asked_for(self, audit: AuditSteps) -> None:
        events = [new_event(at=START + timedelta(seconds=number)) for number in range(5)]
        for event in events:
            audit.append(event)
        newest_that_is_old = START + timedelta(seconds=4)
        assert audit.prune(newest_that_is_old, 3) == 3
        left = all_of(audit)
        assert len(left) == 2
        assert left[0] == events[4]
        assert audit.prune(newest_that_is_old, 3) == 1
        assert audit.prune(newest_that_is_old, 3) == 0
        assert all_of(audit) == [events[4]]

    def test_the_oldest_goes_first(self, audit: AuditSteps) -> None:
        events = [new_event(at=START + timedelta(seconds=number)) for number in range(4)]
        for event in events:
            audit.append(event)
        assert audit.prune(START + timedelta(days=1), 1) == 1
        assert all_of(audit) == events[:0:-1]

    def test_old_is_what_happened_long_ago_and_not_what_was_written_first(self, audit: AuditSteps) -> None:
        events = [new_event(at=START + timedelta(hours=hours)) for hours in (3, 1, 2, 1)]
        for event in events:
            audit.append(event)
        assert audit.prune(START + timedelta(days=1), 1) == 1
        assert all_of(audit) == [events[3], events[2], events[0]]
        assert audit.prune(START + timedelta(hours=2), 10) == 1
        assert all_of(audit) == [events[2], events[0]]

    def test_the_number_of_a_pruned_entry_is_not_given_again(self, audit: AuditSteps) -> None:
        audit.append(new_event())
        [old] = audit.find(subject=None, before=None, limit=1)
        assert audit.prune(START + timedelta(days=1), 10) == 1
        audit.append(new_event())
        [new] = audit.find(subject=None, before=None, limit=1)
        assert new.id > old.id

    def test_events_like_one_counted_before_share_its_entry(self, audit: AuditSteps) -> None:
        first = evolve(new_event(at=_WINDOW_START), outcome="a_reason", address="192.0.2.1", shown=3)
        later = evolve(first, at=first.at + timedelta(minutes=2), shown=4, session_id=SessionId("another"))
        between = evolve(first, at=first.at + timedelta(minutes=1), shown=None, device=Device())
        for event in (first, later, between):
            audit.count(event, HOUR)
        [entry] = audit.find(subject=ANNA, before=None, limit=10)
        assert (entry.event, entry.times, entry.last_at) == (evolve(first, shown=7), 3, later.at)

    def test_what_comes_once_is_counted_once(self, audit: AuditSteps) -> None:
        event = evolve(new_event(), shown=0)
        audit.count(event, HOUR)
        [entry] = audit.find(subject=ANNA, before=None, limit=10)
        assert (entry.event, entry.times, entry.last_at) == (event, 1, None)

    @pytest.mark.parametrize(
        "change",
        [
            lambda event: evolve(event, actor=Actor.nobody()),
            lambda event: evolve(event, action=Action.KICK),
            lambda event: evolve(event, subject=BERT),
            lambda event: evolve(event, subject=None),
            lambda event: evolve(event, outcome="another_reason"),
            lambda event: evolve(event, detail=None),
            lambda event: evolve(event, address="192.0.2.2"),
            lambda event: evolve(event, at=event.at + HOUR),
        ],
    )
    def test_an_event_unlike_it_gets_its_own_entry(
        self, audit: AuditSteps, change: Callable[[AuditEvent], AuditEvent]
    ) -> None:
        event = evolve(new_event(at=_WINDOW_START), address="192.0.2.1")
        for each in (event, change(event)):
            audit.count(each, HOUR)
        assert all_of(audit) == [change(event), event]

    def test_what_is_appended_is_never_counted(self, audit: AuditSteps) -> None:
        event = new_event()
        audit.append(event)
        audit.count(event, HOUR)
        audit.append(event)
        assert [entry.times for entry in audit.find(subject=None, before=None, limit=10)] == [1, 1, 1]

    def test_nothing_that_is_counted_at_once_is_lost(self, audit: AuditSteps) -> None:
        event = evolve(new_event(), shown=2)
        audit.count(event, HOUR)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: audit.count(event, HOUR), range(40)))
        [entry] = audit.find(subject=None, before=None, limit=10)
        assert (entry.times, entry.event.shown) == (41, 82)

    def test_details_are_erased_of_one_user_and_of_what_was_named(self, audit: AuditSteps) -> None:
        freeze, kick = (evolve(new_event(), action=action) for action in (Action.FREEZE, Action.KICK))
        others = evolve(new_event(BERT), action=Action.FREEZE)
        for event in (freeze, kick, others):
            audit.append(event)
        audit.count(evolve(freeze, outcome="a_reason"), HOUR)
        audit.erase_details(ANNA, [Action.FREEZE, Action.READ])
        gone = evolve(freeze, detail=None)
        assert all_of(audit) == [evolve(gone, outcome="a_reason"), others, kick, gone]

    def test_reads_are_told_from_acts(self, audit: AuditSteps) -> None:
        events = [evolve(new_event(), action=Action.READ if number % 2 else Action.KICK) for number in range(6)]
        for event in events:
            audit.append(event)

        def of(kind: EntryKind) -> list[AuditEvent]:
            return [entry.event for entry in audit.find(subject=ANNA, before=None, limit=10, kind=kind)]

        assert of(EntryKind.READS) == events[5::-2]
        assert of(EntryKind.ACTS) == events[4::-2]
        assert of(EntryKind.ALL) == events[::-1]

    def test_the_earliest_entry_is_found_of_all_and_since_a_moment(self, audit: AuditSteps) -> None:
        assert audit.earliest(None) is audit.earliest(START) is None
        for hours in (3, 1, 2):
            audit.append(new_event(None if hours == 1 else ANNA, at=START + hours * HOUR))
        audit.count(new_event(at=START + 4 * HOUR), HOUR)
        moment = timedelta(microseconds=1)
        for since, expected in [(None, 1), (START, 1), (START + HOUR, 1), (START + HOUR + moment, 2)]:
            assert audit.earliest(since) == START + expected * HOUR
        for since, expected in [(START + 3 * HOUR, 3), (START + 3 * HOUR + moment, 4)]:
            assert audit.earliest(since) == START + expected * HOUR
        assert audit.earliest(START + 4 * HOUR + moment) is None
        found = audit.earliest(None)
        assert found is not None
        assert found.utcoffset() == timedelta(0)

    def test_the_last_note_says_when_it_was_pruned(self, audit: AuditSteps) -> None:
        assert audit.pruned_at() is None
        for at in (START, START, START + HOUR, START - HOUR):
            audit.note_pruned(at)
            assert audit.pruned_at() == at
        assert all_of(audit) == []
        assert audit.prune(START + timedelta(days=1), 10) == 0
        assert audit.pruned_at() == START - HOUR

    def test_many_may_note_at_once_that_it_was_pruned(self, audit: AuditSteps) -> None:
        moments = [START + number * HOUR for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(audit.note_pruned, moments))
        assert audit.pruned_at() in moments
