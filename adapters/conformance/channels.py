"""The contract of Channel: what one node writes the other hears of, or does not rely on what it remembers."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ...domain.users import UserId
from ..boot_clock import seconds
from ..word_of_changes import Channel, Epochs

BOUND_SECONDS = 1.0
"""Within which word comes, and trust ends without it."""

START_SECONDS = 20.0
ROUNDS = 20


class Node(Protocol):
    """One of two that remember what is in one store."""

    @property
    def epochs(self) -> Epochs: ...

    @property
    def channel(self) -> Channel: ...

    def write(self, user_id: UserId) -> None:
        """Change the user. Returns when that is acknowledged."""
        ...


class Medium(Protocol):
    """What carries word from the one to the other."""

    def pause(self) -> None:
        """From now on it answers nobody, though it seems to be there."""
        ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...

    def start(self) -> None:
        """Begin again after ``stop``, at the same place and with the same data."""
        ...


class ChannelContract:
    """Subclasses give the fixtures ``nodes``, two that have not been asked for anything, and ``user_ids``, three users of
    theirs that exist."""

    def test_what_one_writes_the_other_hears_of_in_time(
        self, nodes: Sequence[Node], user_ids: Sequence[UserId]
    ) -> None:
        for number in range(ROUNDS):
            writer, hearer = nodes[number % 2], nodes[1 - number % 2]
            trusted(hearer)
            has_heard = _anew(hearer, user_ids[:1])
            writer.write(user_ids[0])
            heard_in_time(hearer, has_heard)

    def test_many_that_are_written_at_once_are_all_heard_of(
        self, nodes: Sequence[Node], user_ids: Sequence[UserId]
    ) -> None:
        trusted(nodes[1])
        for _ in range(ROUNDS):
            have_heard = _anew(nodes[1], user_ids)
            for user_id in user_ids:
                nodes[0].write(user_id)
            heard_in_time(nodes[1], have_heard)

    def test_the_trust_is_renewed(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            trusted(node)
        later = seconds() + BOUND_SECONDS
        for node in nodes:
            _until(partial(_is_trusted_until, node, later), START_SECONDS)
            trusted(node)

    def test_it_can_be_closed_unasked_and_twice(self, nodes: Sequence[Node]) -> None:
        for _ in range(2):
            for node in nodes:
                node.channel.close()


class ListeningChannelContract(ChannelContract):
    """The contract of a Channel that has to listen to something. Subclasses give the fixtures ``nodes`` and ``user_ids``,
    and ``medium``, which carries word between these nodes alone."""

    def test_nothing_is_relied_on_before_it_listens(self, nodes: Sequence[Node]) -> None:
        assert nodes[0].channel.trusted_until <= seconds()

    def test_all_is_read_anew_when_it_begins_to_listen(self, nodes: Sequence[Node], user_ids: Sequence[UserId]) -> None:
        is_anew = _anew(nodes[0], user_ids)
        trusted(nodes[0])
        assert is_anew()

    def test_while_the_medium_is_silent_nobody_is_trusted(
        self, nodes: Sequence[Node], user_ids: Sequence[UserId], medium: Medium
    ) -> None:
        self._cut(nodes, user_ids, medium.pause, medium.resume)

    def test_while_the_medium_is_away_nobody_is_trusted(
        self, nodes: Sequence[Node], user_ids: Sequence[UserId], medium: Medium
    ) -> None:
        self._cut(nodes, user_ids, medium.stop, medium.start)

    def test_after_a_restart_they_hear_of_each_other_again(
        self, nodes: Sequence[Node], user_ids: Sequence[UserId], medium: Medium
    ) -> None:
        for node in nodes:
            trusted(node)
        medium.stop()
        medium.start()
        for node in nodes:
            trusted(node)
        has_heard = _anew(nodes[1], user_ids[:1])
        nodes[0].write(user_ids[0])
        heard_in_time(nodes[1], has_heard)

    def test_one_that_is_closed_is_not_trusted_and_the_other_is(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            trusted(node)
        nodes[0].channel.close()
        in_time(lambda: not nodes[0].channel.is_trusted())
        assert nodes[0].channel.trusted_until <= seconds()
        assert nodes[1].channel.is_trusted()

    def _cut(
        self, nodes: Sequence[Node], user_ids: Sequence[UserId], cut: Callable[[], None], mend: Callable[[], None]
    ) -> None:
        for node in nodes:
            trusted(node)
        try:
            cut()
            since = seconds()
            in_time(lambda: not any(node.channel.is_trusted() for node in nodes))
            assert all(node.channel.trusted_until <= seconds() for node in nodes)
            # By then whatever was asked before is too old to be relied on, even if the answer comes.
            _until(lambda: seconds() >= since + BOUND_SECONDS, START_SECONDS)
            are_anew = [_anew(node, user_ids) for node in nodes]
        finally:
            mend()
        for node, is_anew in zip(nodes, are_anew, strict=True):
            trusted(node)
            # Whatever was written meanwhile, nothing from before is served.
            assert is_anew()


def trusted(node: Node) -> None:
    """Wait until it is."""
    _until(node.channel.is_trusted, START_SECONDS)


def heard_in_time(node: Node, has_heard: Callable[[], bool]) -> None:
    """Wait until the node has heard; in time it has, or does not rely on anything."""
    in_time(lambda: has_heard() or not node.channel.is_trusted())
    _until(has_heard, START_SECONDS)


def in_time(is_so: Callable[[], bool]) -> None:
    """Wait for it, and not for too long."""
    _until(is_so, BOUND_SECONDS)


def _until(is_so: Callable[[], bool], most_seconds: float) -> None:
    begin = time.monotonic()
    while True:
        # Looked at before, so that it is no fault if the machine has no time for us in between.
        took = time.monotonic() - begin
        if is_so():
            return
        assert took < most_seconds, f"it did not come about within {most_seconds} s"
        time.sleep(0.001)


def _is_trusted_until(node: Node, moment: float) -> bool:
    return node.channel.trusted_until > moment


def _anew(node: Node, user_ids: Sequence[UserId]) -> Callable[[], bool]:
    """Tells whether all of these users have other values than now."""
    before = [(user_id, node.epochs.of(user_id)) for user_id in user_ids]
    return lambda: all(node.epochs.of(user_id) != old for user_id, old in before)
