"""The whole service over memory and fakes, for the tests of the use cases."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from attrs import define, evolve, field, fields, frozen

from menshen.adapters.conformance.steps import SessionSteps, UserSteps
from menshen.adapters.memory.fakes import (
    FakeClock,
    FakeHostTokenCodec,
    FakeLastSeen,
    FakePasswordHasher,
    FakeRandomIds,
    FakeRefreshTokenCodec,
    FakeSeal,
    FakeTokenCodec,
)
from menshen.adapters.memory.store import MemoryStore
from menshen.domain.actors import Actor
from menshen.domain.audit import Action, AuditEvent
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import NO_CLIENT, Client, Device, DeviceType
from menshen.domain.ports.outside import RefreshTokenCodec, Verdict
from menshen.domain.ports.writing import AuditPruning
from menshen.domain.sessions import Session, SessionFacts, SessionId, SessionOverview
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.use_cases.issuing import Granted
from menshen.domain.users import User, UserFacts, UserState
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import memory_store
from menshen.entrypoints.wiring import Adapters, Service, wire

PHONE = "13800138000"
OTHER_PHONE = "13900139000"
PASSWORD = "a good password"
WRONG_PASSWORD = "a wrong password"

SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)

OPERATOR = Actor.operator("root")


def client_on(
    kind: str = "other",
    device_id: str | None = None,
    name: str | None = None,
    *,
    remember: bool = False,
    address: str | None = "198.51.100.7",
    user_agent: str | None = None,
) -> Client:
    """A client on a device of that type."""
    device = Device(DeviceType(kind), device_id, name)
    return Client(device=device, remember=remember, address=address, user_agent=user_agent)


def told_of(device: Device) -> Device:
    """What sessions ended by a device are told about it."""
    return evolve(device, id=None)


@frozen
class House:
    """A service, wired as in production, and everything behind it."""

    settings: Settings = field(factory=Settings)
    store: MemoryStore = field(factory=MemoryStore)
    clock: FakeClock = field(factory=FakeClock)
    hasher: FakePasswordHasher = field(factory=FakePasswordHasher)
    codec: FakeTokenCodec = field(factory=FakeTokenCodec)
    admin_codec: FakeTokenCodec = field(factory=lambda: FakeTokenCodec("admin"))
    refresh_codec: RefreshTokenCodec = field(factory=FakeRefreshTokenCodec)
    host_codec: FakeHostTokenCodec = field(factory=FakeHostTokenCodec)
    ids: FakeRandomIds = field(factory=FakeRandomIds)
    service: Service = field(init=False)

    def __attrs_post_init__(self) -> None:
        store = memory_store(self.store)
        adapters = Adapters(
            store=store,
            hasher=self.hasher,
            codec=self.codec,
            admin_codec=self.admin_codec,
            refresh_codec=self.refresh_codec,
            host_codec=self.host_codec,
            seal=FakeSeal(),
            last_seen=FakeLastSeen(store.work),
            clock=self.clock,
            ids=self.ids,
        )
        object.__setattr__(self, "service", wire(self.settings, adapters))

    @classmethod
    def with_policy(cls, table: Mapping[str, int | str]) -> "House":
        """A house under the device policy in *table*."""
        return cls(Settings(device_policy=DevicePolicy.from_table(table)))

    @property
    def users(self) -> UserSteps:
        return UserSteps(memory_store(self.store))

    @property
    def sessions(self) -> SessionSteps:
        return SessionSteps(memory_store(self.store))

    @property
    def events(self) -> list[AuditEvent]:
        """All entries of the audit log, oldest first."""
        return [entry.event for entry in self.store.audit.values()]

    def events_of(self, *actions: Action) -> list[AuditEvent]:
        return [event for event in self.events if event.action in actions]

    def register(self, phone: str = PHONE) -> User:
        return self.service.register_user(phone=phone, password=PASSWORD)

    def register_admin(self, phone: str = PHONE) -> User:
        user = self.register(phone)
        self.service.operate.set_admin(user.id, is_admin=True, actor=OPERATOR)
        return self.user(user)

    def login(
        self,
        phone: str = PHONE,
        password: str = PASSWORD,
        client: Client = NO_CLIENT,
        *,
        replacing: SessionId | None = None,
    ) -> Granted:
        return self.service.login(PhoneAndPassword(phone, password), client=client, replacing=replacing)

    def admin_login(self, phone: str = PHONE, password: str = PASSWORD, client: Client = NO_CLIENT) -> Granted:
        return self.service.admin_login(PhoneAndPassword(phone, password), client=client)

    def pass_by(self, time: timedelta) -> None:
        """Let that much time pass with the service running, but without pruning."""
        self.clock.move(time)
        self.service.prune.work.transact(lambda tx: tx[AuditPruning].note_pruned(self.clock.time))

    def authenticate(self, granted: Granted) -> SessionOverview:
        """Present the access token, as the next request does."""
        return self.service.authenticate(granted.access_token).session

    def live(self, user: UserFacts) -> list[SessionId]:
        """The live sessions of a user, of every kind."""
        return [session.id for session in self.service.sessions_of(user.id)]

    def stored(self, what: Granted | SessionFacts) -> Session:
        """The session as it is stored now."""
        return self.store.sessions[what.id if isinstance(what, SessionFacts) else what.session.id]

    def user(self, user: UserFacts) -> User:
        """The user as it is stored now."""
        return self.store.users[user.id]

    def freeze(self, user: UserFacts) -> None:
        """Freeze *user* in the table, as an operator of the tutorial might."""
        self.put_state(user, UserState("冻结"))

    def put_state(self, user: UserFacts, state: UserState) -> None:
        self.store.users[user.id] = evolve(self.store.users[user.id], state=state)

    def forget(self, user: UserFacts) -> None:
        """Delete *user*, as an operator might in the table."""
        del self.store.users[user.id]

    def put_hash(self, user: UserFacts, password_hash: str) -> None:
        self.store.users[user.id] = evolve(self.store.users[user.id], password_hash=password_hash)

    def hash_of(self, user: UserFacts) -> str:
        return self.store.users[user.id].password_hash


@define
class MeddlingHasher:
    """A hasher with an interruption each time: *before* it hashes, or *after* it has verified."""

    house: House
    after: Callable[[], object] = lambda: None
    before: Callable[[], object] = lambda: None
    verdicts: list[Verdict] = field(factory=list)

    def hash(self, password: str) -> str:
        self.before()
        return self.house.hasher.hash(password)

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        self.verdicts.append(self.house.hasher.verify(password, password_hash))
        self.after()
        return self.verdicts[-1]


def with_parts(use_case: Any, **parts: object) -> Any:
    """*use_case* with other ports, wherever in it they are: ``with_parts(service.login, hasher=...)``."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(each) for key, each in value.items()}
        return with_parts(value, **parts) if type(value).__module__.startswith("menshen.domain.use_cases") else value

    names = [each.name for each in fields(type(use_case))]
    found = {name: parts.get(name, changed(getattr(use_case, name))) for name in names}
    return evolve(use_case, **found)
