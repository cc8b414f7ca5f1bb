"""What a user does with his own account: the password, the name, the sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from ..actors import Actor
from ..audit import Action, event_of
from ..devices import Client
from ..passwords import PasswordPolicy
from ..ports import Clock, PasswordHasher, SessionRepository, Transaction, UnitOfWork, Verdict
from ..proofs import ReauthenticationFailed, ReauthenticationNeeded
from ..sessions import EndReason, NoSuchSession, Session, SessionEnd, SessionId, SessionKind
from ..users import User, check_user_name
from .granting import all_settled, end_sessions, settled, still_in
from .recording import COUNTED_WITHIN, record_refusal, transact_or_record


@frozen
class ChangePassword:
    """Put a new password in the place of the old one, and end all other sessions of the user (ASVS 6.2.3, 7.4.3).

    Raises ReauthenticationFailed, a refusal of the password policy, HasherBusy, and what the guard raises.
    """

    work: UnitOfWork
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    clock: Clock

    def __call__(self, user: User, session: Session, *, old: str, new: str, client: Client) -> None:
        event = event_of(
            client, at=self.clock.now(), actor=Actor.user(user.id), action=Action.CHANGE_PASSWORD, subject=user.id
        )
        if self.hasher.verify(old, user.password_hash) is Verdict.NO_MATCH:
            record_refusal(self.work, event, ReauthenticationFailed())
            raise ReauthenticationFailed
        if user.phone is not None:
            self.password_policy.check(new, phone=user.phone, user_name=user.user_name)
        new_hash = self.hasher.hash(new)

        def change(tx: Transaction) -> None:
            now = self.clock.now()
            locked = still_in(tx, session, now)
            _check_unchanged(locked, user)
            tx.users.save(evolve(locked, password_hash=new_hash))
            others = [other for other in all_settled(tx, locked.id, now) if other.id != session.id]
            end = SessionEnd(at=now, reason=EndReason.PASSWORD_CHANGED, by=session.device)
            end_sessions(tx, others, end, actor=event.actor, client=client)
            tx.audit.append(evolve(event, at=now))

        transact_or_record(self.work, event, change)


@frozen
class RenameUser:
    """Give the user another name, or none; the same name again changes and writes nothing. Raises UserNameInvalid, and what the guard raises."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, session: Session, *, user_name: str | None, client: Client) -> User:
        check_user_name(user_name)

        def rename(tx: Transaction) -> User:
            now = self.clock.now()
            user = still_in(tx, session, now)
            if user.user_name == user_name:
                return user
            renamed = evolve(user, user_name=user_name)
            tx.users.save(renamed)
            event = event_of(client, at=now, actor=Actor.user(renamed.id), action=Action.RENAME, subject=renamed.id)
            tx.audit.count(event, COUNTED_WITHIN)
            return renamed

        return self.work.transact(rename)


@frozen
class ListSessions:
    """The live sessions of a user, of one kind, in the order in which they started."""

    sessions: SessionRepository
    clock: Clock

    def __call__(self, user: User, kind: SessionKind = SessionKind.USER) -> Sequence[Session]:
        return self.sessions.live(user.id, kind, self.clock.now())


RECENT_LOGIN = timedelta(minutes=10)
"""For how long a login proves by itself who asks."""


@frozen
class EndSessions:
    """From one session, end others of the same user, as kicked (ASVS 7.5.2).

    Unless the login was a moment ago, that takes the password, if *needs_password*: whoever found an unlocked phone is
    not to throw its owner out everywhere else. Raises ReauthenticationNeeded, ReauthenticationFailed, HasherBusy, and
    what the guard raises.
    """

    work: UnitOfWork
    hasher: PasswordHasher
    clock: Clock
    needs_password: bool

    def __call__(
        self, user: User, current: Session, *, session_id: SessionId, password: str | None, client: Client
    ) -> None:
        """End one; ending the current one this way is logging out, and takes no password. Raises NoSuchSession."""
        is_proven = session_id != current.id and self._prove(user, current, password, client, session_id)

        def end(tx: Transaction) -> None:
            now = self.clock.now()
            _check_unchanged(still_in(tx, current, now), user, is_proven=is_proven)
            found = tx.sessions.by_id(session_id)
            if (
                found is None
                or (found.user_id, found.kind) != (current.user_id, current.kind)
                or not found.is_live(now)
            ):
                raise NoSuchSession
            reason = EndReason.LOGGED_OUT if session_id == current.id else EndReason.KICKED
            self._end(tx, [found], current, reason, now, client)

        self.work.transact(end, is_vital=True)

    def others(self, user: User, current: Session, *, password: str | None, client: Client) -> int:
        """End all but the current one. Returns how many there were."""
        is_proven = self._prove(user, current, password, client)

        def end(tx: Transaction) -> int:
            now = self.clock.now()
            _check_unchanged(still_in(tx, current, now), user, is_proven=is_proven)
            live = settled(tx, current.user_id, current.kind, now)
            found = [session for session in live if session.id != current.id]
            self._end(tx, found, current, EndReason.KICKED, now, client)
            return len(found)

        return self.work.transact(end, is_vital=True)

    def _prove(
        self, user: User, current: Session, password: str | None, client: Client, session_id: SessionId | None = None
    ) -> bool:
        """Whether the password was asked for, and is right."""
        now = self.clock.now()
        # abs: a clock that was put back must not make it longer.
        if not self.needs_password or abs(now - current.started_at) < RECENT_LOGIN:
            return False
        if password is None:
            raise ReauthenticationNeeded
        if self.hasher.verify(password, user.password_hash) is Verdict.NO_MATCH:
            event = event_of(
                client,
                at=now,
                actor=Actor.user(user.id),
                action=Action.END_SESSION,
                subject=user.id,
                session_id=session_id,
            )
            record_refusal(self.work, event, ReauthenticationFailed())
            raise ReauthenticationFailed
        return True

    def _end(
        self,
        tx: Transaction,
        sessions: list[Session],
        current: Session,
        reason: EndReason,
        now: datetime,
        client: Client,
    ) -> None:
        by = current.device if reason is EndReason.KICKED else None
        end = SessionEnd(at=now, reason=reason, by=by)
        end_sessions(tx, sessions, end, actor=Actor.user(current.user_id), client=client)


def _check_unchanged(locked: User, judged: User, *, is_proven: bool = True) -> None:
    """Raises ReauthenticationFailed where the password has changed since it was judged, if it was."""
    if is_proven and locked.password_hash != judged.password_hash:
        raise ReauthenticationFailed
