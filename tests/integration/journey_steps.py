"""The steps of which journeys are made: one for each thing that a user does."""

from collections.abc import Callable, Mapping

from attrs import field, frozen

from menshen.domain.actors import Actor
from menshen.domain.devices import NO_CLIENT, Client
from menshen.domain.sessions import SessionId, SessionKind, SessionOverview
from menshen.domain.use_cases.authenticators.password import PhoneAndPassword
from menshen.domain.users import NewUser, Phone, UserState

from .journeys import House

ADDRESS = "198.51.100.9"
OPERATOR = Actor.operator("an operator")

AS_IT_IS = "as it is"
SPELLINGS: Mapping[str, Callable[[str], str]] = {
    AS_IT_IS: str,
    "in other case": str.swapcase,
    "with a blank": lambda text: f"{text} ",
    "full-width": lambda text: "".join(
        chr(ord(character) + 0xFEE0) if character.isalnum() else character for character in text
    ),
    "too long": lambda text: text * 4,
    "as a pattern": lambda text: "%",
    "as nothing": lambda text: "",
    "with NUL": lambda text: f"{text}\0",
}
"""Other spellings of a session's id: from a caller who does not know it, or equal to it under some collation."""


def _brief(client: Client) -> str:
    return "-" if client == NO_CLIENT else repr(client)


def _client_in(session: SessionOverview) -> Client:
    """Where a call behind the guard comes from, as the transport has it: from the session's device."""
    return Client(device=session.device, address=ADDRESS)


@frozen
class Register:
    phone: str
    password: str
    name: str | None = None
    invited_by: int | None = None
    client: Client = field(default=NO_CLIENT, repr=_brief)

    def take(self, house: House) -> object:
        invited_by = None if self.invited_by is None else house.user(self.invited_by)
        granted = house.service.register_and_login(
            phone=self.phone, password=self.password, user_name=self.name, invited_by=invited_by, client=self.client
        )
        house.welcome(granted.user)
        return house.open(granted)


@frozen
class RegisterWithoutLogin:
    phone: str
    password: str
    invited_by: int | None = 0
    is_nobody: bool = False
    """Whether the inviter is a user that never existed."""

    def take(self, house: House) -> object:
        user = house.service.register_user(
            phone=self.phone,
            password=self.password,
            invited_by=house.user(None if self.is_nobody else self.invited_by),
            actor=OPERATOR,
        )
        return house.welcome(user)


@frozen
class Adopt:
    """A user comes in as another program has left it: with an outdated hash, in any state."""

    phone: str
    password: str
    state: UserState

    def take(self, house: House) -> object:
        user = NewUser(
            phone=Phone.parse(self.phone),
            password_hash=f"old:{self.password}",
            registered_at=house.clock.now(),
            state=self.state,
        )
        return house.welcome(house.store.work.transact(lambda tx: tx.users.add(user)))


@frozen
class LogIn:
    phone: str
    password: str
    client: Client = field(default=NO_CLIENT, repr=_brief)
    replacing: int | None = None

    def take(self, house: House) -> object:
        replacing = None if self.replacing is None else house.session(self.replacing).session.id
        return house.open(
            house.service.login(PhoneAndPassword(self.phone, self.password), client=self.client, replacing=replacing)
        )


@frozen
class LogInAsAdmin:
    phone: str
    password: str
    client: Client = field(default=NO_CLIENT, repr=_brief)

    def take(self, house: House) -> object:
        return house.open(house.service.admin_login(PhoneAndPassword(self.phone, self.password), client=self.client))


@frozen
class Refresh:
    token: int

    def take(self, house: House) -> object:
        granted = house.tokens(self.token)
        is_admin = granted.session.kind is SessionKind.ADMIN
        refresh = house.service.admin_refresh if is_admin else house.service.refresh
        return house.grant(refresh(granted.refresh_token, Client(address=ADDRESS)))


@frozen
class RefreshAnother:
    """A refresh token that was never given out: it names a session in another spelling."""

    token: int
    spelling: str

    def take(self, house: House) -> object:
        session_id, dot, secret = house.tokens(self.token).refresh_token.partition(".")
        return house.grant(house.service.refresh(f"{SPELLINGS[self.spelling](session_id)}{dot}{secret}"))


@frozen
class Authenticate:
    token: int

    def take(self, house: House) -> object:
        return house.service.authenticate(house.tokens(self.token).access_token)


@frozen
class AuthenticateAdmin:
    token: int

    def take(self, house: House) -> object:
        return house.service.authenticate_admin(house.tokens(self.token).access_token)


@frozen
class Explain:
    token: int

    def take(self, house: House) -> object:
        return house.service.explain_token(house.tokens(self.token).access_token)


@frozen
class LogOut:
    session: int
    is_late: bool = False

    def take(self, house: House) -> None:
        found = house.guarded(self.session, is_late=self.is_late)
        house.service.logout(found, _client_in(found.session))


@frozen
class ListSessions:
    session: int

    def take(self, house: House) -> object:
        return house.service.list_sessions(house.guarded(self.session, is_late=False))


@frozen
class EndSession:
    session: int
    other: int
    password: str | None = None
    spelling: str = AS_IT_IS
    is_late: bool = False

    def take(self, house: House) -> None:
        found = house.guarded(self.session, is_late=self.is_late)
        other = SPELLINGS[self.spelling](house.session(self.other).session.id)
        house.service.end_sessions(
            found,
            session_id=SessionId(other),
            password=self.password,
            client=_client_in(found.session),
        )


@frozen
class EndOtherSessions:
    session: int
    password: str | None = None

    def take(self, house: House) -> object:
        found = house.guarded(self.session, is_late=False)
        return house.service.end_sessions.others(found, password=self.password, client=_client_in(found.session))


@frozen
class ChangePassword:
    session: int
    old: str
    new: str
    is_late: bool = False

    def take(self, house: House) -> None:
        found = house.guarded(self.session, is_late=self.is_late)
        client = _client_in(found.session)
        house.service.change_password(found, old=self.old, new=self.new, client=client)


@frozen
class Rename:
    session: int
    name: str | None
    is_late: bool = False

    def take(self, house: House) -> object:
        found = house.guarded(self.session, is_late=self.is_late)
        return house.service.rename_user(found, user_name=self.name, client=_client_in(found.session))


@frozen
class Close:
    session: int
    password: str
    is_late: bool = False

    def take(self, house: House) -> object:
        found = house.guarded(self.session, is_late=self.is_late)
        client = _client_in(found.session)
        return house.service.close_account(found, password=self.password, client=client)
