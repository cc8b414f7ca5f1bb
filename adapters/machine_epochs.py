"""Epochs that all processes of one machine share: a file that each of them maps."""

import mmap
import os
from array import array
from collections.abc import Iterable
from pathlib import Path
from secrets import randbits, token_bytes

from attrs import define, field

from ..domain.users import UserId
from .word_of_changes import SLOTS

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
    values: "memoryview[int]" = field(factory=lambda: memoryview(array("Q")), init=False, repr=False)
    _file: os.stat_result | None = field(default=None, init=False, repr=False)

    def of(self, user_id: UserId) -> int:
        return self._found()[user_id % SLOTS]

    def change(self, users: Iterable[UserId]) -> None:
        values = self._found()
        for user_id in users:
            values[user_id % SLOTS] = randbits(64)

    def change_all(self) -> None:
        self._found()[:] = memoryview(token_bytes(_SIZE)).cast("Q")

    def is_shared(self) -> bool:
        """Whether the file that this process has mapped is still the one that others find; else it maps that one from now on.

        Nobody may rely on what was remembered before, until all values of the new file have been changed.
        """
        self._found()
        mapped = self._file
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            is_shared = False
        else:
            is_shared = mapped is not None and os.path.samestat(mapped, found) and found.st_size == _SIZE
        if not is_shared:
            # One that cannot be had leaves us the one we have.
            self._file, self.values = _mapped(self.path, self.owner_of)
        return is_shared

    def _found(self) -> "memoryview[int]":
        if self._file is None:
            self._file, self.values = _mapped(self.path, self.owner_of)
        return self.values


def _mapped(path: Path, owner_of: Path | None) -> "tuple[os.stat_result, memoryview[int]]":
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
        return found, memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")
    finally:
        os.close(descriptor)


def _fill(descriptor: int) -> None:
    """Take the space now: a disk that is full would end the process at a write into the map. Raises OSError."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, _SIZE)
