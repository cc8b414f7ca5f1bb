"""Which language to answer in."""

from attrs import frozen


@frozen
class Text:
    """One message in every language we speak."""

    zh: str
    en: str

    def in_language(self, language: str) -> str:
        return self.en if language == "en" else self.zh


def preferred_language(accept_language: str | None, default: str) -> str:
    """``zh`` or ``en``, whichever ``Accept-Language`` prefers (RFC 9110, 12.5.4); *default* if it names neither.

    Never raises: unreadable parts are ignored.
    """
    if not accept_language:
        return default
    best, best_weight = default, 0.0
    for part in accept_language[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter.strip())
        if language in {"zh", "en"} and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameter: str) -> float:
    if not parameter:
        return 1.0
    digits = parameter.removeprefix("q=")
    if digits == parameter or not digits.isascii() or not digits.replace(".", "", 1).isdigit():
        return 0.0
    return float(digits)
