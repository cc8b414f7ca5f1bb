"""What other nodes publish, heard within a second, or nothing that is remembered is relied on."""

import logging
from collections.abc import Callable
from itertools import count
from threading import Event, Thread
from typing import Any

from attrs import define, field
from redis.exceptions import ConnectionError as RedisConnectionError

from ...domain.users import UserId
from ..boot_clock import seconds
from ..own_process import PerProcess
from ..word_of_changes import Told
from .server import CHANNEL, RedisServer

_log = logging.getLogger("menshen.store")

BEAT_SECONDS = 0.2
TRUST_SECONDS = 0.9
"""For how long an answer is relied on, from when it was asked for."""

ANSWER_SECONDS = 0.6
"""How long it waits for an answer: less than it is trusted, so that a trust that has run out means a new start."""

RETRY_SECONDS = 0.2
CLOSE_SECONDS = 2.0


@define(eq=False)
class RedisChannel:
    """Channel that subscribes to what the others publish, in a thread that starts with the first question.

    On that very connection it asks for an answer each 0.2 s. Redis answers in order: once an answer is there, so is all
    that was published before it was asked for.
    """

    redis: RedisServer
    told: Told
    is_shared: Callable[[], bool] = lambda: True
    trusted_until: float = field(default=0.0, init=False)
    """A process inherits it from the one that forked it, like what is remembered; both are soon out of date."""
    _listener: "PerProcess[_Listener]" = field(init=False)
    """A thread is not forked with its process."""

    def __attrs_post_init__(self) -> None:
        self._listener = PerProcess(lambda: _started(_Listener(self)))

    def is_trusted(self) -> bool:
        self._listener()
        return seconds() < self.trusted_until

    def close(self) -> None:
        listener = self._listener.made
        if listener is not None:
            listener.close()


@define(eq=False)
class _Listener:
    """The thread of one process."""

    channel: RedisChannel
    _numbers: "count[int]" = field(factory=count)
    _is_heard: bool = False
    _closing: Event = field(factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        thread = Thread(target=self._run, name="menshen-redis", daemon=True)
        thread.start()
        self._thread = thread

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            # A name server may keep it for longer; then it ends later, and trusts nothing.
            self._thread.join(CLOSE_SECONDS)
        self.channel.trusted_until = 0.0

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing is relied on until it is over
                if self._is_heard:
                    _log.error("what others write is not heard of for now, so each request reads: %s", error)
                self._is_heard = False
            self.channel.trusted_until = 0.0
            self._closing.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        """Hear what comes on a new connection, for as long as it answers."""
        connection = self.channel.redis.connected(ANSWER_SECONDS)
        try:
            connection.send_command("SUBSCRIBE", CHANNEL)
            connection.read_response()
            # What was published before now nobody keeps for us.
            self.channel.told.change_all()
            while not self._closing.is_set():
                self._beat(connection)
        finally:
            connection.disconnect()

    def _beat(self, connection: Any) -> None:
        """Ask, and work off what comes until it is time to ask again."""
        asked = seconds()
        if not self.channel.is_shared():
            raise RuntimeError("the file of the epochs is another one")
        beat = str(next(self._numbers)).encode()
        connection.send_command("PING", beat)
        is_answered = False
        while True:
            left = asked + (BEAT_SECONDS if is_answered else ANSWER_SECONDS) - seconds()
            if left <= 0 or not connection.can_read(timeout=left):
                if is_answered:
                    return
                raise RedisConnectionError("the Redis does not answer")
            kind, *said = connection.read_response()
            if kind == b"message":
                self._tell(said[-1])
            elif kind == b"pong" and said == [beat]:
                # What was published before it asked is worked off; anything later is younger than this.
                self.channel.trusted_until = asked + TRUST_SECONDS
                is_answered = self._is_heard = True

    def _tell(self, said: bytes) -> None:
        try:
            users = [UserId(int(each)) for each in said.split()]
        except ValueError:
            # Everybody, or something that a later version says.
            self.channel.told.change_all()
        else:
            self.channel.told.change(users)


def _started(listener: _Listener) -> _Listener:
    try:
        listener.start()
    except RuntimeError as error:
        # No more threads: nothing is heard, so nothing is relied on.
        _log.error("what others write is not heard of, so each request reads: %s", error)
    return listener
