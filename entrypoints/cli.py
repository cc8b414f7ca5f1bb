"""The command line."""

import argparse
import getpass
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..domain.errors import Refusal, StoreUnavailable
from ..domain.users import User
from .http.errors import ANSWERS
from .settings import SettingInvalid, Settings, markdown, read_settings, shown, unknown_variables
from .wiring import SERVING_THREADS, database_url, open_service

DONE, REFUSED, USAGE = 0, 1, 2

Command = Callable[[argparse.Namespace, Settings], int]


def entry_point() -> None:
    """The command ``menshen``."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:  # noqa: TID251 - the one place, for the command
    """Run one command. Returns 0 when it is done, 1 when it is refused, 2 for wrong usage or a bad setting."""
    parsed = _parser().parse_args(arguments)
    # What goes wrong is told below, once; the server has a log of its own.
    logging.getLogger("menshen").addHandler(logging.NullHandler())
    run: Command = parsed.run
    try:
        settings = read_settings(environ)
        for line in unknown_variables(environ):
            _note(f"warning: {line}")
        return run(parsed, settings)
    except SettingInvalid as error:
        return _complain(str(error), USAGE)
    except StoreUnavailable as error:
        return _complain(f"{error}: {error.__cause__}" if error.__cause__ else str(error))
    except Refusal as refusal:
        return _complain(_told(refusal))
    except OSError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return _complain("interrupted")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="menshen", description="Accounts, sessions and a guard for your app.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the HTTP server")
    serve.set_defaults(run=_serve)

    settings = commands.add_parser("settings", help="show every setting and its value")
    settings.add_argument("--json", action="store_true", help="for programs")
    settings.add_argument("--markdown", action="store_true", help="docs/settings.md")
    settings.set_defaults(run=_settings)

    user = commands.add_parser("user", help="make and show users")
    verbs = user.add_subparsers(required=True, metavar="COMMAND")

    create = verbs.add_parser("create", help="make a user; the password is asked for, or read from stdin")
    create.add_argument("phone")
    create.add_argument("--name", help="the user name")
    create.add_argument("--invited-by", type=int, metavar="ID", help="the id of the referrer")
    create.add_argument("--json", action="store_true", help="for programs")
    create.set_defaults(run=_user_create)

    show = verbs.add_parser("show", help="show a user")
    show.add_argument("user", help="a phone number or an id")
    show.add_argument("--json", action="store_true", help="for programs")
    show.set_defaults(run=_user_show)
    return parser


def _serve(arguments: argparse.Namespace, settings: Settings) -> int:
    # The server's own packages are loaded here, so that the other commands start without them.
    from .server import run

    _check_address_is_free(settings)
    # Opened once before any worker: what is wrong is said here, in one line, and the schema is made once.
    open_service(settings, say=partial(print, flush=True)).close()
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    print(_WELCOME.format(url=f"http://{address}:{settings.port}", store=database_url(settings)), flush=True)
    run(partial(_front, settings), host=settings.host, port=settings.port, workers=settings.workers)
    return DONE


def _front(settings: Settings) -> Any:
    """What each worker process serves."""
    from .http.app import create_app
    from .log import start_logging, stop_logging
    from .server import Front, end_with_parent

    end_with_parent()
    log = start_logging()
    service = open_service(settings)

    def close() -> None:
        service.close()
        stop_logging(log)

    return Front(
        create_app(service, settings),
        threads=SERVING_THREADS,
        runs_inline=lambda scope: service.is_embedded and scope.method == "GET",
        at_exit=close,
    )


def _settings(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.markdown:
        print(markdown(), end="")
    else:
        _print_table(shown(settings), as_json=arguments.json)
    return DONE


def _user_create(arguments: argparse.Namespace, settings: Settings) -> int:
    password = _asked_password()
    if password is None:
        return _complain("the two passwords are not the same", USAGE)
    service = open_service(settings, say=_note)
    try:
        user = service.register_user(
            phone=arguments.phone, password=password, user_name=arguments.name, invited_by=arguments.invited_by
        )
    finally:
        service.close()
    _print_table(_user_table(user), as_json=arguments.json)
    return DONE


def _user_show(arguments: argparse.Namespace, settings: Settings) -> int:
    service = open_service(settings, say=_note)
    try:
        user = service.find_user(arguments.user)
    finally:
        service.close()
    if user is None:
        return _complain("there is no such user")
    _print_table(_user_table(user), as_json=arguments.json)
    return DONE


def _asked_password() -> str | None:
    """From the terminal, twice, without showing it; or the first line of what is piped in. None if the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")
    password = getpass.getpass("Password: ")
    return password if getpass.getpass("Again: ") == password else None


def _user_table(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "phone": user.phone.digits,
        "user_name": user.user_name,
        "state": user.state.text,
        "registered_at": None if user.registered_at is None else user.registered_at.isoformat(),
        "referrer_id": user.referrer_id,
        "wechat_openid": user.wechat_openid,
        "account_balance": str(user.account_balance),
        "fee_percentage": user.fee_percentage,
    }


def _print_table(table: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(table, ensure_ascii=False))
        return
    width = max(len(name) for name in table)
    for name, value in table.items():
        print(f"{name:<{width}}  {'' if value is None else value}".rstrip())


def _told(refusal: Refusal) -> str:
    message = ANSWERS[type(refusal)].msg.en.format(**vars(refusal))
    return f"{refusal.reason}: {message}"


def _note(line: str) -> None:
    print(f"menshen: {line}", file=sys.stderr, flush=True)


def _complain(line: str, code: int = REFUSED) -> int:
    _note(line)
    return code


def _check_address_is_free(settings: Settings) -> None:
    """Raises OSError with a clear text where the server could not listen."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise OSError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from None


_WELCOME = """\
menshen listens on {url}
accounts are in {store}

Try it:
  curl {url}/api/user/register -H 'Content-Type: application/json' -d '{{"phone": "13800138000", "password": "correct horse"}}'
  curl {url}/api/user/user_info -H 'token: TOKEN'
"""
