"""No test reaches outside, and what CI runs could not."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TRIES = """
import errno, socket
with socket.create_server(("127.0.0.1", 0)) as listening:
    socket.create_connection(listening.getsockname(), timeout=5).close()
try:
    # Kept for documentation (RFC 5737): nobody is there.
    socket.create_connection(("192.0.2.1", 80), timeout=0.2)
except OSError as error:
    print(errno.errorcode.get(error.errno, "no answer"))
"""


def udp(address: tuple[str, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", address)


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.1),
        lambda: socket.create_connection(("2001:db8::1", 80), timeout=0.1),
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: udp(("192.0.2.1", 53)),
    ],
)
def test_a_test_that_reaches_outside_fails(reach: Callable[[], object]) -> None:
    with pytest.raises(pytest.fail.Exception, match="reaches outside"):
        reach()


def test_what_is_on_this_machine_is_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        socket.create_connection(("localhost", listening.getsockname()[1]), timeout=5).close()
    udp(("127.0.0.1", 9))


def test_what_ci_runs_has_loopback_alone() -> None:
    """Where a network can be taken away; elsewhere it is said that it was not."""
    done = subprocess.run(
        [ROOT / ".ci" / "offline", sys.executable, "-c", TRIES], capture_output=True, text=True, check=True
    )
    assert done.stdout == "ENETUNREACH\n" or "no network can be taken away here" in done.stderr, done


def test_ci_runs_the_tests_so() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == ".ci/offline make test"
