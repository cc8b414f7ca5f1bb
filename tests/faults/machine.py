"""What a fault needs from the machine: private mounts and networks, which end with the process."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from attrs import define

_libc = ctypes.CDLL(None, use_errno=True)

_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000
_PRIVATE = 0x4000 | 0x40000
"""Recursively: what is mounted here is seen nowhere else."""


def left_out(why: str) -> NoReturn:
    """Skip what the machine cannot do; in CI this is a failure."""
    if os.environ.get("CI"):
        raise AssertionError(f"{why}, and CI leaves nothing out")
    pytest.skip(why)


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[None]:
    """A disk of that size at *folder*, seen by this thread and by the processes that it starts."""
    with _disk(folder, f"size={mebibytes}m,mode=755"):
        yield


@contextmanager
def read_only_disk(folder: Path) -> Iterator[None]:
    """An empty disk at *folder* on which nothing can be written, seen as a small one is."""
    with _disk(folder, "ro"):
        yield


@contextmanager
def _disk(folder: Path, options: str) -> Iterator[None]:
    try:
        _call("unshare", _NEW_MOUNTS)
        _call("mount", None, b"/", None, _PRIVATE, None)
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    except OSError as error:
        left_out(f"no disk can be made here: {error}")
    try:
        yield
    finally:
        _run("umount", "-l", str(folder))


def fill(ballast: Path) -> None:
    """Use up the disk that *ballast* is on."""
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@define(eq=False)
class Cable:
    """A separate network at the other end of a cable that can be pulled: then packets are silently lost."""

    near: str
    """Our address."""
    far: str
    """The address over there."""
    _far_name: str
    _here: int
    _there: int

    @contextmanager
    def over_there(self) -> Iterator[None]:
        """This thread, and the processes that it starts, are in the network over there."""
        _call("setns", self._there, _NEW_NETWORK)
        try:
            yield
        finally:
            _call("setns", self._here, _NEW_NETWORK)

    def pull(self) -> None:
        with self.over_there():
            _run("ip", "link", "set", self._far_name, "down")

    def plug(self) -> None:
        with self.over_there():
            _run("ip", "link", "set", self._far_name, "up")


@contextmanager
def cable() -> Iterator[Cable]:
    """Raises OSError if the machine allows no network namespaces."""
    # RFC 2544 keeps these addresses for tests of equipment; four of them for each process.
    number = os.getpid() % 2**15 * 4
    prefix = f"198.{18 + number // 65536}.{number // 256 % 256}"
    near, far = f"{prefix}.{number % 256 + 1}", f"{prefix}.{number % 256 + 2}"
    near_name, far_name = f"near{os.getpid()}", f"far{os.getpid()}"
    far_hardware = "02:00:00:00:00:02"
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    _call("unshare", _NEW_NETWORK)
    there = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    _call("setns", here, _NEW_NETWORK)
    made = Cable(near, far, far_name, here, there)
    try:
        inside = ("peer", "name", far_name, "address", far_hardware, "netns", f"/proc/{os.getpid()}/fd/{there}")
        _run("ip", "link", "add", near_name, "type", "veth", *inside)
        _run("ip", "addr", "add", f"{near}/30", "dev", near_name)
        _run("ip", "link", "set", near_name, "up")
        # Permanent: else the kernel would find out that nobody is there, and report it.
        _run("ip", "neigh", "replace", far, "lladdr", far_hardware, "dev", near_name, "nud", "permanent")
        with made.over_there():
            _run("ip", "link", "set", "lo", "up")
            _run("ip", "addr", "add", f"{far}/30", "dev", far_name)
            _run("ip", "link", "set", far_name, "up")
        yield made
    finally:
        subprocess.run(["ip", "link", "delete", near_name], capture_output=True, check=False)
        os.close(there)
        os.close(here)


def _call(name: str, *arguments: object) -> None:
    """A call to the C library. Raises OSError."""
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _run(*command: str) -> None:
    """Raises OSError with what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
