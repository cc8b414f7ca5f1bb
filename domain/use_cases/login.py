"""From a password to a session, and out of it again."""

from attrs import evolve, frozen

from ..actors import Actor
from ..audit import Action, event_of
from ..devices import NO_CLIENT, Client
from ..errors import Refusal, Unavailable
from ..ports import Clock, PasswordHasher, Transaction, UnitOfWork, UserRepository, Verdict
from ..proofs import InvalidCredentials
from ..realms import AdminLoginNotAllowed
from ..sessions import EndReason, Session, SessionEnd, SessionId, SessionKind
from ..users import Phone, PhoneInvalid, User
from .granting import Granted, Grants, end_sessions
from .recording import record_refusal

_TRIES = 3


class _HashChanged(Exception):
    """The password was changed since it was judged, or its hash renewed by another login: judge it anew."""


@frozen
class Login:
    """Exchange a phone number and a password for a session.

    Raises DeviceInvalid, InvalidCredentials, LoginNotAllowed, TooManyDevices, HasherBusy; for admin sessions
    AdminLoginNotAllowed.

    Exactly one password is judged for each well-formed number, whether anybody has it or not, so that neither the
    answer nor its time tells which numbers are registered.
    """

    users: UserRepository
    work: UnitOfWork
    hasher: PasswordHasher
    grants: Grants
    clock: Clock

    def __call__(
        self, *, phone: str, password: str, client: Client = NO_CLIENT, replacing: SessionId | None = None
    ) -> Granted:
        client.device.check()
        try:
            number = Phone.parse(phone)
        except PhoneInvalid:
            raise InvalidCredentials from None
        for _ in range(_TRIES):
            user = self.users.by_phone(number)
            try:
                return self._open(user, password, client, replacing)
            except _HashChanged:
                continue
            except Unavailable:
                raise
            except Refusal as refusal:
                self._record(refusal, user, client)
                raise
        self._record(InvalidCredentials(), user, client)
        raise InvalidCredentials

    def _open(self, user: User | None, password: str, client: Client, replacing: SessionId | None) -> Granted:
        """Raises _HashChanged where the hash that was judged is no longer the user's."""
        verdict = self.hasher.verify(password, None if user is None else user.password_hash)
        if user is None or verdict is Verdict.NO_MATCH:
            raise InvalidCredentials
        new_hash = self.hasher.hash(password) if verdict is Verdict.MATCH_OUTDATED else user.password_hash
        known = user

        def open_session(tx: Transaction) -> Granted:
            locked = tx.users.locked(known.id)
            if locked is None or locked.password_hash != known.password_hash:
                raise _HashChanged
            if self.grants.kind is SessionKind.ADMIN and not locked.is_admin:
                raise AdminLoginNotAllowed
            if new_hash != locked.password_hash:
                locked = evolve(locked, password_hash=new_hash)
                tx.users.save(locked)
            return self.grants.open_session(tx, locked, client, self.clock.now(), replacing=replacing)

        # Who is to freeze somebody when the store is full must get in first.
        return self.work.transact(open_session, is_vital=self.grants.kind is SessionKind.ADMIN)

    def _record(self, refusal: Refusal, user: User | None, client: Client) -> None:
        action = Action.LOG_IN if self.grants.kind is SessionKind.USER else Action.ADMIN_LOG_IN
        subject = None if user is None else user.id
        event = event_of(client, at=self.clock.now(), actor=Actor.nobody(), action=action, subject=subject)
        record_refusal(self.work, event, refusal)


@frozen
class Logout:
    """End the session for good. One that has ended by now stays as it ended."""

    work: UnitOfWork
    clock: Clock

    def __call__(self, session: Session, client: Client = NO_CLIENT) -> None:
        def log_out(tx: Transaction) -> None:
            now = self.clock.now()
            tx.users.locked(session.user_id)
            found = tx.sessions.by_id(session.id)
            end = SessionEnd(at=now, reason=EndReason.LOGGED_OUT)
            live = [found] if found is not None and found.is_live(now) else []
            end_sessions(tx, live, end, actor=Actor.user(session.user_id), client=client)

        self.work.transact(log_out, is_vital=True)
