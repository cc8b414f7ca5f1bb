"""Connections to a Redis, and what is said on them."""

from typing import Any

from attrs import field, frozen
from redis.connection import Connection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError

CHANNEL = "menshen:changes"
"""What is published there are the ids of users, or EVERYBODY."""

EVERYBODY = b"all"

STEP_SECONDS = 0.3
"""How long connecting may take, and each answer to whoever publishes."""


@frozen
class RedisServer:
    """One Redis, at *url*: no cluster and no replica, where what one publishes reaches another at some later time."""

    url: str = field(repr=False)

    def connected(self, answer_seconds: float) -> Any:
        """A new connection, with no retries. Raises RedisError, OSError."""
        parse: Any = parse_url  # it has no types
        options = parse(self.url)
        make = options.pop("connection_class", Connection)
        connection = make(
            **options,
            # In the older protocol a subscriber gets what it asked for and what was published alike: as answers, in order.
            protocol=2,
            socket_timeout=answer_seconds,
            socket_connect_timeout=STEP_SECONDS,
            driver_info=None,
        )
        try:
            connection.connect()
            check_is_the_one(connection)
        except BaseException:
            connection.disconnect()
            raise
        return connection


def check_is_the_one(connection: Any) -> None:
    """Raises RedisError unless everybody hears at once what is published here."""
    connection.send_command("HELLO")
    told = connection.read_response()
    found = dict(zip(told[::2], told[1::2], strict=True))
    if (found.get(b"mode"), found.get(b"role")) != (b"standalone", b"master"):
        raise RedisConnectionError("the Redis is part of a cluster, or a replica")
