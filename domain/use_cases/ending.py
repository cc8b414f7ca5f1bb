"""Ending sessions, and which of a user's sessions are live."""

from datetime import datetime

from attrs import evolve

from ..actors import Actor
from ..audit import Action, event_of
from ..clocks import CLOCK_LEEWAY
from ..devices import NO_CLIENT, Client
from ..ports.reading import Sessions
from ..ports.writing import Transaction
from ..sessions import Session, SessionEnd, SessionKind
from ..users import UserId


def end_sessions(
    tx: Transaction, sessions: list[Session], end: SessionEnd, *, actor: Actor, client: Client = NO_CLIENT
) -> None:
    """End *sessions*, which are live and whose user is locked in *tx*, and record each end."""
    if not sessions:
        return
    tx.sessions.end([session.id for session in sessions], evolve(end, actor=actor))
    for session in sessions:
        tx.audit.append(
            event_of(
                client,
                at=end.at,
                actor=actor,
                action=Action.END_SESSION,
                subject=session.user_id,
                session_id=session.id,
                detail=end.reason.value,
            )
        )


def settled(tx: Transaction, user_id: UserId, kind: SessionKind, now: datetime) -> list[Session]:
    """The live sessions of one kind of a user locked in *tx*, for a caller about to end some of them.

    Recently expired sessions are not among them, and end for good. Otherwise, putting the clock back would revive them
    after a change of the password, or make two live where one is allowed. They are found by the same query, asked about
    an earlier moment.
    """
    found = tx.sessions.live(user_id, kind, now - CLOCK_LEEWAY)
    for session in found:
        end = session.run_out(now)
        if end is not None:
            tx.sessions.end([session.id], end)
    return [session for session in found if session.is_live(now)]


def all_settled(tx: Transaction, user_id: UserId, now: datetime) -> list[Session]:
    """The same for sessions of every kind."""
    return [session for kind in SessionKind for session in settled(tx, user_id, kind, now)]


def all_live(sessions: Sessions, user_id: UserId, now: datetime) -> list[Session]:
    """The live sessions of a user, of every kind."""
    return [session for kind in SessionKind for session in sessions.live(user_id, kind, now)]
