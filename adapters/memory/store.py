"""What the in-memory repositories share: the rows, and the one lock under which every step happens."""

from threading import RLock

from attrs import define, field

from ...domain.sessions import Session, SessionId
from ...domain.users import User, UserId


@define
class MemoryStore:
    """The rows of one store. Everything is gone with the process."""

    users: dict[UserId, User] = field(factory=dict)
    sessions: dict[SessionId, Session] = field(factory=dict)
    lock: RLock = field(factory=RLock)
