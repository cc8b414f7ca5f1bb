"""A real Redis for tests, on a free loopback port, that can be paused, stopped and started again."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field
from redis import Redis
from redis.exceptions import RedisError

from .databases import START_SECONDS, PortTakenError, ServerProcess, on_a_free_port, program_of


@define(eq=False)
class RedisProcess:
    """``redis-server`` that keeps nothing."""

    folder: Path
    settings: Sequence[str] = ()
    port: int = field(init=False, default=0)
    """From its first start on."""
    _process: ServerProcess = field(init=False, default=ServerProcess([], Path()))

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if self.port:
            self._start(self.port)
        else:
            self.port = on_a_free_port(self._start)

    def stop(self) -> None:
        self._process.end(signal.SIGTERM)

    def pause(self) -> None:
        self._process.signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.signal_all(signal.SIGCONT)

    def asked(self, *command: str) -> Any:
        """What it answers an administrator."""
        with closing(Redis.from_url(self.url, decode_responses=True)) as client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]

    def _start(self, port: int) -> None:
        options = (f"--port {port} --bind 127.0.0.1 --appendonly no --dir {self.folder}").split()
        command = [str(program_of("redis-server")), *options, "--save", "", *self.settings]
        self._process = ServerProcess(command, self.folder / "log")
        self._process.start()
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with closing(Redis(port=port)) as client:
                    if Path(str(client.config_get("dir")["dir"])).samefile(self.folder):
                        return
                self._process.end(signal.SIGKILL)
                raise PortTakenError
            except RedisError:
                said = self._process.log.read_text()[-4000:]
                if not self._process.is_running and "Address already in use" in said:
                    raise PortTakenError from None
                assert self._process.is_running, f"the Redis ended:\n{said}"
                assert time.monotonic() < end, f"the Redis does not answer:\n{said}"
                time.sleep(0.01)


@contextmanager
def redis_running(server: RedisProcess) -> Iterator[RedisProcess]:
    """*server*, started, and stopped in the end."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
