"""``menshen session ...`` and ``menshen token ...``."""

import getpass
import sys
from typing import Any

from ...domain.sessions import SessionId, SessionOverview
from ...domain.users import NoSuchUser
from ..guarding.one_spelling import plain_host
from ..guarding.refusals import TargetAmbiguous
from ..services import WithoutSecret
from .output import DONE, USAGE, Commands, Context, note, print_record, print_table

_COLUMNS = ("id", "kind", "device_type", "device_name", "first_seen", "last_seen", "address")


def add_session_commands(commands: Commands) -> None:
    """``menshen session`` and ``menshen token``, with their subcommands."""
    verbs = commands.add_parser("session", help="list and end sessions").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = verbs.add_parser("list", help="the live sessions of a user")
    kick = verbs.add_parser("kick", help="end a live session of a user, or all of them, or all of everybody")
    listing.add_argument("user", help="a phone number or an id")
    kick.add_argument("user", nargs="?", help="a phone number or an id")
    for parser in (listing, kick):
        parser.add_argument("--json", action="store_true", help="for programs")
    which = kick.add_mutually_exclusive_group(required=True)
    which.add_argument("--session", metavar="ID")
    which.add_argument("--all", action="store_true", help="all of the user")
    which.add_argument("--everybody", action="store_true", help="every session of every user and admin")
    listing.set_defaults(run=_list)
    kick.set_defaults(run=_kick)

    verbs = commands.add_parser(
        "token", help="understand tokens, verify those for an app behind a proxy"
    ).add_subparsers(required=True, metavar="COMMAND")
    explain = verbs.add_parser("explain", help="why a token opens something or not")
    # Never as an argument: the list of processes shows arguments to everybody on the machine.
    explain.description = "Reads the token from its standard input."
    explain.add_argument("--json", action="store_true", help="for programs")
    explain.set_defaults(run=_explain)
    key = verbs.add_parser("key", help="the key by which an app behind a proxy verifies X-Menshen-Token")
    key.add_argument("--host", required=True, metavar="NAME", help="the host of the app, such as app.example.com")
    key.set_defaults(run=_key)


def _list(context: Context) -> int:
    with context.service() as service:
        user_id = service.browse.named(context.arguments.user, caller=context.operator())
        sessions = service.browse.sessions(user_id, caller=context.operator())
    rows = [_record(context, session) for session in sessions]
    print_table(rows, _COLUMNS, as_json=context.arguments.json)
    return DONE


def _kick(context: Context) -> int:
    named = context.arguments.session
    if context.arguments.everybody is (context.arguments.user is not None):
        note("either a user with --session or --all, or --everybody alone")
        return USAGE
    if context.arguments.everybody:
        return _kick_everybody(context)
    with context.service() as service:
        user = service.find_user(context.arguments.user)
        if user is None:
            raise NoSuchUser
        ended = service.operate.kick(
            user.id, session_id=None if named is None else SessionId(named), actor=context.operator()
        )
    print_record({"ended": ended}, as_json=context.arguments.json)
    return DONE


def _kick_everybody(context: Context) -> int:
    with context.service() as service:
        ended = service.kick_everybody(caller=context.operator())
    print_record({"ended": ended}, as_json=context.arguments.json)
    return DONE


def _explain(context: Context) -> int:
    with context.service(without_secret=WithoutSecret.REFUSE) as service:
        if sys.stdin is None:
            raise OSError("there is no standard input to read the token from")
        token = getpass.getpass("Token: ") if sys.stdin.isatty() else sys.stdin.readline()
        explanation = service.browse.explain(token.strip(), caller=context.operator())
    claims, user, session = explanation.claims, explanation.user, explanation.session
    end = None if session is None else session.end
    record = {
        "verdict": explanation.verdict,
        "kind": None if explanation.kind is None else explanation.kind.value,
        "issued_at": None if claims is None else context.local(claims.issued_at),
        "expires_at": None if claims is None else context.local(claims.expires_at),
        "user_id": None if claims is None else claims.subject,
        "user_state": None if user is None else user.state.text,
        "session_id": None if claims is None else claims.session_id,
        "ended_at": None if end is None else context.local(end.at),
        "ended_as": None if end is None else end.reason.value,
        "ended_by": None if end is None or end.actor is None else end.actor.text,
        "ended_from": None if end is None or end.by is None else f"{end.by.type} {end.by.name or ''}".strip(),
    }
    print_record(record, as_json=context.arguments.json)
    return DONE


def _key(context: Context) -> int:
    try:
        host = plain_host(context.arguments.host)
    except TargetAmbiguous:
        note("--host must be the name of a host, such as app.example.com")
        return USAGE
    with context.service(without_secret=WithoutSecret.REFUSE) as service:
        print(service.issue_host_token.key(host))
    return DONE


def _record(context: Context, session: SessionOverview) -> dict[str, Any]:
    return {
        "id": session.id,
        "kind": session.kind.value,
        "device_type": session.device.type.value,
        "device_id": session.device.id,
        "device_name": session.device.name,
        "first_seen": context.local(session.started_at),
        "last_seen": context.local(session.last_seen_at),
        "expires_at": context.local(session.expires_at),
        "address": session.address,
        "user_agent": session.user_agent,
    }
