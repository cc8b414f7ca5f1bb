"""Changes that are published before they are acknowledged."""

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import define, field
from redis.exceptions import RedisError

from ...domain.errors import StoreUnavailable
from ...domain.users import UserId
from ..own_process import PerProcess
from ..word_of_changes import Epochs
from .owed import Owed
from .server import CHANNEL, EVERYBODY, STEP_SECONDS, RedisServer, check_is_the_one

PATIENCE_SECONDS = 0.7
"""How long a change waits until it has been published, whatever the network does."""

RETRY_SECONDS = 0.2
_MANY = 1000
"""Of so many users, everybody is read anew."""


@define(eq=False)
class PublishedEpochs:
    """Epochs of a machine whose changes are published before ``change`` returns.

    If that fails, the nodes that still hear each other rely on what they remember, and no waiting here would end it. So
    StoreUnavailable is raised: what was to be announced is done, but not acknowledged, and is published as soon as
    possible. The time for that is bounded (``PATIENCE_SECONDS``).
    """

    inner: Epochs
    redis: RedisServer
    _publisher: "PerProcess[Owed]" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._publisher = PerProcess(lambda: Owed(_Speaker(self.redis), RETRY_SECONDS))

    @property
    def values(self) -> Sequence[int]:
        return self.inner.values

    def of(self, user_id: UserId) -> int:
        return self.inner.of(user_id)

    def change(self, users: Iterable[UserId]) -> None:
        told = set(users)
        if not told:
            return
        try:
            self.inner.change(told)
        finally:
            self._publish(told)

    def change_all(self) -> None:
        try:
            self.inner.change_all()
        finally:
            self._publish(None)

    def close(self) -> None:
        publisher = self._publisher.made
        if publisher is not None:
            publisher.close(PATIENCE_SECONDS)

    def _publish(self, users: set[UserId] | None) -> None:
        if not self._publisher().pay(users, PATIENCE_SECONDS):
            raise StoreUnavailable("the change is not announced: the Redis does not answer")


@define(eq=False)
class _Speaker:
    """A connection for publishing, used by one thread."""

    redis: RedisServer
    _connection: Any = None

    def __call__(self, users: set[UserId] | None) -> None:
        """Publish; None is everybody. Raises RedisError, OSError."""
        was_idle = self._connection is not None
        said = EVERYBODY if users is None or len(users) > _MANY else b" ".join(b"%d" % each for each in users)
        try:
            self._publish(said)
        except (RedisError, OSError):
            # One that was idle may have ended long ago.
            if not was_idle:
                raise
            self._publish(said)

    def _publish(self, said: bytes) -> None:
        try:
            if self._connection is None:
                self._connection = self.redis.connected(STEP_SECONDS)
            self._connection.send_command("PUBLISH", CHANNEL, said)
            self._connection.read_response()
            # It may have become a replica, to which nobody else listens.
            check_is_the_one(self._connection)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
