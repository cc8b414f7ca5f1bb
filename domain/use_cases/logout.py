"""Logging out of a session."""

from attrs import frozen

from ..devices import NO_CLIENT, Client
from ..ports.outside import Clock
from ..ports.writing import Transaction, UnitOfWork
from ..presences import Principal
from ..sessions import EndReason, SessionEnd
from .ending import end_sessions


@frozen
class Logout:
    """End the session for good. If it has ended already, that end stays."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, principal: Principal, client: Client = NO_CLIENT) -> None:
        def log_out(tx: Transaction) -> None:
            now = self.clock.now()
            tx.lock(principal.user.id)
            found = tx.sessions.by_id(principal.session.id)
            end = SessionEnd(at=now, reason=EndReason.LOGGED_OUT)
            live = [found] if found is not None and found.is_live(now) else []
            end_sessions(tx, live, end, actor=principal.actor, client=client)

        self.work.transact(log_out, is_vital=True)
