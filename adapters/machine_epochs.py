"""Epochs that all processes of one machine share: a file that each of them maps."""

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from secrets import randbits, token_bytes
from typing import Any

from attrs import define, field

from ..domain.users import UserId

SLOTS = 1 << 16
_SIZE = SLOTS * 8


@define(eq=False)
class MachineEpochs:
    """Epochs in the file at *path*, which is made for its owner alone where it does not exist.

    To replace a value is to write eight random bytes. Nobody has to read and count first, so no lock and no atomic
    instruction is needed; two who write at once leave one of two new values, or a mixture, which is a new one as well.
    A forked process shares what is mapped with its parent, and needs nothing of its own. May raise OSError.
    """

    path: Path
    owner_of: Path | None = None
    """Whose owner is to have the file, if root makes it."""
    _file: "_Mapped | None" = field(default=None, init=False)

    def of(self, user_id: UserId) -> int:
        value: int = (self._file or self._found()).values[user_id % SLOTS]
        return value

    def change(self, users: Iterable[UserId]) -> None:
        values = self._found().values
        for user_id in users:
            values[user_id % SLOTS] = randbits(64)

    def change_all(self) -> None:
        self._found().whole[:] = token_bytes(_SIZE)

    def is_shared(self) -> bool:
        """Whether the file that this process has mapped is still the one that others find; else it maps that one from now on.

        Nobody may rely on what was remembered before, until all values of the new file have been changed.
        """
        mapped = self._found()
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            is_shared = False
        else:
            is_shared = (found.st_dev, found.st_ino, found.st_size) == (mapped.device, mapped.inode, _SIZE)
        if not is_shared:
            # One that cannot be had leaves us the one we have.
            self._file = _mapped(self.path, self.owner_of)
        return is_shared

    def _found(self) -> "_Mapped":
        if self._file is None:
            self._file = _mapped(self.path, self.owner_of)
        return self._file


@define(eq=False)
class _Mapped:
    device: int
    inode: int
    whole: Any
    values: Any


def _mapped(path: Path, owner_of: Path | None) -> _Mapped:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        found = os.fstat(descriptor)
        owner = None if owner_of is None else os.stat(owner_of)
        if found.st_uid not in {os.geteuid(), None if owner is None else owner.st_uid}:
            # Whoever can write to it could bring back what stood there before.
            raise PermissionError(f"{path} belongs to somebody else")
        if found.st_size != _SIZE:
            # Of several who make it at once, each gives it the same size. Zeros are values like any others.
            os.ftruncate(descriptor, _SIZE)
            if owner is not None and os.geteuid() == 0:
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        _fill(descriptor)
        whole = mmap.mmap(descriptor, _SIZE)
    finally:
        os.close(descriptor)
    return _Mapped(found.st_dev, found.st_ino, memoryview(whole), memoryview(whole).cast("Q"))


def _fill(descriptor: int) -> None:
    """Take the space now: a disk that is full would end the process at a write into the map. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, _SIZE)
