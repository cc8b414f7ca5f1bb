"""However many ask whether the service is ready, the store is asked at most ten times a second."""

from attrs import define

from menshen.domain.errors import StoreUnavailable
from menshen.entrypoints.readiness import HOLDS_SECONDS, Readiness


@define
class Pinged:
    """A store that counts who asks, and the time."""

    times: int = 0
    is_gone: bool = False
    now: float = 100.0

    def ping(self) -> None:
        self.times += 1
        if self.is_gone:
            raise StoreUnavailable("gone", retry_after=7)


def test_any_answer_is_used_for_a_moment() -> None:
    store = Pinged()
    ready = Readiness(store.ping, lambda: store.now)
    for _ in range(3):
        assert ready() is None
    assert store.times == 1

    store.is_gone = True
    assert ready() is None
    store.now += 2 * HOLDS_SECONDS
    for _ in range(3):
        found = ready()
        assert isinstance(found, StoreUnavailable)
        assert found.retry_after == 7
    assert store.times == 2

    store.is_gone = False
    store.now += 2 * HOLDS_SECONDS
    assert ready() is None
    assert store.times == 3
