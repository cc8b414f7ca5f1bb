"""Real database servers for tests: each in its own folder and process group, on a free loopback port."""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Protocol

import pytest
from attrs import define, field
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from .servers import free_port

START_SECONDS = 60.0
STOP_SECONDS = 60.0

_numbers = count(1)


class DatabaseServer(Protocol):
    """A server that can be stopped, killed, paused and started again; its data stay."""

    @property
    def url(self) -> URL:
        """Its first database, which is there from the beginning."""
        ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def new_database(self) -> str:
        """The URL of a fresh, empty database, without tables."""
        ...


@define(eq=False)
class ServerProcess:
    """One server process in a process group of its own."""

    command: Sequence[str]
    log: Path
    _process: "subprocess.Popen[bytes] | None" = field(init=False, default=None)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def signal_all(self, number: int) -> list[int]:
        """Send a signal to it and to all that it forked; PostgreSQL gives each of these its own process group.

        Returns the processes that it forked.
        """
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for each in [*children, pid]:
            with suppress(ProcessLookupError):
                os.kill(each, number)
        if number not in {signal.SIGSTOP, signal.SIGKILL}:
            os.kill(pid, signal.SIGCONT)
        return children

    def end(self, number: int) -> None:
        """Send a signal that ends it, and wait for its end."""
        if not self.is_running:
            return
        assert self._process is not None
        children: list[int] = []
        if number == signal.SIGKILL:
            children = self.signal_all(number)
        else:
            os.kill(self._process.pid, number)
            # Paused processes receive no other signal before this.
            self.signal_all(signal.SIGCONT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            children = self.signal_all(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
        # A process in the middle of a sync dies only after it, and keeps the shared memory until then.
        end = time.monotonic() + STOP_SECONDS
        while any(_is_alive(each) for each in children):
            assert time.monotonic() < end, "a process of the server outlives it"
            time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def as_owner(name: str) -> list[str]:
    """The command prefix to run a program as *name* if this is root: some servers refuse to run as root."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", "--"] if os.geteuid() == 0 else []


class PortTakenError(Exception):
    """Somebody else has taken the port since it was found free."""


def on_a_free_port(start: Callable[[int], None]) -> int:
    """The port on which *start* succeeded."""
    for _ in range(5):
        port = free_port()
        with suppress(PortTakenError):
            start(port)
            return port
    raise AssertionError("each port is taken before it is used")


def _until_it_answers(engine: Engine, where_its_data_are: str, data: Path, process: ServerProcess) -> None:
    """Ask until the server with this data answers, and not another one on its port."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            with engine.connect() as connection:
                if not data.samefile(connection.execute(text(where_its_data_are)).scalar_one()):
                    process.end(signal.SIGKILL)
                    raise PortTakenError
            return
        except OperationalError:
            if not process.is_running or time.monotonic() > end:
                said = process.log.read_text()[-4000:]
                if "Address already in use" in said:
                    raise PortTakenError from None
                raise AssertionError(f"the database server does not answer:\n{said}") from None
            time.sleep(0.05)


@define(eq=False)
class _Server(ABC):
    """What the two have in common."""

    folder: Path
    settings: Sequence[str] = ()
    port: int = field(init=False, default=0)
    """From its first start on."""
    _process: ServerProcess = field(init=False, default=ServerProcess([], Path()))

    @property
    def url(self) -> URL:
        return self._url_at(self.port)

    @abstractmethod
    def _url_at(self, port: int) -> URL: ...

    def start(self) -> None:
        if self.port:
            self._start(self.port)
        else:
            self._make()
            self.port = on_a_free_port(self._start)

    @abstractmethod
    def _make(self) -> None: ...

    @abstractmethod
    def _start(self, port: int) -> None: ...

    def pause(self) -> None:
        self._process.signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.signal_all(signal.SIGCONT)


@define(eq=False)
class PostgresServer(_Server):
    """PostgreSQL, with the *settings* of postgresql.conf beside those that every test needs."""

    def _url_at(self, port: int) -> URL:
        return URL.create("postgresql+psycopg", "menshen", host="127.0.0.1", port=port, database="postgres")

    def _start(self, port: int) -> None:
        data = self.folder / "data"
        command = [*as_owner("postgres"), str(_postgres_program("postgres")), "-D", str(data)]
        for each in (f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *self.settings):
            command += ["-c", each]
        self._process = ServerProcess(command, self.folder / "log")
        self._process.start()
        engine = create_engine(self._url_at(port), connect_args={"connect_timeout": 5})
        _until_it_answers(engine, "SHOW data_directory", data, self._process)
        engine.dispose()

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        initdb = _postgres_program("initdb")
        options = ("-U", "menshen", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync")
        data = self.folder / "data"
        _make_data(data, [*as_owner("postgres"), str(initdb), *options, "-D", str(data)], version_of=initdb)

    def stop(self) -> None:
        # Fast: connections are closed, not waited for.
        self._process.end(signal.SIGINT)

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)
        # The backends of the killed server are gone, which the next one could not know.
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def new_database(self) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        _execute(self.url, f"CREATE DATABASE {name}")
        return self.url.set(database=name).render_as_string(hide_password=False)


@define(eq=False)
class MariaDbServer(_Server):
    """MariaDB, with *settings* for its command line beside those that every test needs."""

    def _url_at(self, port: int) -> URL:
        return URL.create("mysql+pymysql", "menshen", "menshen", host="127.0.0.1", port=port, database="test")

    @property
    def _temporary(self) -> Path:
        # Of its own: whichever MariaDB starts removes the temporary tables that it finds, another's too.
        return self.folder / "temporary"

    def _start(self, port: int) -> None:
        data = self.folder / "data"
        self._process = ServerProcess(
            [
                str(program_of("mariadbd")),
                *("--no-defaults", f"--datadir={data}", f"--port={port}"),
                *("--bind-address=127.0.0.1", f"--socket={self.folder / 'socket'}", f"--user={_me()}"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--max-connections=300"),
                f"--tmpdir={self._temporary}",
                *(f"--init-file={self.folder / 'init.sql'}", "--skip-name-resolve"),
                *self.settings,
            ],
            self.folder / "log",
        )
        self._process.start()
        engine = create_engine(self._url_at(port), connect_args={"connect_timeout": 5, "read_timeout": 5})
        _until_it_answers(engine, "SELECT @@datadir", data, self._process)
        engine.dispose()

    def _make(self) -> None:
        self._temporary.mkdir(parents=True)
        (self.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4;\n"
            "CREATE USER IF NOT EXISTS menshen@'127.0.0.1' IDENTIFIED BY 'menshen';\n"
            "GRANT ALL ON *.* TO menshen@'127.0.0.1';\n"
        )
        data = self.folder / "data"
        _make_data(
            data,
            [
                str(program_of("mariadb-install-db")),
                *("--no-defaults", f"--datadir={data}", f"--user={_me()}", f"--tmpdir={self._temporary}"),
                *("--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=32M"),
            ],
            version_of=program_of("mariadbd"),
        )

    def stop(self) -> None:
        self._process.end(signal.SIGTERM)

    def kill(self) -> None:
        self._process.end(signal.SIGKILL)

    def new_database(self) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        _execute(self.url, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url.set(database=name).render_as_string(hide_password=False)


def _make_data(data: Path, command: Sequence[str], version_of: Path) -> None:
    """Put at *data* what *command* makes.

    It makes the same each time, and waits long for the disk. So it is run once for each version of the server, and the
    result is kept with the environment, and copied.
    """
    program = version_of.stat()
    key = repr((*command, os.geteuid(), program.st_size, program.st_mtime_ns)).replace(str(data.parent), "")
    kept = Path(sys.prefix, "databases", hashlib.sha256(key.encode()).hexdigest()[:16])
    if kept.exists():
        _copy(kept, data)
        return
    _run(command, data.parent)
    # Others may be making the same: the first one is kept. If nothing can be kept, it is made each time.
    with suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=kept.parent) as folder:
            _copy(data, Path(folder, "data"))
            Path(folder, "data").rename(kept)


def _copy(source: Path, target: Path) -> None:
    # With all modes and owners, which the servers check.
    _run(["cp", "-a", str(source), str(target)], target.parent)


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def _execute(url: URL, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _postgres_program(name: str) -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return found[-1] if found else _on_path(name)


def program_of(name: str) -> Path:
    """A program that Debian keeps where a user's path does not go."""
    there = Path("/usr/sbin", name)
    return there if there.exists() else _on_path(name)


def _on_path(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed; `.ci/system-packages` installs it"
        if os.environ.get("CI"):
            raise AssertionError(missing)
        pytest.skip(missing)
    return Path(found)


@contextmanager
def running(server: DatabaseServer) -> Iterator[DatabaseServer]:
    """*server*, started, and stopped in the end."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that the user of a database server can enter, unlike pytest's own; gone afterwards."""
    folder = Path(mkdtemp(prefix="menshen-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


QUICK_POSTGRES = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300")
QUICK_MARIADB = ("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--skip-log-bin")
"""For tests without crashes: durability is tested elsewhere."""


def is_sqlite(url: str) -> bool:
    return make_url(url).get_backend_name() == "sqlite"
