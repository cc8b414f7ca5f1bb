"""What a journal promises about sessions: which are live, which have ended, and which refresh tokens are valid."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum, auto

from attrs import frozen

from menshen.entrypoints.settings import Settings

from .journal import Kind, Operation, Outcome

# The newest acknowledged refresh is repeated, since the token that it returned is unused.
_GRACE_SECONDS = Settings().refresh_retry.total_seconds()


class Standing(Enum):
    """What is known about a session."""

    LIVE = auto()
    ENDED = auto()
    UNDECIDED = auto()
    """It may or may not have ended."""


@frozen
class Chain:
    """The refresh tokens of a session that was refreshed, or may have been."""

    phone: str
    newest: str
    """The newest that was acknowledged."""
    asked: Sequence[Operation]
    """The requests with that token; the first of these may have been carried out, or not."""

    @property
    def may_be_over(self) -> bool:
        """Whether a repeat came so late that it may have ended the session, even if its answer was lost."""
        return any(_is_late(self.asked, each.end) for each in self.asked[1:])


@frozen
class Session:
    """A session that was opened."""

    phone: str
    token: str
    standing: Standing
    """As logouts and changes of the password have it."""
    chain: Chain | None
    """Only where it was to be refreshed."""

    @property
    def is_live(self) -> bool:
        return self.standing is Standing.LIVE and (self.chain is None or not self.chain.may_be_over)


def by_token(operations: Sequence[Operation], kind: Kind) -> Mapping[str, Sequence[Operation]]:
    """The operations of a kind, in order, by the tokens that they used."""
    found: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        if each.kind is kind and each.token is not None:
            found[each.token].append(each)
    return found


def may_be_reused(before: Sequence[Operation], reason: str | None, end: float) -> bool:
    """Whether a refresh token may be refused at *end*, because of a request *before* with an unknown outcome.

    It may have been carried out so long ago that a repeat counts as reuse.
    """
    return reason == "refresh_token_reused" and _is_late(before, end)


def _is_late(before: Sequence[Operation], end: float) -> bool:
    return bool(before) and end - before[0].begin >= _GRACE_SECONDS


def sessions(operations: Sequence[Operation]) -> Iterator[Session]:
    """All sessions that were opened."""
    logouts = by_token(operations, Kind.LOG_OUT)
    refreshes = by_token(operations, Kind.REFRESH)
    changes: dict[str, list[Operation]] = defaultdict(list)
    for each in operations:
        if each.kind is Kind.CHANGE_PASSWORD:
            changes[each.phone].append(each)
    for each in operations:
        if each.kind in {Kind.REGISTER, Kind.LOG_IN} and each.outcome is Outcome.OK and each.token is not None:
            standing = _standing(each, logouts.get(each.token, ()), changes.get(each.phone, ()))
            yield Session(each.phone, each.token, standing, _chain(each, refreshes))


def _standing(given: Operation, logouts: Sequence[Operation], changes: Sequence[Operation]) -> Standing:
    # A change ends the other sessions of the user, those that were there before it.
    ends = [*logouts, *(each for each in changes if each.token != given.token and _may_end(each, given))]
    if any(each.outcome is Outcome.OK and each.begin >= given.end for each in ends):
        return Standing.ENDED
    return Standing.UNDECIDED if ends else Standing.LIVE


def _may_end(change: Operation, given: Operation) -> bool:
    # A request with an unknown outcome may be carried out late.
    return change.outcome is Outcome.UNKNOWN or (change.outcome is Outcome.OK and change.end > given.begin)


def _chain(given: Operation, refreshes: Mapping[str, Sequence[Operation]]) -> Chain | None:
    newest = given.refresh_token
    # A service that keeps returning the same token must not cause an endless loop.
    for _ in range(len(refreshes) + 1):
        asked = refreshes.get(newest or "", ())
        successors = [each.refresh_token for each in asked if each.outcome is Outcome.OK]
        if not successors:
            break
        newest = successors[-1]
    if newest is None or (newest == given.refresh_token and not asked):
        return None
    return Chain(given.phone, newest, asked)
