"""Fake database servers: they ask for what a real one would not, and record everything they receive."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from attrs import define

SECONDS = 10.0

SSL_REQUEST = struct.pack(">II", 8, 80877103)
"""How libpq asks for TLS (https://www.postgresql.org/docs/current/protocol-message-formats.html)."""


@define
class Fake:
    """One that is called, on a port of the loopback or at a path."""

    listener: socket.socket
    heard: bytes = b""
    """Everything that callers have sent; complete when serving has ended."""

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self, talk: Callable[["Caller"], None]) -> None:
        """Talk to one caller after the other, until the listener is closed."""
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            connection.settimeout(SECONDS)
            with connection, suppress(OSError):
                caller = Caller(self, connection)
                talk(caller)
                while caller.hear():
                    pass


@define
class Caller:
    """A client of the fake server."""

    server: Fake
    connection: socket.socket

    def say(self, words: bytes) -> None:
        self.connection.sendall(words)

    def hear(self) -> bytes:
        found = self.connection.recv(65536)
        self.server.heard += found
        return found


@contextmanager
def serving_nobody(talk: Callable[[Caller], None], path: Path | None = None) -> Iterator[Fake]:
    """A server that talks like that. What was *heard* is to be looked at afterwards."""
    if path is None:
        listener = socket.create_server(("127.0.0.1", 0))
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
    found = Fake(listener)
    thread = Thread(target=found.serve, args=(talk,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(SECONDS)
        assert not thread.is_alive()


def mariadb_without_tls(plugin: str) -> Callable[[Caller], None]:
    """A MariaDB that has no TLS, and wants the password by *plugin*, however it was given before."""
    # Protocol 10, with all that a server can but TLS (0x0800).
    greeting = b"\x0a5.5.5-10.11.0-MariaDB\x00" + bytes(4) + b"saltsalt\x00\xff\xf7\x2d\x02\x00\xff\x81\x15" + bytes(10)
    greeting += b"saltsaltsalt\x00mysql_native_password\x00"
    # PAM's begins with its first question, which is the last, too.
    switch = b"\xfe" + plugin.encode() + b"\x00" + (b"\x05Password: " if plugin == "dialog" else b"")

    def talk(caller: Caller) -> None:
        caller.say(_packet(0, greeting))
        caller.hear()
        caller.say(_packet(2, switch))
        caller.hear()
        # Whatever it is, it is wrong.
        caller.say(_packet(4, b"\xff\x15\x04#28000Access denied"))

    return talk


def postgresql_without_tls(caller: Caller) -> None:
    """A PostgreSQL that has no TLS, and asks for the password in clear text."""
    if caller.hear() == SSL_REQUEST:
        caller.say(b"N")
        caller.hear()
    caller.say(b"R" + struct.pack(">II", 8, 3))


def _packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content
