"""The report of what an adoption has found, for people and for programs."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from itertools import islice
from typing import Any, TextIO

from attrs import define

from ...domain.passwords import HashKind
from ..adoptions import AdoptionFindings, AdoptionReport, FoundState, Left
from ..databases import database_url
from ..setting_values import without_password
from ..settings import Settings
from .output import print_record, print_table

_SHOWN = 20
"""How many entries of a list are shown to people."""

_UNKNOWN_STATE = "unknown to us: it stays, and cannot log in; --state TEXT=active or =frozen decides"
_USELESS_HASH = "cannot log in: `menshen user password` gives a new password"
_WEAK_HASH = "weak: hashed once more at once"


@define
class Shown:
    """The report of one run: the database, the zone, and what is to be done to the table."""

    settings: Settings
    zone: tzinfo | None
    report: AdoptionReport

    def print(self, findings: AdoptionFindings) -> None:
        """For people; nothing if there is no usable table."""
        if self.report.obstacles and not findings.rows:
            return
        reasons = {f"  {why}": count for why, count in _reasons(findings).items()}
        print_record({**self._record(findings, is_done=False), **reasons}, as_json=False)
        states = ((visible(each.text), each.rows, _said_of_state(each)) for each in findings.states)
        _print_some(("state", "rows", ""), states)
        if findings.candidates:
            _print_some(
                ("hash", "rows", ""),
                ((kind.name, rows, _said_of(kind)) for kind, rows in findings.kinds),
            )
        left = (
            (each.id, _shown_phone(each), each.why.value, each.holder, each.balance)
            for each in findings.left_rows(limit=_SHOWN)
        )
        _print_some(("id", "phone", "left because", "holder", "balance"), left, findings.left_in_all)
        _print_some(
            ("statements",), ((statement,) for statement in self.report.statements), len(self.report.statements)
        )

    def print_json(self, findings: AdoptionFindings, *, is_done: bool) -> None:
        """For programs, streamed, since the lists may be too long for the memory."""
        facts = {
            **self._record(findings, is_done=is_done),
            "left_by_reason": _reasons(findings),
            "obstacles": list(self.report.obstacles),
            "statements": list(self.report.statements),
        }
        lists: Mapping[str, Iterable[Mapping[str, Any]]] = {
            "states": (
                {"state": each.text, "rows": each.rows, "is_known": each.is_known, "becomes": each.becomes}
                for each in findings.states
            ),
            "hashes": (
                {"hash": kind.name, "rows": rows, "can_log_in": kind.can_log_in, "is_weak": kind.is_weak}
                for kind, rows in findings.kinds
            ),
            "left_rows": (
                {
                    "id": each.id,
                    "phone": each.phone,
                    "why": each.why.value,
                    "holder": each.holder,
                    "account_balance": each.balance,
                }
                for each in findings.left_rows()
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
            "wrapped" if is_done else "to_be_wrapped": findings.weak,
            "settled" if is_done else "to_be_settled": findings.settled,
            "kept" if is_done else "to_be_kept": findings.kept,
            "left": findings.left_in_all,
        }


def visible(text: str | None) -> str:
    """*text* such that no two look alike: NULL, or quoted if it is empty, has outer blanks or invisible characters."""
    if text is None:
        return "NULL"
    if text == text.strip() != "" and text.isprintable() and text != "NULL" and '"' not in text:
        return text
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in shown)


def _shown_phone(left: Left) -> str:
    return "" if left.phone is None else visible(left.phone)


def meant_by(text: str) -> str | None:
    """The value that ``visible`` has shown as *text*. Raises ValueError."""
    if not text.startswith('"'):
        return None if text == "NULL" else text
    # What begins with a quote must be a JSON string.
    return str(json.loads(text))


def _said_of_state(state: FoundState) -> str:
    if not state.is_known:
        return _UNKNOWN_STATE
    return "" if state.becomes is None else f"becomes {state.becomes}"


def _said_of(kind: HashKind) -> str:
    if not kind.can_log_in:
        return _USELESS_HASH
    return _WEAK_HASH if kind.is_weak else ""


def _reasons(findings: AdoptionFindings) -> dict[str, int]:
    return {why.value: count for why, count in sorted(findings.left.items())}


def _print_some(columns: Sequence[str], rows: Iterable[Sequence[Any]], count: int | None = None) -> None:
    """The first of *rows*, and how many more there are, if the total is known."""
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
def new_list(path: str) -> Iterator[Callable[[AdoptionFindings], None]]:
    """Writes the list into a new file that only its owner can read, since it contains phone numbers.

    If the list is not completed, the file is removed: it would block the next run of the same command. Raises OSError
    if the file exists.
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
    writer.writerow(("id", "phone", "why", "holder", "account_balance"))
    for each in findings.left_rows():
        writer.writerow(
            (each.id, _harmless(_shown_phone(each)), each.why.value, each.holder, _harmless(each.balance or ""))
        )


def _harmless(text: str) -> str:
    """*text* such that no spreadsheet reads it as a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")) else text
