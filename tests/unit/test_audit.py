"""The audit log: everything that happens is recorded in the same transaction, without passwords or tokens."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from attrs import evolve, frozen

from menshen.adapters.memory.audit import MemoryAuditWriter
from menshen.adapters.memory.store import MemoryStore
from menshen.domain.actors import Actor
from menshen.domain.audit import Action, AuditEvent, event_of
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import NO_CLIENT, Client, Device, DeviceType
from menshen.domain.errors import Refusal, StoreUnavailable
from menshen.domain.passwords import HasherBusy
from menshen.domain.ports.writing import AuditWriter, Transaction, UnitOfWork
from menshen.domain.sessions import EndReason, SessionId
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.use_cases.recording import transact_or_record
from menshen.domain.users import PhoneTaken, StateConflict, UserId
from menshen.entrypoints.stores import memory_store

from .cases import for_each
from .memory_house import OPERATOR, OTHER_PHONE, PASSWORD, PHONE, WRONG_PASSWORD, House, client_on

NEW = "a newer password"
HERE = client_on("phone", "phone-1", "a phone", user_agent="curl/8")


def test_an_event_tells_where_it_came_from(house: House) -> None:
    event = event_of(
        HERE,
        at=house.clock.time,
        actor=OPERATOR,
        action=Action.FREEZE,
        subject=UserId(7),
        session_id=SessionId("s"),
        detail="why",
    )
    assert event == AuditEvent(
        at=house.clock.time,
        actor=OPERATOR,
        action=Action.FREEZE,
        subject=UserId(7),
        outcome="done",
        detail="why",
        session_id=SessionId("s"),
        device=Device(DeviceType.PHONE, "phone-1", "a phone"),
        address="198.51.100.7",
    )


def test_what_is_not_said_was_done(house: House) -> None:
    event = event_of(NO_CLIENT, at=house.clock.time, actor=OPERATOR, action=Action.FREEZE, subject=None)
    assert (event.outcome, event.detail, event.session_id, event.address) == ("done", None, None, None)


def test_what_no_client_asked_for_was_done_on_no_device(house: House) -> None:
    def event_by(client: Client) -> AuditEvent:
        return event_of(client, at=house.clock.time, actor=OPERATOR, action=Action.FREEZE, subject=None)

    assert event_by(NO_CLIENT).device is None
    assert event_by(Client(address="198.51.100.7")).device == Device()


@frozen
class Everything:
    """All that can happen in a house, and the secrets that were used for it."""

    house: House
    secrets: set[str]

    def keep(self, granted: Granted) -> Granted:
        self.secrets.update({granted.access_token, granted.refresh_token})
        return granted

    def happen(self) -> None:
        house, service = self.house, self.house.service
        self.secrets.update({PASSWORD, WRONG_PASSWORD, NEW, f"fake:{PASSWORD}", f"fake:{NEW}"})
        user = self.keep(service.register_and_login(phone=PHONE, password=PASSWORD, client=HERE)).user
        for phone, password in ((PHONE, NEW), (OTHER_PHONE, PASSWORD), ("no number", PASSWORD)):
            with suppress(Refusal):
                service.register_and_login(phone=phone, password=password, invited_by=99, client=HERE)
            with suppress(Refusal):
                service.login(PhoneAndPassword(phone, WRONG_PASSWORD), client=HERE)
            with suppress(Refusal):
                service.admin_login(PhoneAndPassword(phone, password), client=HERE)
        current, other = self.keep(house.login(client=HERE)), self.keep(house.login())
        rotated = self.keep(service.refresh(other.refresh_token, HERE))
        self.keep(service.refresh(rotated.refresh_token, HERE))
        self.house.clock.move(timedelta(seconds=11))
        for token in (other.refresh_token, "nobody/1", WRONG_PASSWORD):
            with suppress(Refusal):
                service.refresh(token, HERE)
        self.keep(house.login())
        for old in (WRONG_PASSWORD, PASSWORD):
            with suppress(Refusal):
                service.change_password(current.principal, old=old, new=NEW, client=HERE)
        service.rename_user(current.principal, user_name="张三", client=HERE)
        service.logout(current.principal, HERE)
        last = self.keep(house.login(password=NEW))
        for password in (WRONG_PASSWORD, NEW):
            with suppress(Refusal):
                service.close_account(last.principal, password=password, client=HERE)
        self.keep(house.login(password=NEW))
        operate = service.operate
        operate.set_admin(user.id, is_admin=True, actor=OPERATOR)
        self.keep(house.admin_login(password=NEW))
        operate.set_admin(user.id, is_admin=False, actor=OPERATOR)
        operate.freeze(user.id, reason="rude", until=None, actor=OPERATOR)
        operate.unfreeze(user.id, actor=OPERATOR)
        operate.set_fee(user.id, percentage=7, actor=OPERATOR)
        service.set_password(user.id, password=PASSWORD, actor=OPERATOR)
        service.set_password(user.id, password=NEW, actor=OPERATOR)
        service.set_phone(user.id, phone="13700137000", actor=OPERATOR)
        service.set_phone(user.id, phone=PHONE, actor=OPERATOR)
        operate.set_policy(user.id, policy=DevicePolicy.single(), actor=OPERATOR)
        self.keep(house.login(password=NEW, client=HERE))
        operate.kick(user.id, session_id=None, actor=OPERATOR)
        service.kick_everybody(caller=OPERATOR)
        service.browse.user(user.id, caller=OPERATOR)
        service.close_account.close(user.id, actor=OPERATOR)
        house.clock.move(timedelta(days=7))
        service.prune(vouched_by=OPERATOR)


@pytest.fixture
def everything(house: House) -> Everything:
    everything = Everything(house, set())
    everything.happen()
    return everything


def test_everything_that_can_be_recorded_was(everything: Everything) -> None:
    # Rows that an adoption has left out exist only in a database: tests/integration/test_adopting_left.py.
    assert {event.action for event in everything.house.events} == set(Action) - {Action.JOIN}


def test_every_entry_tells_when_who_what_and_the_outcome(everything: Everything) -> None:
    for event in everything.house.events:
        assert event.at.tzinfo is not None
        assert event.actor.text in {"user:1", "operator:root", "service", "nobody"}
        assert event.outcome == "done" or event.actor in {Actor.nobody(), Actor.user(UserId(1))}
        assert (
            event.subject == 1
            or event.action in {Action.KICK_EVERYBODY, Action.VOUCH_FOR_CLOCK}
            or (event.outcome != "done" and event.subject is None)
        )


def test_every_end_of_a_session_names_the_session_and_how_it_ended(everything: Everything) -> None:
    ends = everything.house.events_of(Action.END_SESSION)
    assert all(event.session_id is not None and event.detail for event in ends)
    by_nobody = {EndReason.EXPIRED, EndReason.IDLE, EndReason.UNKNOWN}
    assert {event.detail for event in ends} == {reason.value for reason in EndReason if reason not in by_nobody}


def test_no_entry_contains_a_password_a_hash_or_a_token(everything: Everything) -> None:
    assert len(everything.secrets) > 15
    for entry in everything.house.store.audit.values():
        shown = repr(entry) + str(entry)
        for secret in everything.secrets:
            assert secret not in shown, entry


def test_nothing_that_is_shown_of_users_and_sessions_contains_a_secret(everything: Everything) -> None:
    house = everything.house
    digests = [repr(session.refreshing.digest) for session in house.store.sessions.values()]
    for row in (*house.store.users.values(), *house.store.sessions.values()):
        for secret in (*everything.secrets, *digests):
            assert secret not in repr(row) + str(row), row


# In the same transaction.


class FullAuditLog(MemoryAuditWriter):
    """A log that accepts nothing."""

    def append(self, event: AuditEvent) -> None:
        raise StoreUnavailable("the disk is full")

    def count(self, event: AuditEvent, window: timedelta) -> None:
        self.append(event)


Act = Callable[[House, Granted, UnitOfWork], object]

ACTS: list[Act] = [
    lambda h, g, work: evolve(h.service.register_user, work=work)(phone=OTHER_PHONE, password=PASSWORD),
    lambda h, g, work: evolve(h.service.register_and_login, register=evolve(h.service.register_user, work=work))(
        phone=OTHER_PHONE, password=PASSWORD
    ),
    lambda h, g, work: evolve(h.service.login, work=work)(PhoneAndPassword(PHONE, PASSWORD)),
    lambda h, g, work: evolve(h.service.login, work=work)(PhoneAndPassword(PHONE, PASSWORD), replacing=g.session.id),
    lambda h, g, work: evolve(h.service.admin_login, work=work)(PhoneAndPassword(PHONE, PASSWORD)),
    lambda h, g, work: evolve(h.service.logout, work=work)(g.principal),
    lambda h, g, work: evolve(h.service.change_password, work=work)(g.principal, old=PASSWORD, new=NEW, client=HERE),
    lambda h, g, work: evolve(h.service.rename_user, work=work)(g.principal, user_name="张三", client=HERE),
    lambda h, g, work: evolve(h.service.close_account, work=work)(g.principal, password=PASSWORD, client=HERE),
    lambda h, g, work: evolve(h.service.end_sessions, work=work)(
        g.principal, session_id=g.session.id, password=None, client=HERE
    ),
    lambda h, g, work: evolve(h.service.operate, work=work).freeze(g.user.id, reason="x", until=None, actor=OPERATOR),
    lambda h, g, work: evolve(h.service.operate, work=work).set_fee(g.user.id, percentage=7, actor=OPERATOR),
    lambda h, g, work: evolve(h.service.operate, work=work).set_policy(
        g.user.id, policy=DevicePolicy.single(), actor=OPERATOR
    ),
    lambda h, g, work: evolve(h.service.operate, work=work).set_admin(g.user.id, is_admin=False, actor=OPERATOR),
    lambda h, g, work: evolve(h.service.operate, work=work).kick(g.user.id, session_id=None, actor=OPERATOR),
    lambda h, g, work: evolve(h.service.kick_everybody, work=work)(caller=OPERATOR),
]


def rows_of(store: MemoryStore) -> tuple[object, ...]:
    return dict(store.users), dict(store.sessions), dict(store.audit)


@for_each("act", ACTS)
def test_what_cannot_be_recorded_does_not_happen(act: Act) -> None:
    house = House()
    house.register_admin()
    granted = house.login(client=HERE)
    before = rows_of(house.store)
    work = memory_store(house.store, {AuditWriter: FullAuditLog}).work
    with pytest.raises(StoreUnavailable):
        act(house, granted, work)
    assert rows_of(house.store) == before


# Refusals.


@for_each("refusal", [PhoneTaken(), StateConflict()])
def test_what_is_refused_is_undone_and_recorded_with_its_reason(refusal: Refusal) -> None:
    house = House()
    user = house.register()
    work = house.service.operate.work
    event = event_of(HERE, at=house.clock.time, actor=OPERATOR, action=Action.SET_FEE, subject=user.id, detail="7")
    before = house.events

    def job(tx: Transaction) -> None:
        tx.lock(user.id)
        tx.users.save(evolve(user, fee_percentage=7))
        tx.audit.append(event)
        raise refusal

    with pytest.raises(type(refusal)) as refused:
        transact_or_record(work, event, job)
    assert refused.value is refusal
    assert house.user(user) == user
    assert house.events == [*before, evolve(event, outcome=refusal.reason)]


@for_each("failure", [StoreUnavailable("gone"), HasherBusy("busy"), OSError("broken")])
def test_what_could_not_be_done_now_is_no_refusal(failure: Exception) -> None:
    house = House()
    event = event_of(HERE, at=house.clock.time, actor=OPERATOR, action=Action.SET_FEE, subject=None)

    def job(tx: Transaction) -> None:
        raise failure

    with pytest.raises(type(failure)):
        transact_or_record(house.service.operate.work, event, job)
    assert not house.events


def test_what_was_done_is_not_recorded_as_refused(house: House) -> None:
    event = event_of(HERE, at=house.clock.time, actor=OPERATOR, action=Action.SET_FEE, subject=None)
    assert transact_or_record(house.service.operate.work, event, lambda tx: 7) == 7
    assert not house.events
