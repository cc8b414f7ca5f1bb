"""``menshen user ...``: what operators do to users."""

import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ...domain.device_policy import PolicyInvalid
from ...domain.ports.reading import UserFilter
from ...domain.users import NoSuchUser, Phone, PhoneInvalid, Profile, Standing, User
from ..device_policies import device_policy_text, parse_device_policy
from ..setting_values import parse_duration
from ..wiring import Service
from .adopting import join, wrap_hashes
from .output import DONE, USAGE, Commands, Context, note, number, plain, print_record, print_table, row_number

_COLUMNS = ("id", "phone", "user_name", "standing", "registered_at", "is_admin")


def add_user_commands(commands: Commands) -> None:
    """``menshen user``, with its subcommands."""
    verbs = commands.add_parser("user", help="make, find and change users").add_subparsers(
        required=True, metavar="COMMAND"
    )

    def add(name: str, run: Callable[[Context], int], help_text: str, *, one: bool = True) -> Any:
        parser = verbs.add_parser(name, help=help_text)
        if one:
            parser.add_argument("user", help="a phone number or an id")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.set_defaults(run=run)
        return parser

    create = add("create", _create, "make a user; the password is asked for, or read from stdin", one=False)
    create.add_argument("phone")
    create.add_argument("--name", help="the user name")
    create.add_argument("--invited-by", type=number, metavar="ID", help="the id of the referrer")

    add("show", _show, "show a user")

    find = add("find", _find, "find users, a page at a time", one=False)
    find.add_argument("--phone")
    find.add_argument("--name", type=plain, help="the beginning of the user name")
    find.add_argument("--state", choices=[each.value for each in Standing])
    find.add_argument("--after", type=number, default=0, metavar="ID", help="the last id of the page before")
    find.add_argument("--limit", type=number, default=100, help="at most 100")

    freeze = add("freeze", _freeze, "keep a user out, and end all sessions")
    freeze.add_argument("--reason", required=True)
    until = freeze.add_mutually_exclusive_group()
    until.add_argument("--for", dest="duration", metavar="DURATION", help="such as 90m, 12h or 30d")
    until.add_argument("--until", metavar="TIME", help="such as 2027-01-01T00:00:00+08:00")

    add("phone", _phone, "give a user another phone number").add_argument("phone")
    add("password", _password, "give a user another password, asked for or read from stdin, and end all sessions")
    add("wrap-hashes", wrap_hashes, "hash weak password hashes of older systems once more, by Argon2id", one=False)
    joining = add("join", join, "give an account what a row has that the adoption left: the balance", one=False)
    joining.add_argument("account", type=number, help="the id of the account")
    joining.add_argument("row", type=row_number, help="the id of the row that was left")
    joining.add_argument("--other-number", action="store_true", help="although the two have not the same phone number")
    add("unfreeze", _unfreeze, "let a frozen user in again")
    add("close", _close, "close an account after the time of grace")
    add("fee", _fee, "set the fee percentage").add_argument("percentage", type=int)
    policy = add("policy", _policy, "give a user a device policy of his own")
    policy.add_argument("policy", help="multi, single, a table in JSON, or default for everybody's")
    add("grant-admin", _grant_admin, "make a user an admin")
    add("revoke-admin", _revoke_admin, "make an admin a user again, and end the admin sessions")


def _create(context: Context) -> int:
    password = _asked_password()
    if password is None:
        note("the two passwords are not the same")
        return USAGE
    arguments = context.arguments
    with context.service(is_made=True) as service:
        user = service.register_user(
            phone=arguments.phone,
            password=password,
            user_name=arguments.name,
            invited_by=arguments.invited_by,
            actor=context.operator(),
        )
    return _print(context, service, user.profile)


def _show(context: Context) -> int:
    with context.service() as service:
        user_id = service.browse.named(context.arguments.user, caller=context.operator())
        user = service.browse.user(user_id, caller=context.operator())
    return _print(context, service, user)


def _find(context: Context) -> int:
    arguments = context.arguments
    try:
        phone = None if arguments.phone is None else Phone.parse(arguments.phone)
    except PhoneInvalid:
        note("--phone is not a mobile number")
        return USAGE
    standing = None if arguments.state is None else Standing(arguments.state)
    wanted = UserFilter(phone=phone, name_prefix=arguments.name, standing=standing)
    with context.service() as service:
        users = service.browse.users(wanted, after=arguments.after, limit=arguments.limit, caller=context.operator())
    now = service.clock.now()
    print_table([_record(context, user, now) for user in users], _COLUMNS, as_json=arguments.json)
    return DONE


def _freeze(context: Context) -> int:
    arguments = context.arguments
    with context.service() as service:
        try:
            until = _until(arguments.duration, arguments.until, service.clock.now())
        except ValueError as error:
            note(str(error))
            return USAGE
        user = _named(context, service)
        frozen = service.operate.freeze(user.id, reason=arguments.reason, until=until, actor=context.operator())
    return _print(context, service, frozen)


def _phone(context: Context) -> int:
    with context.service() as service:
        user_id = service.browse.named(context.arguments.user, caller=context.operator())
        user = service.set_phone(user_id, phone=context.arguments.phone, actor=context.operator())
    return _print(context, service, user)


def _password(context: Context) -> int:
    password = _asked_password()
    if password is None:
        note("the two passwords are not the same")
        return USAGE
    with context.service() as service:
        user_id = service.browse.named(context.arguments.user, caller=context.operator())
        user = service.set_password(user_id, password=password, actor=context.operator())
    return _print(context, service, user)


def _unfreeze(context: Context) -> int:
    with context.service() as service:
        user = service.operate.unfreeze(_named(context, service).id, actor=context.operator())
    return _print(context, service, user)


def _close(context: Context) -> int:
    with context.service() as service:
        closes_at = service.close_account.close(_named(context, service).id, actor=context.operator())
    print_record({"closes_at": context.local(closes_at)}, as_json=context.arguments.json)
    return DONE


def _fee(context: Context) -> int:
    with context.service() as service:
        named = _named(context, service)
        user = service.operate.set_fee(named.id, percentage=context.arguments.percentage, actor=context.operator())
    return _print(context, service, user)


def _policy(context: Context) -> int:
    text = context.arguments.policy
    try:
        policy = None if text == "default" else parse_device_policy(text)
    except PolicyInvalid as error:
        note(f"no device policy: {error}")
        return USAGE
    with context.service() as service:
        user = service.operate.set_policy(_named(context, service).id, policy=policy, actor=context.operator())
    return _print(context, service, user)


def _grant_admin(context: Context) -> int:
    return _set_admin(context, is_admin=True)


def _revoke_admin(context: Context) -> int:
    return _set_admin(context, is_admin=False)


def _set_admin(context: Context, *, is_admin: bool) -> int:
    with context.service() as service:
        user = service.operate.set_admin(_named(context, service).id, is_admin=is_admin, actor=context.operator())
    return _print(context, service, user)


def _named(context: Context, service: Service) -> User:
    """The user whom the command names. Raises NoSuchUser."""
    user = service.find_user(context.arguments.user)
    if user is None:
        raise NoSuchUser
    return user


def _until(duration: str | None, moment: str | None, now: datetime) -> datetime | None:
    """Raises ValueError with a text for the operator."""
    if duration is not None:
        try:
            return now + parse_duration(duration)
        except ValueError as error:
            raise ValueError(f"--for: {error}") from None
    if moment is None:
        return None
    try:
        until = datetime.fromisoformat(moment)
        if until.tzinfo is not None:
            return until.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("--until must be a time with its offset from UTC, such as 2027-01-01T00:00:00+08:00")


def _asked_password() -> str | None:
    """From the terminal, twice, without echo; or the first line of piped input. None if the two differ."""
    if sys.stdin is None:
        raise OSError("there is no standard input to read the password from")
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
    password = getpass.getpass("Password: ")
    return password if getpass.getpass("Again: ") == password else None


def _print(context: Context, service: Service, user: Profile) -> int:
    print_record(_record(context, user, service.clock.now()), as_json=context.arguments.json)
    return DONE


def _record(context: Context, user: Profile, now: datetime) -> dict[str, Any]:
    return {
        "id": user.id,
        "phone": None if user.phone is None else user.phone.digits,
        "user_name": user.user_name,
        "state": user.state.text,
        "standing": user.state.standing(now).value,
        "state_until": context.local(user.state.until),
        "state_reason": user.state.reason,
        "registered_at": context.local(user.registered_at),
        "referrer_id": user.referrer_id,
        "wechat_openid": user.wechat_openid,
        "account_balance": str(user.account_balance),
        "fee_percentage": user.fee_percentage,
        "is_admin": user.is_admin,
        "device_policy": None if user.device_policy is None else device_policy_text(user.device_policy),
    }
