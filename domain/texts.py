"""Texts entered by people, which are kept whole or refused."""

from unicodedata import category

from .errors import Refusal


class TextInvalid(Refusal):
    """A text for people is empty, too long, or contains control characters."""

    reason = "text_invalid"


def is_plain(text: str, limit: int) -> bool:
    """Whether *text* has at most *limit* characters, none of them a control character or a lone surrogate."""
    if len(text) > limit:
        return False
    # Most are, and the id of a session is looked at with each request. Cc: control characters; Cs: lone surrogates.
    return text.isprintable() or not any(category(character) in {"Cc", "Cs"} for character in text)
