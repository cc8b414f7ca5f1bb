"""``menshen adopt``: taking over a tutorial's database in place."""

import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import tzinfo
from itertools import islice
from types import TracebackType
from typing import Any, Self, TextIO

from attrs import define, field

from ..environment import read_settings
from ..settings import PREFIX, SettingInvalid, Settings, without_password
from ..stores import AdoptionFindings, AdoptionReport, database_url, open_adoption
from .output import DONE, REFUSED, USAGE, Commands, Context, note, print_record, print_table

_SHOWN = 20
"""How much of a list people are shown."""

_UNKNOWN_STATE = "unknown to us: it stays, and cannot log in"
_USELESS_HASH = "cannot log in"
_QUESTION = "Adopt this database? Have a backup, and stop what else writes to x_user. [y/N] "


def add_adopt_command(commands: Commands) -> None:
    """``menshen adopt``."""
    parser = commands.add_parser("adopt", help="take over the x_user table of a tutorial's database, in place")
    parser.add_argument("--dry-run", action="store_true", help="only the report; change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--time-zone", metavar="ZONE", help="that of the times in the table, such as Asia/Shanghai")
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
    with ExitStack() as stack:
        adoption = stack.enter_context(open_adoption(context.settings, zone))
        # Made before the work, so that this is not for nothing.
        write_list = None if arguments.list is None else stack.enter_context(_new_list(arguments.list))
        with _Progress("looking") as progress:
            report = adoption.report(progress.tell)
        findings, is_done = report.findings, False
        shown = _Shown(context.settings, zone, report)
        if not (arguments.dry_run or report.obstacles) and report.is_due:
            if not arguments.json:
                shown.print(findings)
            if is_asking and not _is_agreed():
                note("nothing was changed")
                return REFUSED
            with _Progress("adopting") as progress:
                findings, is_done = adoption.carry_out(progress.tell), True
        if write_list is not None and not (report.obstacles and not findings.rows):
            write_list(findings)
        if arguments.json:
            shown.print_json(findings, is_done=is_done)
        elif is_done:
            print(f"adopted: {findings.taken:,} rows were taken, {findings.left_in_all:,} were left as they are")
        else:
            shown.print(findings)
            if not report.obstacles and not report.is_due:
                print("there is nothing to adopt")
    for line in report.obstacles:
        note(line)
    return REFUSED if report.obstacles else DONE


def _zone(context: Context) -> tzinfo | None:
    """Raises SettingInvalid."""
    named = context.arguments.time_zone
    return context.settings.time_zone if named is None else read_settings({f"{PREFIX}TIME_ZONE": named}).time_zone


def _is_agreed() -> bool:
    print(_QUESTION, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@define
class _Shown:
    """What is shown of one call: on what, in which zone, and what is to be done to the table."""

    settings: Settings
    zone: tzinfo | None
    report: AdoptionReport

    def print(self, findings: AdoptionFindings) -> None:
        """For people; nothing where there is no table to speak of."""
        if self.report.obstacles and not findings.rows:
            return
        reasons = {f"  {why}": count for why, count in _reasons(findings).items()}
        print_record({**self._record(findings, is_done=False), **reasons}, as_json=False)
        if findings.candidates:
            _print_some(
                ("state", "rows", ""),
                (
                    (text or "(none)", rows, "" if is_known else _UNKNOWN_STATE)
                    for text, rows, is_known in findings.states
                ),
            )
            _print_some(
                ("hash", "rows", ""),
                ((kind, rows, "" if is_of_use else _USELESS_HASH) for kind, rows, is_of_use in findings.kinds),
            )
        left = ((each.id, each.phone, each.why.value, each.holder) for each in findings.leavings(limit=_SHOWN))
        _print_some(("id", "phone", "left because", "holder"), left, findings.left_in_all)
        _print_some(
            ("statements",), ((statement,) for statement in self.report.statements), len(self.report.statements)
        )

    def print_json(self, findings: AdoptionFindings, *, is_done: bool) -> None:
        """For programs, and as it is found, since the lists may be longer than the memory."""
        facts = {
            **self._record(findings, is_done=is_done),
            "left_by_reason": _reasons(findings),
            "obstacles": list(self.report.obstacles),
            "statements": list(self.report.statements),
        }
        lists: Mapping[str, Iterable[Mapping[str, Any]]] = {
            "states": ({"state": text, "rows": rows, "is_known": known} for text, rows, known in findings.states),
            "hashes": ({"hash": kind, "rows": rows, "can_log_in": can} for kind, rows, can in findings.kinds),
            "left_rows": (
                {"id": each.id, "phone": each.phone, "why": each.why.value, "holder": each.holder}
                for each in findings.leavings()
            ),
        }
        print(json.dumps(facts)[:-1], end="")
        for name, records in lists.items():
            print(f', "{name}": [', end="")
            for number, each in enumerate(records):
                print(", " if number else "", json.dumps(each), sep="", end="")
            print("]", end="")
        print("}")

    def _record(self, findings: AdoptionFindings, *, is_done: bool) -> dict[str, Any]:
        return {
            "database": without_password(database_url(self.settings)),
            "time_zone": "the machine's" if self.zone is None else str(self.zone),
            "rows": findings.rows,
            "accounts_before": findings.accounts,
            "taken" if is_done else "to_be_taken": findings.taken,
            "without_phone": findings.without_phone,
            "left": findings.left_in_all,
        }


def _reasons(findings: AdoptionFindings) -> dict[str, int]:
    return {why.value: count for why, count in sorted(findings.left.items())}


def _print_some(columns: Sequence[str], rows: Iterable[Sequence[Any]], count: int | None = None) -> None:
    """The first of *rows*, and how many more there are, where it is known how many there are."""
    shown = [dict(zip(columns, row, strict=True)) for row in islice(rows, _SHOWN + (count is None))]
    if not shown:
        return
    print()
    print_table(shown[:_SHOWN], columns, as_json=False)
    if count is not None and count > _SHOWN:
        print(f"... and {count - _SHOWN:,} more; --list FILE or --json has them all")
    elif len(shown) > _SHOWN:
        print("... and more; --json has them all")


@contextmanager
def _new_list(path: str) -> Iterator[Callable[[AdoptionFindings], None]]:
    """What writes the list into a new file, for its maker alone, as it will hold phone numbers.

    Where it has not been written in the end, no file stays: it would be in the way of the same command. Raises OSError
    where there is a file already.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    is_written = False

    def write(findings: AdoptionFindings) -> None:
        nonlocal is_written
        _write_csv(file, findings)
        file.flush()
        is_written = True

    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield write
    finally:
        if not is_written:
            os.unlink(path)


def _write_csv(file: TextIO, findings: AdoptionFindings) -> None:
    writer = csv.writer(file)
    writer.writerow(("id", "phone", "why", "holder"))
    for each in findings.leavings():
        writer.writerow((each.id, _harmless(each.phone or ""), each.why.value, each.holder))


def _harmless(text: str) -> str:
    """*text* such that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text


@define
class _Progress:
    """How far the work is, on stderr: a bar on a terminal, a line now and then elsewhere."""

    what: str
    _begin: float = field(init=False, factory=lambda: time.monotonic())
    _told_at: float = field(init=False, factory=lambda: time.monotonic())
    _is_bar: bool = field(init=False, factory=lambda: sys.stderr.isatty())
    _is_drawn: bool = field(init=False, default=False)

    def tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        is_last = done >= total
        if now - self._told_at < (0.1 if self._is_bar else 5.0) and not (is_last and self._is_bar):
            return
        self._told_at = now
        rate = done / max(now - self._begin, 0.001)
        share = done / max(total, done, 1)
        left = max(total - done, 0) / max(rate, 0.001)
        line = f"{share:4.0%}  {done:,} of {total:,} rows  {rate:,.0f}/s  {left:.0f} s left"
        if self._is_bar:
            width = 24
            bar = "#" * round(share * width)
            print(f"\r{self.what} [{bar:.<{width}}] {line}\x1b[K", end="", file=sys.stderr, flush=True)
            self._is_drawn = True
        else:
            note(f"{self.what}: {line.strip()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_drawn:
            print(file=sys.stderr)
