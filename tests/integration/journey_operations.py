"""The steps of journeys that operators take, and those that happen without a caller."""

from datetime import timedelta

from attrs import frozen

from menshen.domain.audit import EntryKind
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import Client
from menshen.domain.ports.reading import UserFilter
from menshen.domain.sessions import SessionId
from menshen.domain.users import Phone, Standing, UserId

from .journey_steps import ADDRESS, AS_IT_IS, OPERATOR, SPELLINGS
from .journeys import House


@frozen
class CloseByOperator:
    user: int | None

    def take(self, house: House) -> object:
        return house.service.close_account.close(house.user(self.user), actor=OPERATOR)


@frozen
class Freeze:
    user: int | None
    reason: str
    lasts: timedelta | None

    def take(self, house: House) -> object:
        until = None if self.lasts is None else house.clock.now() + self.lasts
        return house.service.operate.freeze(house.user(self.user), reason=self.reason, until=until, actor=OPERATOR)


@frozen
class Unfreeze:
    user: int | None

    def take(self, house: House) -> object:
        return house.service.operate.unfreeze(house.user(self.user), actor=OPERATOR)


@frozen
class SetPhone:
    user: int | None
    phone: str

    def take(self, house: House) -> object:
        return house.service.set_phone(house.user(self.user), phone=self.phone, actor=OPERATOR)


@frozen
class SetPassword:
    user: int | None
    password: str

    def take(self, house: House) -> object:
        return house.service.set_password(house.user(self.user), password=self.password, actor=OPERATOR)


@frozen
class SetFee:
    user: int | None
    percentage: int

    def take(self, house: House) -> object:
        return house.service.operate.set_fee(house.user(self.user), percentage=self.percentage, actor=OPERATOR)


@frozen
class SetPolicy:
    user: int | None
    policy: DevicePolicy | None

    def take(self, house: House) -> object:
        return house.service.operate.set_policy(house.user(self.user), policy=self.policy, actor=OPERATOR)


@frozen
class SetAdmin:
    user: int | None
    is_admin: bool

    def take(self, house: House) -> object:
        return house.service.operate.set_admin(house.user(self.user), is_admin=self.is_admin, actor=OPERATOR)


@frozen
class Kick:
    user: int | None
    session: int | None = None
    spelling: str = AS_IT_IS

    def take(self, house: House) -> object:
        named = None
        if self.session is not None:
            named = SessionId(SPELLINGS[self.spelling](house.session(self.session).session.id))
        return house.service.operate.kick(house.user(self.user), session_id=named, actor=OPERATOR)


@frozen
class KickEverybody:
    def take(self, house: House) -> object:
        return house.service.kick_everybody(caller=OPERATOR)


@frozen
class KickEverybodyAsAdmin:
    token: int
    password: str | None

    def take(self, house: House) -> object:
        admin = house.service.authenticate_admin(house.tokens(self.token).access_token)
        return house.service.kick_everybody(caller=admin, password=self.password, client=Client(address=ADDRESS))


@frozen
class FindUser:
    identifier: str

    def take(self, house: House) -> object:
        return house.service.find_user(self.identifier)


@frozen
class FindUsers:
    user: int | None = None
    phone: str | None = None
    name_prefix: str | None = None
    standing: Standing | None = None
    after: int | None = None
    limit: int = 100

    def take(self, house: House) -> object:
        wanted = UserFilter(
            user_id=None if self.user is None else house.user(self.user),
            phone=None if self.phone is None else Phone.parse(self.phone),
            name_prefix=self.name_prefix,
            standing=self.standing,
        )
        after = UserId(0) if self.after is None else house.user(self.after)
        return house.service.find_users(wanted, after=after, limit=self.limit)


@frozen
class SessionsOf:
    user: int | None

    def take(self, house: House) -> object:
        return house.service.browse.sessions(house.user(self.user), caller=OPERATOR)


@frozen
class ReadAudit:
    subject: int | None = None
    before: int | None = None
    limit: int = 100
    kind: EntryKind = EntryKind.ALL

    def take(self, house: House) -> object:
        log = house.log()
        return house.service.read_audit(
            subject=None if self.subject is None else house.user(self.subject),
            before=None if self.before is None or not log else log[self.before % len(log)].id,
            limit=self.limit,
            kind=self.kind,
        )


@frozen
class Prune:
    is_vouched_for: bool = False

    def take(self, house: House) -> object:
        return house.service.prune(vouched_by=OPERATOR if self.is_vouched_for else None)


@frozen
class Move:
    """Time goes on, or the clock is put back."""

    by: timedelta

    def take(self, house: House) -> object:
        house.clock.move(self.by)
        return None
