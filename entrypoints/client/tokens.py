"""The tokens of a session, to be kept between two runs of a program."""

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Self

from .reading import AnswerUnreadable, Members, read_object

_FIT = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}", re.ASCII)
"""What fits into a header (RFC 6750, 2.1). An HTTP library's own complaint would show the token."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What a login brings. Whoever has them is the user: keep ``to_text()`` as you would keep a password.

    One program at a time uses them: a refresh token that two use one after the other counts as stolen.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    session_id: str

    def __post_init__(self) -> None:
        if not all(_FIT.fullmatch(text) for text in (self.access_token, self.refresh_token, self.session_id)):
            raise ValueError("these are no tokens")

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The tokens that ``to_text`` gave. Raises ValueError, which does not show them."""
        try:
            found = Members(read_object(text.encode()))
            return cls(
                access_token=found.text("access_token"),
                refresh_token=found.text("refresh_token"),
                session_id=found.text("session_id"),
            )
        except (AnswerUnreadable, UnicodeError):
            raise ValueError("these are no tokens") from None
