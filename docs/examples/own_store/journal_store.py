"""A store of one's own for menshen: the accounts in memory, and every change in a journal on the disk.

The journal is a text file with one line for each transaction, in the order in which they happened: a checksum, and the
rows that were written, as JSON. A line is on the disk before its transaction is acknowledged. Opening the store reads
the lines and replaces them by one that says the same; that is also how the journal gets rid of what is old.

For one process (MENSHEN_WORKERS=1), and for as many accounts as fit into its memory.
"""

import fcntl
import os
import zlib
from pathlib import Path

import msgspec
from attrs import define, evolve

from menshen.adapters.memory.store import Changes, MemoryStore
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store
from menshen.entrypoints.stores import memory_store


def open_store(url: str, connections: int) -> Store:
    """The store in the folder of *url*, ``journal:///srv/accounts``. Raises ValueError, StoreUnavailable."""
    folder = Path(url.removeprefix("journal://"))
    if not folder.is_absolute():
        raise ValueError("it must be journal:///FOLDER")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _locked(folder / "lock")
    try:
        rows = _read(folder / "journal")
        journal = _begin(folder / "journal", rows)
    except BaseException:
        os.close(lock)
        raise
    rows.keep = journal.append

    def close() -> None:
        os.close(journal.file)
        os.close(lock)

    # Not embedded: a read may have to wait for a disk that is busy with a write, and no event loop should.
    return evolve(memory_store(rows), close=close, weaknesses=lambda: (), is_embedded=False)


@define
class Journal:
    """The file, open for writing, and how much of it counts."""

    file: int
    length: int = 0

    def append(self, changes: Changes) -> None:
        """Return when *changes* are on the disk. Raises StoreUnavailable, and then they do not count."""
        body = msgspec.json.encode(changes)
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        try:
            os.ftruncate(self.file, self.length)  # what a write that failed may have left
            if os.pwrite(self.file, line, self.length) < len(line):
                raise OSError("the disk is full")
            os.fsync(self.file)
        except OSError as error:
            raise StoreUnavailable("the journal cannot be written") from error
        self.length += len(line)


def _locked(path: Path) -> int:
    """A file that is locked for as long as it is open. Raises StoreUnavailable where another process has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise StoreUnavailable(f"another process uses {path.parent}") from None
    return lock


def _read(path: Path) -> MemoryStore:
    """What the journal at *path* tells, if there is one. Raises StoreUnavailable where it is damaged."""
    rows = MemoryStore()
    lines = path.read_bytes().splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        checksum, _, body = line.partition(b" ")
        if checksum == b"%08x" % zlib.crc32(body):
            rows.apply(msgspec.json.decode(body, type=Changes))
        # The last one may have been cut short by a crash; then nobody was told that it was done.
        elif number < len(lines):
            raise StoreUnavailable(f"line {number} of {path} is damaged")
    return rows


def _begin(path: Path, rows: MemoryStore) -> Journal:
    """A journal that begins with all of *rows*, in the place of the one that was there."""
    new = path.with_suffix(".new")
    journal = Journal(os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    journal.append(Changes(rows.users, rows.sessions, rows.audit, rows.audit_entries_ever, rows.marks, rows.others))
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return journal
