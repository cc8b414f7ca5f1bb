"""A service whose guard remembers, over memory and fakes."""

from collections.abc import Callable
from math import inf
from typing import Any

from attrs import define, evolve, field

from menshen.adapters.memory.fakes import FakeSeal
from menshen.adapters.remembering.announcing import AnnouncingUnitOfWork
from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.adapters.remembering.judgements import RememberedJudgements
from menshen.domain.errors import Refusal
from menshen.domain.ports.reading import Presences
from menshen.domain.presences import Presence
from menshen.domain.sessions import SessionEnd, SessionId
from menshen.domain.use_cases.authentication import Authenticate
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import UserId
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import memory_store
from menshen.entrypoints.wiring import Adapters, Service, wire

from .memory_house import PASSWORD, PHONE, House


@define
class Reading:
    """Presences of a store, which count how often they are read, and let something happen just before and just after."""

    inner: Presences
    reads: int = 0
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None

    def by_session(self, user_id: UserId, session_id: SessionId) -> Presence | None:
        self.reads += 1
        before, self.before = self.before, lambda: None
        before()
        found = self.inner.by_session(user_id, session_id)
        after, self.after = self.after, lambda: None
        after()
        return found


@define
class Word:
    """A channel that is trusted until it is cut off."""

    trusted: bool = True

    @property
    def trusted_until(self) -> float:
        return inf if self.trusted else 0.0

    def is_trusted(self) -> bool:
        return self.trusted

    def close(self) -> None:
        return None


@define
class RememberingHouse:
    """A service whose guard remembers, over a store in memory."""

    house: House = field(factory=House)
    channel: Word = field(factory=Word)
    epochs: LocalEpochs = field(factory=LocalEpochs)
    time: float = 1000.0
    reading: Reading = field(init=False)
    noted: "Noted" = field(init=False)
    judgements: RememberedJudgements = field(init=False)
    service: Service = field(init=False)

    def __attrs_post_init__(self) -> None:
        store = memory_store(self.house.store)
        self.reading = Reading(store[Presences])
        announced = evolve(store, work=AnnouncingUnitOfWork(store.work, self.epochs))
        self.noted = Noted(announced.work)
        adapters = Adapters(
            store=announced,
            hasher=self.house.hasher,
            codec=self.house.codec,
            admin_codec=self.house.admin_codec,
            refresh_codec=self.house.refresh_codec,
            host_codec=self.house.host_codec,
            seal=FakeSeal(),
            last_seen=self.noted,
            clock=self.house.clock,
            ids=self.house.ids,
            remembered=self._remembered,
        )
        self.service = wire(Settings(device_policy=self.house.settings.device_policy), adapters)

    def _remembered(self, judge: Authenticate) -> RememberedJudgements:
        self.judgements = RememberedJudgements(
            evolve(judge, presences=self.reading), self.epochs, self.channel, self.house.clock, 100, lambda: self.time
        )
        return self.judgements

    def login(self, phone: str = PHONE) -> Granted:
        return self.service.login(PhoneAndPassword(phone, PASSWORD))

    def shown(self, granted: Granted) -> str:
        """What the guard says: the user's name, or why the token opens nothing."""
        try:
            return str(self.service.authenticate(granted.access_token).user.user_name)
        except Refusal as refusal:
            return refusal.reason

    def reads(self, granted: Granted) -> int:
        """How often the store is read for one request."""
        before = self.reading.reads
        self.shown(granted)
        return self.reading.reads - before


@define
class Noted:
    """LastSeen that writes at once, and counts."""

    work: Any
    notes: int = 0

    def note(self, session_id: SessionId, at: Any) -> None:
        self.notes += 1
        self.work.transact(lambda tx: tx.sessions.see([(session_id, at)], at))

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        self.work.transact(lambda tx: tx.sessions.end([session_id], end))
