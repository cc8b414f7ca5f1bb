"""Texts entered by people, which are kept whole or refused."""

from unicodedata import category

from .errors import Refusal


class TextInvalid(Refusal):
    """A text for people is empty, too long, or contains control characters."""

    reason = "text_invalid"


def is_plain(text: str, limit: int) -> bool:
    """Whether *text* has at most *limit* characters, none of them a control character or a lone surrogate."""
    # Cc: control characters; Cs: lone surrogates.
    return len(text) <= limit and not any(category(character) in {"Cc", "Cs"} for character in text)
