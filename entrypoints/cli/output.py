"""What the commands share: opening the service, and printing."""

import argparse
import json
import os
import pwd
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeAlias
from unicodedata import east_asian_width

from attrs import frozen

from ...domain.actors import Actor
from ...domain.texts import is_plain
from ...domain.users import MAX_USER_ID
from ..services import WithoutSecret, open_service
from ..settings import Settings
from ..wiring import Service

DONE, REFUSED, USAGE = 0, 1, 2

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


@frozen
class Context:
    """One call of the command: its arguments and its settings."""

    arguments: argparse.Namespace
    settings: Settings
    sudo_uid: str = ""
    """What sudo says about who called it; only trusted from root."""

    @contextmanager
    def service(
        self, *, is_made: bool = False, without_secret: WithoutSecret = WithoutSecret.GO_ON
    ) -> Iterator[Service]:
        """The service on the existing accounts, closed afterwards. *is_made*: make them if they do not exist.

        A command that only reads makes nothing: in the wrong folder, that would be another, empty database. Raises what
        open_service raises.
        """
        service = open_service(self.settings, say=note, is_made=is_made, without_secret=without_secret)
        try:
            yield service
        finally:
            service.close()

    def operator(self) -> Actor:
        """Who runs the command, according to the system, and not to variables they can set: only root's count."""
        uid, behind = os.getuid(), self.sudo_uid
        if uid == 0 and behind.isascii() and behind.isdigit() and len(behind) <= _MAX_UID_DIGITS and int(behind) != uid:
            return Actor.operator(f"{_login_name(int(behind))} as {_login_name(uid)}")
        return Actor.operator(_login_name(uid))

    def local(self, moment: datetime | None) -> str | None:
        """A time for people to read, in the configured zone."""
        return None if moment is None else moment.astimezone(self.settings.time_zone).isoformat(" ", "seconds")


def number(text: str) -> int:
    """A whole number that every store accepts, for argparse. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError
    return min(int(text), MAX_USER_ID)


def row_number(text: str) -> int:
    """The id of a row that is not ours: any whole number of 64 bits, for argparse. Raises ValueError."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19 and -(2**63) <= int(text) < 2**63):
        raise ValueError
    return int(text)


def plain(text: str) -> str:
    """Text that is UTF-8, for argparse. Raises ValueError."""
    text.encode()
    return text


_MAX_UID_DIGITS = 10


def _login_name(uid: int) -> str:
    """The name in the system's table of users, or the number."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)
    return name if is_plain(name, 32) else str(uid)


def note(line: str) -> None:
    """A line for people, on stderr, apart from what programs read."""
    print(f"menshen: {line}", file=sys.stderr, flush=True)


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """One record: a line for each member."""
    if as_json:
        print(_json(record))
        return
    width = max(len(name) for name in record)
    for name, value in record.items():
        print(f"{name:<{width}}  {_text(value)}".rstrip())


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Several records: a line each, under the names of the *columns*; as JSON, with all their members."""
    if as_json:
        print(_json(rows))
        return
    lines = [columns, *([_text(row[column]) for column in columns] for row in rows)]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)).rstrip())


def _json(found: object) -> str:
    """JSON on one line, without escapes where the terminal can show the text."""
    text = json.dumps(found, ensure_ascii=False)
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def _width(text: str) -> int:
    """How many columns a terminal uses for *text*: two for a Chinese character."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _text(value: object) -> str:
    if value is None:
        return ""
    # A control character in a name must not reach the terminal; we store none, but a database has other writers.
    return "".join(character if character.isprintable() else "?" for character in str(value))
