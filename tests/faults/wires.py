"""The connection between the service and its database server, which can be cut: then packets are silently lost."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Protocol

from attrs import define, field, frozen
from sqlalchemy import URL, make_url

from ..integration.databases import DatabaseServer
from .machine import Cable, cable
from .scenes import MARIADB, POSTGRESQL, database_server, execute


class Wire(Protocol):
    """A way to a database server."""

    @property
    def name(self) -> str: ...

    def server(self, store: str, folder: Path, settings: Sequence[str]) -> DatabaseServer:
        """A server that is reached only in this way."""
        ...

    def cut(self) -> None: ...

    def mend(self) -> None: ...


@contextmanager
def wire() -> Iterator[Wire]:
    """A cable to another network or, if the machine allows none, a relay; in CI this is a failure."""
    with ExitStack() as stack:
        try:
            made: Wire = _CableWire(stack.enter_context(cable()))
        except OSError as error:
            if os.environ.get("CI"):
                raise AssertionError(f"no network of its own can be made here: {error}") from error
            made = stack.enter_context(relay())
        yield made


@frozen
class _Reached:
    """A database server that is elsewhere, or seems to be."""

    inner: DatabaseServer
    start: Callable[[], None]
    new_database_there: Callable[[], str]
    seen_at: Callable[[URL], URL]

    @property
    def url(self) -> URL:
        return self.seen_at(self.inner.url)

    def new_database(self) -> str:
        return self.seen_at(make_url(self.new_database_there())).render_as_string(hide_password=False)

    def stop(self) -> None:
        self.inner.stop()

    def kill(self) -> None:
        self.inner.kill()

    def pause(self) -> None:
        self.inner.pause()

    def resume(self) -> None:
        self.inner.resume()


# Nobody else is on this cable.
_CLEAR = {POSTGRESQL: {"sslmode": "disable"}, MARIADB: {"ssl_disabled": "true"}}


@frozen
class _CableWire:
    """A server in a separate network, as on another machine."""

    cable: Cable
    name: str = "veth"

    def server(self, store: str, folder: Path, settings: Sequence[str]) -> DatabaseServer:
        listen = {
            POSTGRESQL: f"listen_addresses=127.0.0.1,{self.cable.far}",
            MARIADB: "--bind-address=0.0.0.0",
        }
        inner = database_server(store, folder, (*settings, listen[store]))

        def start() -> None:
            with self.cable.over_there():
                inner.start()
                self._let_us_in(store, folder, inner)

        def new_database() -> str:
            with self.cable.over_there():
                return inner.new_database()

        return _Reached(
            inner, start, new_database, lambda url: url.set(host=self.cable.far).update_query_dict(_CLEAR[store])
        )

    def _let_us_in(self, store: str, folder: Path, inner: DatabaseServer) -> None:
        if store == POSTGRESQL:
            with (folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write(f"host all all {self.cable.near}/32 trust\n")
            execute(inner.url, "SELECT pg_reload_conf()")
        else:
            # Our own user may not let others in; root comes by the socket.
            root = URL.create("mysql+pymysql", "root", query={"unix_socket": str(folder / "socket")})
            execute(root, f"GRANT ALL ON *.* TO menshen@'{self.cable.near}' IDENTIFIED BY 'menshen'")

    def cut(self) -> None:
        self.cable.pull()

    def mend(self) -> None:
        self.cable.plug()


@define(eq=False)
class Relay:
    """A listener that passes everything on, until it does not. New connections seem to be made even then."""

    name: str = "relay"
    target: int = 0
    _listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0), backlog=200), init=False)
    _passes: Event = field(factory=Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._passes.set()
        Thread(target=self._accept, daemon=True).start()

    def server(self, store: str, folder: Path, settings: Sequence[str]) -> DatabaseServer:
        inner = database_server(store, folder, settings)

        def start() -> None:
            inner.start()
            self.target = inner.url.port or 0

        port = self._listener.getsockname()[1]
        return _Reached(inner, start, inner.new_database, lambda url: url.set(port=port))

    def cut(self) -> None:
        self._passes.clear()

    def mend(self) -> None:
        self._passes.set()

    def close(self) -> None:
        self._passes.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                self._passes.wait()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                for source, sink in ((near, far), (far, near)):
                    Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passes.wait()
                sink.sendall(data)
        self._passes.wait()
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def relay() -> Iterator[Relay]:
    made = Relay()
    try:
        yield made
    finally:
        made.close()
