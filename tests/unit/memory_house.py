"""The whole service over memory and stand-ins, for the tests of the use cases."""

from attrs import evolve, field, frozen

from menshen.adapters.memory.fakes import FakeClock, FakePasswordHasher, FakeRandomIds, FakeTokenCodec
from menshen.adapters.memory.sessions import MemorySessionRepository
from menshen.adapters.memory.store import MemoryStore
from menshen.adapters.memory.users import MemoryUserRepository
from menshen.domain.use_cases.login import Granted
from menshen.domain.users import User, UserState
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.wiring import Adapters, Service, wire

PHONE = "13800138000"
PASSWORD = "a good password"


@frozen
class House:
    """A service, wired as production wires it, and all that stands behind it."""

    settings: Settings = field(factory=Settings)
    store: MemoryStore = field(factory=MemoryStore)
    clock: FakeClock = field(factory=FakeClock)
    hasher: FakePasswordHasher = field(factory=FakePasswordHasher)
    codec: FakeTokenCodec = field(factory=FakeTokenCodec)
    service: Service = field(init=False)

    def __attrs_post_init__(self) -> None:
        adapters = Adapters(
            users=self.users,
            sessions=self.sessions,
            hasher=self.hasher,
            codec=self.codec,
            clock=self.clock,
            ids=FakeRandomIds(),
        )
        object.__setattr__(self, "service", wire(self.settings, adapters))

    @property
    def users(self) -> MemoryUserRepository:
        return MemoryUserRepository(self.store)

    @property
    def sessions(self) -> MemorySessionRepository:
        return MemorySessionRepository(self.store)

    def register(self, phone: str = PHONE) -> User:
        return self.service.register_user(phone=phone, password=PASSWORD)

    def login(self, phone: str = PHONE, password: str = PASSWORD) -> Granted:
        return self.service.login(phone=phone, password=password)

    def freeze(self, user: User) -> None:
        self.store.users[user.id] = evolve(self.store.users[user.id], state=UserState("冻结"))

    def forget(self, user: User) -> None:
        """Delete *user*, as an operator might in the table."""
        del self.store.users[user.id]

    def put_hash(self, user: User, password_hash: str) -> None:
        self.store.users[user.id] = evolve(self.store.users[user.id], password_hash=password_hash)

    def hash_of(self, user: User) -> str:
        return self.store.users[user.id].password_hash
