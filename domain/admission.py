"""Admission: which sessions end for a newcomer under a device policy."""

from collections.abc import Callable, Collection, Iterable
from itertools import combinations
from typing import Any

from attrs import evolve

from .device_policy import DevicePolicy, Limit, Overflow
from .devices import EVERY_TYPE, DeviceType
from .errors import Refusal
from .sessions import Session, SessionFacts, SessionId, SessionOverview

MOST_SESSIONS = 100
"""How many sessions a user may have if the policy sets no total: nobody has more devices, and a list must end."""


class TooManyDevices(Refusal):
    """The device policy has no place for this login; *sessions* are those that are in."""

    reason = "too_many_devices"

    def __init__(self, sessions: list[SessionOverview]) -> None:
        super().__init__(f"{len(sessions)} sessions are in")
        self.sessions = sessions


def with_total(policy: DevicePolicy) -> DevicePolicy:
    """*policy*, with a limit of the total added if it has none."""
    if any(limit.types == EVERY_TYPE for limit in policy.limits):
        return policy
    return evolve(policy, limits=(*policy.limits, Limit(EVERY_TYPE, MOST_SESSIONS)))


def decide(
    policy: DevicePolicy, live: Collection[Session | SessionOverview], newcomer: Session | SessionOverview
) -> frozenset[SessionId]:
    """Admit *newcomer* and say which of the *live* sessions of its user end for it.

    A session on the newcomer's own device, known by its id, ends first. Without the others that end, every limit is
    met, and none of them could have stayed; the newcomer is never among them. Raises TooManyDevices, with the sessions
    that are in the way, if the policy rejects newcomers or allows none of this type.
    """
    ends = frozenset(session.id for session in live if _is_same_device(session, newcomer))
    others = [session for session in live if session.id not in ends and session.id != newcomer.id]
    full = [limit for limit in policy.limits if limit.counts(newcomer.device) and _count(limit, others) >= limit.most]
    if any(limit.most == 0 for limit in full) or (full and policy.overflow is Overflow.REJECT_NEW):
        in_the_way = [session for session in others if any(limit.counts(session.device) for limit in full)]
        raise TooManyDevices([each.overview if isinstance(each, Session) else each for each in in_the_way])
    return ends if policy.overflow is Overflow.REJECT_NEW else ends | _surplus(policy, [*others, newcomer], newcomer)


def surplus(policy: DevicePolicy, live: Collection[SessionFacts]) -> frozenset[SessionId]:
    """The *live* sessions that would have to end to meet every limit, for example after a policy became stricter."""
    return _surplus(policy, live, None)


def _surplus(policy: DevicePolicy, live: Collection[SessionFacts], stays: SessionFacts | None) -> frozenset[SessionId]:
    order = _ORDER[policy.overflow]
    left = sorted((session for session in live if session is not stays), key=order)
    over = {limit: _count(limit, live) - limit.most for limit in policy.limits}
    ended: list[SessionFacts] = []
    while exceeded := [limit for limit, excess in over.items() if excess > 0]:
        for session in _fewest(exceeded, left, order):
            _move(over, session, -1)
            left.remove(session)
            ended.append(session)
    # A session chosen early for one limit may turn out unnecessary once a later one is chosen for another.
    for session in reversed(ended.copy()):
        if all(excess < 0 for limit, excess in over.items() if limit.counts(session.device)):
            _move(over, session, +1)
            ended.remove(session)
    return frozenset(session.id for session in ended)


def _fewest(
    exceeded: list[Limit], left: list[SessionFacts], order: Callable[[SessionFacts], Any]
) -> tuple[SessionFacts, ...]:
    """The fewest sessions of *left*, which is in *order*, of which every limit counts one; the first of these to go."""
    first_of_type: dict[DeviceType, SessionFacts] = {}
    for session in left:
        first_of_type.setdefault(session.device.type, session)
    for size in range(1, len(first_of_type) + 1):
        fitting = [
            some
            for some in combinations(first_of_type.values(), size)
            if all(any(limit.counts(session.device) for session in some) for limit in exceeded)
        ]
        if fitting:
            return min(fitting, key=lambda some: [order(session) for session in some])
    raise AssertionError("a limit counts more sessions than there are")


def _move(over: dict[Limit, int], session: SessionFacts, by: int) -> None:
    for limit in over:
        if limit.counts(session.device):
            over[limit] += by


def _count(limit: Limit, sessions: Iterable[SessionFacts]) -> int:
    return sum(limit.counts(session.device) for session in sessions)


def _is_same_device(session: SessionFacts, newcomer: SessionFacts) -> bool:
    return session.id != newcomer.id and session.device.id is not None and session.device.id == newcomer.device.id


# The id breaks ties, so that the order in which a store lists sessions does not matter.
_ORDER: dict[Overflow, Callable[[SessionFacts], Any]] = {
    Overflow.EVICT_OLDEST: lambda session: (session.started_at, session.id),
    Overflow.EVICT_IDLE: lambda session: (session.last_seen_at, session.id),
    # Where newcomers are rejected, the newest sessions are the surplus.
    Overflow.REJECT_NEW: lambda session: (-session.started_at.timestamp(), session.id),
}
