"""What users do with their own account: the password, the name, the sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from ..audit import Action, event_of
from ..devices import Client
from ..passwords import PasswordPolicy
from ..ports.outside import Clock, PasswordHasher
from ..ports.reading import Sessions
from ..ports.writing import Transaction, UnitOfWork
from ..presences import Principal
from ..proofs import Proof
from ..sessions import EndReason, NoSuchSession, Session, SessionEnd, SessionId, SessionOverview
from ..users import Profile, check_user_name
from .authentication import still_in
from .ending import all_settled, end_sessions, settled
from .reauthentication import Reauthenticate
from .recording import COUNTED_WITHIN, transact_or_record


@frozen
class ChangePassword:
    """Replace the password, and end all other sessions of the user (ASVS 6.2.3, 7.4.3).

    Raises ReauthenticationFailed, a refusal of the password policy, HasherBusy, and what the guard raises.
    """

    work: UnitOfWork
    reauthenticate: Reauthenticate
    hasher: PasswordHasher
    password_policy: PasswordPolicy
    clock: Clock

    def __call__(self, principal: Principal, *, old: str, new: str, client: Client) -> None:
        user = principal.user
        event = event_of(
            client, at=self.clock.now(), actor=principal.actor, action=Action.CHANGE_PASSWORD, subject=user.id
        )
        proof = self.reauthenticate(principal, old, event)
        if user.phone is not None:
            self.password_policy.check(new, phone=user.phone, user_name=user.user_name)
        new_hash = self.hasher.hash(new)

        def change(tx: Transaction) -> None:
            now = self.clock.now()
            locked = still_in(tx, principal, now, proof)
            tx.users.save(evolve(locked, password_hash=new_hash))
            others = [other for other in all_settled(tx, locked.id, now) if other.id != principal.session.id]
            end = SessionEnd(at=now, reason=EndReason.PASSWORD_CHANGED, by=principal.session.device)
            end_sessions(tx, others, end, actor=principal.actor, client=client)
            tx.audit.append(evolve(event, at=now))

        transact_or_record(self.work, event, change)


@frozen
class RenameUser:
    """Change or remove the user's name. Giving the same name again writes nothing.

    Raises UserNameInvalid, and what the guard raises.
    """

    work: UnitOfWork
    clock: Clock

    def __call__(self, principal: Principal, *, user_name: str | None, client: Client) -> Profile:
        check_user_name(user_name)

        def rename(tx: Transaction) -> Profile:
            now = self.clock.now()
            user = still_in(tx, principal, now)
            if user.user_name == user_name:
                return user.profile
            renamed = evolve(user, user_name=user_name)
            tx.users.save(renamed)
            event = event_of(client, at=now, actor=principal.actor, action=Action.RENAME, subject=renamed.id)
            tx.audit.count(event, COUNTED_WITHIN)
            return renamed.profile

        return self.work.transact(rename)


@frozen
class ListSessions:
    """The live sessions of a user in the realm of the request, in the order in which they started."""

    sessions: Sessions
    clock: Clock

    def __call__(self, principal: Principal) -> Sequence[SessionOverview]:
        live = self.sessions.live(principal.user.id, principal.realm.kind, self.clock.now())
        return [session.overview for session in live]


RECENT_LOGIN = timedelta(minutes=10)
"""For how long a login is proof enough, without the password."""


@frozen
class EndSessions:
    """End other sessions of the user from within one session, as kicked (ASVS 7.5.2).

    If *needs_password*, this takes the password unless the login was a moment ago: the finder of an unlocked phone must
    not be able to log its owner out everywhere else. Raises ReauthenticationNeeded, ReauthenticationFailed, HasherBusy,
    and what the guard raises.
    """

    work: UnitOfWork
    reauthenticate: Reauthenticate
    clock: Clock
    needs_password: bool

    def __call__(self, principal: Principal, *, session_id: SessionId, password: str | None, client: Client) -> None:
        """End one session. Ending the current one is a logout, and takes no password. Raises NoSuchSession."""
        is_current = session_id == principal.session.id
        proof = None if is_current else self._prove(principal, password, client, session_id)

        def end(tx: Transaction) -> None:
            now = self.clock.now()
            still_in(tx, principal, now, proof)
            found = tx.sessions.by_id(session_id)
            whose = (principal.user.id, principal.realm.kind)
            if found is None or (found.user_id, found.kind) != whose or not found.is_live(now):
                raise NoSuchSession
            self._end(tx, [found], principal, EndReason.LOGGED_OUT if is_current else EndReason.KICKED, now, client)

        self.work.transact(end, is_vital=True)

    def others(self, principal: Principal, *, password: str | None, client: Client) -> int:
        """End all but the current one. Returns how many there were."""
        proof = self._prove(principal, password, client)

        def end(tx: Transaction) -> int:
            now = self.clock.now()
            still_in(tx, principal, now, proof)
            live = settled(tx, principal.user.id, principal.realm.kind, now)
            found = [session for session in live if session.id != principal.session.id]
            self._end(tx, found, principal, EndReason.KICKED, now, client)
            return len(found)

        return self.work.transact(end, is_vital=True)

    def _prove(
        self, principal: Principal, password: str | None, client: Client, session_id: SessionId | None = None
    ) -> Proof | None:
        """None if no proof is required."""
        now = self.clock.now()
        # abs: a clock that was put back must not make it longer.
        if not self.needs_password or abs(now - principal.session.started_at) < RECENT_LOGIN:
            return None
        event = event_of(
            client,
            at=now,
            actor=principal.actor,
            action=Action.END_SESSION,
            subject=principal.user.id,
            session_id=session_id,
        )
        return self.reauthenticate(principal, password, event)

    def _end(
        self,
        tx: Transaction,
        sessions: list[Session],
        principal: Principal,
        reason: EndReason,
        now: datetime,
        client: Client,
    ) -> None:
        by = principal.session.device if reason is EndReason.KICKED else None
        end_sessions(tx, sessions, SessionEnd(at=now, reason=reason, by=by), actor=principal.actor, client=client)
