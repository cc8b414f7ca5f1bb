"""What operators and admins look at. It is shown only once the log says who looked for what, and how much was found."""

from collections.abc import Sequence
from datetime import timedelta

from attrs import frozen

from ..audit import Action, AuditEntry, EntryKind, event_of
from ..devices import NO_CLIENT, Client
from ..ports.outside import Clock
from ..ports.reading import UserFilter
from ..ports.writing import UnitOfWork
from ..sessions import SessionOverview
from ..texts import is_plain
from ..users import MAX_USER_NAME_LENGTH, NoSuchUser, Phone, PhoneInvalid, Profile, UserId
from .acting import Caller, actor_of, admin_of
from .explaining import ExplainToken, Explanation
from .housekeeping import ReadAudit
from .lookup import FindUser
from .operating import MAX_PAGE, FindUsers, SessionsOf

_MAX_DIGITS = 10

LOOKS_COUNTED_WITHIN = timedelta(minutes=1)
"""Repeated looks by one person within this time share an entry, as when paging through a list."""


@frozen
class Browse:
    """The one way in which operators and admins see users, sessions, the audit log and what a token is.

    Raises SessionUnknown for any other caller, as Acts does: a route with the wrong guard shows nothing.
    """

    find_users: FindUsers
    find_user: FindUser
    sessions_of: SessionsOf
    read_audit: ReadAudit
    explain_token: ExplainToken
    work: UnitOfWork
    clock: Clock

    def users(
        self, wanted: UserFilter, *, after: int = 0, limit: int = MAX_PAGE, caller: Caller, client: Client = NO_CLIENT
    ) -> Sequence[Profile]:
        """What FindUsers finds."""
        admin_of(caller)
        found = self.find_users(wanted, after=after, limit=limit)
        is_one = wanted.phone is not None or wanted.user_id is not None
        subject = found[0].id if is_one and found else None
        self._record(f"users {_told(wanted)}".strip(), subject, len(found), caller, client)
        return [user.profile for user in found]

    def named(self, identifier: str, *, caller: Caller) -> UserId:
        """The user with this number or id, for a look that follows. Raises NoSuchUser, which is recorded as well."""
        admin_of(caller)
        user = self.find_user(identifier)
        if user is None:
            self._record(f"user {_masked_text(identifier)}", None, 0, caller, NO_CLIENT)
            raise NoSuchUser
        return user.id

    def user(self, user_id: UserId, *, caller: Caller, client: Client = NO_CLIENT) -> Profile:
        """Raises NoSuchUser."""
        admin_of(caller)
        user = self.find_user.by_id(user_id)
        if user is None:
            self._record(f"user {user_id}", None, 0, caller, client)
            raise NoSuchUser
        self._record("user", user_id, 1, caller, client)
        return user.profile

    def sessions(self, user_id: UserId, *, caller: Caller, client: Client = NO_CLIENT) -> Sequence[SessionOverview]:
        """The live ones of a user. Raises NoSuchUser."""
        admin_of(caller)
        try:
            found = self.sessions_of(user_id)
        except NoSuchUser:
            self._record(f"sessions of user {user_id}", None, 0, caller, client)
            raise
        self._record("sessions", user_id, len(found), caller, client)
        return found

    def audit(
        self,
        *,
        subject: UserId | None = None,
        before: int | None = None,
        limit: int = MAX_PAGE,
        kind: EntryKind = EntryKind.ACTS,
        caller: Caller,
        client: Client = NO_CLIENT,
    ) -> Sequence[AuditEntry]:
        """What ReadAudit finds."""
        admin_of(caller)
        found = self.read_audit(subject=subject, before=before, limit=limit, kind=kind)
        self._record(f"audit {kind}", subject, len(found), caller, client)
        return found

    def explain(self, token: str, *, caller: Caller, client: Client = NO_CLIENT) -> Explanation:
        """What ExplainToken explains."""
        admin_of(caller)
        explanation = self.explain_token(token)
        user = explanation.user
        self._record(
            f"token: {explanation.verdict}", None if user is None else user.id, int(user is not None), caller, client
        )
        return explanation

    def _record(self, what: str, subject: UserId | None, shown: int, caller: Caller, client: Client) -> None:
        event = event_of(
            client,
            at=self.clock.now(),
            actor=actor_of(caller),
            action=Action.READ,
            subject=subject,
            detail=what,
            shown=shown,
        )
        self.work.transact(lambda tx: tx.audit.count(event, LOOKS_COUNTED_WITHIN))


def masked(phone: Phone) -> str:
    """The number with its middle hidden: those who know it recognise it, and nobody else can call it."""
    return f"{phone.digits[:3]}****{phone.digits[-4:]}"


def _masked_text(identifier: str) -> str:
    try:
        return masked(Phone.parse(identifier))
    except PhoneInvalid:
        return identifier if identifier.isascii() and identifier.isdigit() and len(identifier) <= _MAX_DIGITS else "?"


def _told(wanted: UserFilter) -> str:
    """What was looked for, in a line that can be shown."""
    name = wanted.name_prefix
    parts = {
        "id": None if wanted.user_id is None else str(wanted.user_id),
        "phone": None if wanted.phone is None else masked(wanted.phone),
        "state": None if wanted.standing is None else wanted.standing.value,
        # Last, since it may contain anything.
        "name": name if name is None or is_plain(name, MAX_USER_NAME_LENGTH) else "?",
    }
    return " ".join(f"{key}={value}" for key, value in parts.items() if value is not None)
