"""What the states of a tutorial's users mean: the known ones, with any blanks around them, and those decided on."""

import unicodedata
from collections.abc import Mapping

from attrs import field, frozen

from ....domain.texts import is_plain
from ....domain.users import MAX_FREEZE_REASON_LENGTH, Standing, UserState

_KNOWN = frozenset(UserState.text_of(each) for each in (Standing.ACTIVE, Standing.FROZEN, Standing.CLOSED))
_FROZEN = UserState.text_of(Standing.FROZEN)


@frozen
class Meant:
    """What to write for a state; None for what stays as it is."""

    text: str | None = None
    reason: str | None = None
    """The old text, if it becomes a freeze: it is recorded nowhere else."""


AS_IT_IS = Meant()


@frozen
class StateDecisions:
    """An operator's decisions about states, by text without surrounding blanks; None is for NULL."""

    standings: Mapping[str | None, Standing] = field(factory=dict)

    def meant(self, state: object) -> Meant:
        """What *state*, as it is in the column, becomes."""
        if state is not None and not isinstance(state, str):
            return AS_IT_IS
        text = None if state is None else without_blanks(state)
        if text in self.standings:
            decided = UserState.text_of(self.standings[text])
            is_told = decided == _FROZEN and text and text != decided and is_plain(text, MAX_FREEZE_REASON_LENGTH)
            return Meant(None if decided == state else decided, text if is_told else None)
        return Meant(text) if text in _KNOWN and text != state else AS_IT_IS


def decided(standings: Mapping[str | None, Standing]) -> StateDecisions:
    """These decisions, for texts with any blanks around them."""
    return StateDecisions(
        {None if text is None else without_blanks(text): standing for text, standing in standings.items()}
    )


def without_blanks(text: str) -> str:
    """*text* without invisible characters at its ends: blanks of every width, line feeds, and zero-width marks."""
    # The case of nearly every text.
    if text.isprintable() and text == text.strip():
        return text
    begin, end = 0, len(text)
    while begin < end and _is_blank(text[begin]):
        begin += 1
    while begin < end and _is_blank(text[end - 1]):
        end -= 1
    return text[begin:end]


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in {"Cf", "Cc"}
