"""Room on the disk that is kept for what must work when the disk is full."""

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
"""Twice what SQLite's log grows to before it begins anew (1,000 pages), so that acts go on for thousands."""

_MARGIN_BYTES = 2**20
"""What must be free beyond that before the reserve is made anew: it takes no room of the last acts."""


class Reserve(Protocol):
    """Room that a store gives to vital transactions when there is no other."""

    def check(self) -> None:
        """Raises StoreUnavailable where all that is left is for vital transactions. Makes the reserve where it can."""
        ...

    def give(self) -> bool:
        """Set the reserve free. Returns whether that has made room."""
        ...


@frozen
class NoReserve:
    """Of a server, whose disk is not ours."""

    def check(self) -> None:
        pass

    def give(self) -> bool:
        return False


@frozen
class FileReserve:
    """A file that takes up room beside the database at *database*, and is emptied when that room is needed.

    The file is all that its processes know of it: as long as it has its size, there is room for everybody. Once it was
    given, only vital transactions use what it held; it is made anew when as much is free again and some more.
    """

    database: str

    @property
    def path(self) -> Path:
        # Where a link leads, as SQLite's own files are: that is the disk which may be full.
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
            # Then the database itself will have something to say.
            return True
        return disk.f_bavail * disk.f_frsize >= wanted

    def _make(self) -> None:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            # A folder in which nothing can be made says so for the database; a database alone needs no reserve.
            return
        try:
            self._give_to_owner(descriptor)
            _fill(descriptor)
        except OSError:
            # A quota, which the disk does not tell of. What was got until then is not kept from others.
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
            raise self._full() from None
        finally:
            os.close(descriptor)

    def _give_to_owner(self, descriptor: int) -> None:
        """Who may write the database is to give it: root does as SQLite does for files that it makes."""
        if os.geteuid() == 0:
            owner = os.stat(self.database)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _full(self) -> StoreUnavailable:
        _log.error("the disk of %s is full", self.database)
        return StoreUnavailable(f"the disk of {self.database} is full")


def _fill(descriptor: int) -> None:
    """Raises OSError where there is no room."""
    try:
        os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
    except (AttributeError, OSError) as error:
        # Not every system has it, nor every file system.
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise
        for written in range(0, RESERVE_BYTES, _MARGIN_BYTES):
            os.pwrite(descriptor, bytes(_MARGIN_BYTES), written)
