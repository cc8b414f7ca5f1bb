"""The command ``menshen``: its parser, and how it ends."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper

from ...domain.errors import Refusal, StoreUnavailable
from ..environment import read_settings
from ..guarding.answers import ANSWERS
from ..settings import SettingInvalid
from ..settings_page import markdown
from ..settings_text import shown
from .adopting import add_adopt_command
from .auditing import add_audit_commands
from .migrating import add_migrate_command
from .output import DONE, REFUSED, USAGE, Context, note, print_record
from .serving import serve
from .sessions import add_session_commands
from .users import add_user_commands


def entry_point() -> None:
    """The command ``menshen``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a name shows escapes.
            stream.reconfigure(errors="backslashreplace")
    code = main()
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would flush again at exit, and fail with its own message.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        note(f"the output could not be written: {error.strerror}")
        code = REFUSED
    sys.exit(code)


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:  # noqa: TID251 - the one place, for the command
    """Run one command. Returns 0 when it is done, 1 when it is refused, 2 for wrong usage or a bad setting."""
    parsed = _parser().parse_args(arguments)
    # Errors are reported below, once; the server has its own log.
    logging.getLogger("menshen").addHandler(logging.NullHandler())
    try:
        settings = read_settings(environ, say=note)
        code: int = parsed.run(Context(parsed, settings, environ.get("SUDO_UID", "")))
    except SettingInvalid as error:
        note(str(error))
        return USAGE
    except StoreUnavailable as error:
        note(" ".join(f"{error}: {error.__cause__}".split()) if error.__cause__ else str(error))
        return REFUSED
    except Refusal as refusal:
        note(_told(refusal))
        return REFUSED
    except OSError as error:
        note(str(error))
        return REFUSED
    except UnicodeDecodeError:
        note("what was typed is not UTF-8")
        return USAGE
    except (KeyboardInterrupt, EOFError):
        note("interrupted")
        return REFUSED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="menshen", description="Accounts, sessions and a guard for your app.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the HTTP server").set_defaults(run=serve)

    add_migrate_command(commands)
    add_adopt_command(commands)

    settings = commands.add_parser("settings", help="show every setting and its value")
    settings.add_argument("--json", action="store_true", help="for programs")
    settings.add_argument("--markdown", action="store_true", help="docs/settings.md")
    settings.set_defaults(run=_settings)

    add_user_commands(commands)
    add_session_commands(commands)
    add_audit_commands(commands)
    return parser


def _settings(context: Context) -> int:
    if context.arguments.markdown:
        print(markdown(), end="")
    else:
        print_record(shown(context.settings), as_json=context.arguments.json)
    return DONE


def _told(refusal: Refusal) -> str:
    members = {"failed": "Refused", **vars(refusal)}
    return f"{refusal.reason}: {ANSWERS[type(refusal)].msg.en.format(**members)}"
