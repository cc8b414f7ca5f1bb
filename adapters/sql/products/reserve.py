"""Disk space kept for what must work when the disk is full."""

import errno
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ....domain.errors import StoreUnavailable

_log = logging.getLogger("menshen.store")

RESERVE_BYTES = 8 * 2**20
"""Twice the size of SQLite's log before it is reused (1,000 pages), which is enough for thousands of acts."""

_MARGIN_BYTES = 2**20
"""How much more must be free before the reserve is made again, so that it takes no space from the last acts."""


class Reserve(Protocol):
    """Space that a store gives to vital transactions when there is no other."""

    def check(self) -> None:
        """Raises StoreUnavailable if all the space left is for vital transactions. Makes the reserve if it can."""
        ...

    def give(self) -> bool:
        """Release the reserve. Returns whether that has made space."""
        ...


@frozen
class NoReserve:
    """For a server, whose disk is not ours."""

    def check(self) -> None:
        pass

    def give(self) -> bool:
        return False


@frozen
class FileReserve:
    """A file that takes up space beside the database at *database*, and is emptied when the space is needed.

    Processes share nothing but the file: as long as it has its size, there is space for all. Once it is emptied, only
    vital transactions use the space; it is made again when that much and a margin are free.
    """

    database: str

    @property
    def path(self) -> Path:
        # Links are followed, as for SQLite's own files: the target's disk is the one that may be full.
        return Path(f"{os.path.realpath(self.database)}-reserve")

    def check(self) -> None:
        try:
            if os.stat(self.path).st_size >= RESERVE_BYTES:
                return
        except OSError:
            pass
        if not self._has_room(RESERVE_BYTES + _MARGIN_BYTES):
            raise self._full()
        self._make()

    def give(self) -> bool:
        try:
            if os.stat(self.path).st_size == 0:
                return False
            os.truncate(self.path, 0)
        except OSError:
            return False
        _log.error(
            "the disk of %s is full: until it has room again, only what takes rights away is done", self.database
        )
        return True

    def _has_room(self, wanted: int) -> bool:
        try:
            disk = os.statvfs(self.path.parent)
        except OSError:
            # Then the database itself will report an error.
            return True
        return disk.f_bavail * disk.f_frsize >= wanted

    def _make(self) -> None:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # In a folder without write access, the database itself fails; a database without such a folder needs no
            # reserve.
            return
        try:
            self._give_to_owner(descriptor)
            _fill(descriptor)
        except OSError:
            # A quota, which the free space of the disk does not show. What was allocated so far is released.
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            raise self._full() from None
        finally:
            os.close(descriptor)

    def _give_to_owner(self, descriptor: int) -> None:
        """Whoever may write the database must be able to empty it: root does as SQLite does for its files."""
        if os.geteuid() == 0:
            owner = os.stat(self.database)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _full(self) -> StoreUnavailable:
        _log.error("the disk of %s is full", self.database)
        return StoreUnavailable(f"the disk of {self.database} is full")


def _fill(descriptor: int) -> None:
    """Raises OSError if there is no space."""
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    except (AttributeError, OSError) as error:
        # Not every system or file system supports it.
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        for written in range(0, RESERVE_BYTES, _MARGIN_BYTES):
            os.pwrite(descriptor, bytes(_MARGIN_BYTES), written)
