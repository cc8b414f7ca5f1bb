"""No test reaches outside: connections of the test process to other machines are refused.

Processes that it starts are not covered; for those, CI runs all tests with no network but loopback (.ci/offline).
"""

import socket
import sys
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import hypothesis
import pytest

# How long an example takes depends on the load of the machine.
hypothesis.settings.register_profile("menshen", deadline=None)
hypothesis.settings.load_profile("menshen")


class _PatientSys:
    """``sys`` as ``threading`` sees it. Where lines are counted, each new thread installs a trace function, and CPython 3.11
    refuses that to one of two that do so at the same moment: that thread would end before it began."""

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def settrace(self, function: Callable[..., Any] | None) -> None:
        for _ in range(10_000):
            try:
                sys.settrace(function)
            except RuntimeError:
                time.sleep(0.0001)
            else:
                return
        raise RuntimeError("no trace function could be installed")


if sys.version_info < (3, 12):
    vars(threading)["_sys"] = _PatientSys()

OUR_OWN = [
    ip_network("127.0.0.0/8"),
    ip_network("::1/128"),
    ip_network("198.18.0.0/15"),  # the cables of tests/faults/machine.py; never routed
]
_NAMES = {"localhost", ""}


def is_ours(host: object) -> bool:
    """Whether *host* is on this machine; a name that needs a look-up is not."""
    text = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return text in _NAMES
    return address.is_unspecified or any(address in network for network in OUR_OWN)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        one, address = arguments
        if isinstance(one, socket.socket) and one.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if not is_ours(host):
        pytest.fail(f"a test reaches outside: {event} {host!r}")


sys.addaudithook(_watch)
