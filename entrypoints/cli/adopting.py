"""``menshen adopt``: adopting a tutorial's database in place."""

import sys
from contextlib import ExitStack
from datetime import tzinfo

from ...domain.users import Standing, UserId
from ..adoptions import CannotJoin, open_adoption, open_joining, open_wrapping
from ..databases import UNWATCHED
from ..environment import read_settings
from ..settings import PREFIX, SettingInvalid
from .adoption_report import Shown, meant_by, new_list, visible
from .output import DONE, REFUSED, USAGE, Commands, Context, note, plain, print_record
from .progress import Progress

_DECIDED = {Standing.ACTIVE.value, Standing.FROZEN.value}
_QUESTION = "Adopt this database? Have a backup, and stop what else writes to x_user. [y/N] "


def add_adopt_command(commands: Commands) -> None:
    """``menshen adopt``."""
    parser = commands.add_parser("adopt", help="take over the x_user table of a tutorial's database, in place")
    parser.add_argument("--dry-run", action="store_true", help="only the report; change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--time-zone", metavar="ZONE", help="that of the times in the table, such as Asia/Shanghai")
    parser.add_argument(
        "--state",
        type=_decision,
        action="append",
        default=[],
        metavar="TEXT=STANDING",
        help="what a state means that the report shows as unknown: active or frozen; NULL is one that is not there",
    )
    parser.add_argument("--list", metavar="FILE", help="write every row that is left into a new file, as CSV")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_adopt)


def _adopt(context: Context) -> int:
    arguments = context.arguments
    is_asking = not (arguments.dry_run or arguments.yes)
    if is_asking and (arguments.json or sys.stdin is None or not sys.stdin.isatty()):
        note("nobody can be asked: call it with --yes, or with --dry-run to look first")
        return USAGE
    try:
        zone = _zone(context)
    except SettingInvalid:
        note("--time-zone must be a time zone such as Asia/Shanghai")
        return USAGE
    decisions = dict(arguments.state)
    with ExitStack() as stack:
        adoption = stack.enter_context(open_adoption(context.settings, zone, decisions))
        # Made first, so that the work is not wasted if it fails.
        write_list = None if arguments.list is None else stack.enter_context(new_list(arguments.list))
        with Progress("looking") as progress:
            report = adoption.report(progress.tell)
        findings, is_done = report.findings, False
        for text in findings.unused_decisions if findings.rows else ():
            note(f"--state: no row is {visible(text)}")
        shown = Shown(context.settings, zone, report)
        if not (arguments.dry_run or report.obstacles) and report.is_due:
            if not arguments.json:
                shown.print(findings)
            if is_asking and not _is_agreed():
                note("nothing was changed")
                return REFUSED
            with Progress("adopting") as progress:
                findings, is_done = adoption.carry_out(progress.tell), True
            findings.weak = _wrap(context, report.findings.weak)
        if write_list is not None and not (report.obstacles and not findings.rows):
            write_list(findings)
        if arguments.json:
            shown.print_json(findings, is_done=is_done)
        elif is_done:
            if findings.weak:
                print(f"wrapped: {findings.weak:,} weak password hashes were hashed once more, by Argon2id")
            print(f"adopted: {findings.taken:,} rows were taken, {findings.left_in_all:,} were left as they are")
        else:
            shown.print(findings)
            if not report.obstacles and not report.is_due:
                print("there is nothing to adopt")
    if findings.left_in_all and not arguments.json:
        note(
            f"{findings.left_in_all:,} rows are left, whose owners cannot log in: mend them and adopt again, or join one"
            " with the account that its owner has by now (menshen user join)"
        )
    if not findings.is_watched:
        note(UNWATCHED)
    for line in report.obstacles:
        note(line)
    return REFUSED if report.obstacles else DONE


def _zone(context: Context) -> tzinfo | None:
    """Raises SettingInvalid."""
    named = context.arguments.time_zone
    return context.settings.time_zone if named is None else read_settings({f"{PREFIX}TIME_ZONE": named}).time_zone


def _decision(text: str) -> tuple[str | None, Standing]:
    """Such as 封禁=frozen, for argparse. Raises ValueError."""
    state, _, standing = plain(text).rpartition("=")
    if standing not in _DECIDED:
        raise ValueError
    return meant_by(state), Standing(standing)


def _is_agreed() -> bool:
    print(_QUESTION, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _wrap(context: Context, count: int) -> int:
    """Wrap the weak hashes, about *count* of them. If there are none, nothing is searched."""
    if not count:
        return 0
    with open_wrapping(context.settings) as wrap, Progress("wrapping") as progress:
        return wrap(lambda done: progress.tell(done, count))


def join(context: Context) -> int:
    """``menshen user join``."""
    arguments = context.arguments
    with open_joining(context.settings) as joining:
        try:
            joined = joining(
                UserId(arguments.account),
                arguments.row,
                actor=context.operator(),
                is_other_number=arguments.other_number,
            )
        except CannotJoin as error:
            note(str(error))
            return REFUSED
    print_record({"moved": str(joined.moved), "account_balance": str(joined.balance)}, as_json=arguments.json)
    note(f"other tables that name {arguments.row} are not changed")
    return DONE


def wrap_hashes(context: Context) -> int:
    """``menshen user wrap-hashes``."""
    with open_wrapping(context.settings) as wrap:
        done = wrap()
    print_record({"wrapped": done}, as_json=context.arguments.json)
    return DONE
