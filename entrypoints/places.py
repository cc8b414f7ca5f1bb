"""Where the accounts are on this machine, and what is wrong with the place: the path, the cause and what to do."""

import errno
import os
import pwd
import re
import stat
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from .settings import SettingInvalid

_OF_A_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)
_MOUNTS = Path("/proc/self/mountinfo")

_READ_ONLY = OSError(errno.EROFS, "its file system is mounted read-only")


@frozen
class Place:
    """A file to be made, read and written, and its folder; *setting* is the setting that names it."""

    file: Path
    setting: str

    @property
    def is_there(self) -> bool:
        """Whether there is something. True if this cannot be found out; then ``check`` reports why."""
        try:
            self.file.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def make_folder(self, say: Callable[[str], None]) -> None:
        """Make the folder, with access for its owner only, and *say* so, unless it exists. Raises SettingInvalid."""
        folder = self.file.parent
        if os.path.lexists(folder):
            return
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            return
        except OSError as error:
            raise self.invalid(f"{_shown(folder)} cannot be made: {_cause(_nearest(folder), error)}") from None
        say(f"made the folder {_shown(folder)}")

    def check(self) -> None:
        """Raises SettingInvalid if the file cannot be made, or cannot be read and written."""
        folder = self.file.parent
        self._check(folder, folder, os.X_OK)
        # SQLite makes its other files beside the target of a link.
        self._check(self._real.parent, self._real.parent, os.W_OK | os.X_OK)
        if self.is_there:
            # Not opened: closing it again would release the locks of others in this process that have it open.
            self._check_file(os.R_OK | os.W_OK)

    def check_file_readable(self) -> None:
        """Raises SettingInvalid if it is not a file, or cannot be read."""
        self._check(self.file.parent, self.file.parent, os.X_OK)
        self._check_file(os.R_OK)

    def check_readable(self) -> None:
        """Raises SettingInvalid if the existing file cannot be read. A dangling link is not checked."""
        self._check(self.file.parent, self.file.parent, os.X_OK)
        if not self.file.is_symlink():
            self._check(self.file, self.file.parent, os.R_OK)

    def _check_file(self, mode: int) -> None:
        self._check(self.file, self.file.parent, mode)
        if not self.file.is_file():
            what = "a folder" if self.file.is_dir() else "no file"
            raise self.invalid(f"{_shown(self.file)} cannot be used: it is {what}")

    def _check(self, path: Path, folder: Path, mode: int) -> None:
        try:
            path.stat()
            if not folder.is_dir():
                raise NotADirectoryError
            if not os.access(path, mode, effective_ids=True):
                raise _READ_ONLY if os.statvfs(path).f_flag & os.ST_RDONLY else PermissionError
        except OSError as error:
            raise self.invalid(f"{_shown(path)} cannot be used: {_cause(path, error)}") from None

    @property
    def _real(self) -> Path:
        """The resolved path of the file; a dangling link is returned as it is."""
        return self.file.resolve() if self.file.exists() else self.file

    def invalid(self, why: str) -> SettingInvalid:
        return SettingInvalid(f"{self.setting}: {why}")

    def weaknesses(self) -> list[str]:
        """A line if acknowledged data can be lost because the place is not on this machine."""
        kind = network_of(self.file)
        if kind is None:
            return []
        advice = "keep it on a disk of this machine, or use a database server"
        return [f"{_shown(self.file)} is on a network ({kind}), where SQLite's locks may not hold: {advice}"]

    def exposures(self) -> list[str]:
        """A line for each of its files that others on this machine may read or write."""
        files = [self._real, *(self._real.with_name(f"{self._real.name}-{end}") for end in ("wal", "shm"))]
        return [line for file in files for line in exposures(file)]


def exposures(path: Path) -> list[str]:
    """A line if every user of this machine may read or write the file at *path*."""
    try:
        mode = path.stat().st_mode
        is_reached = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
    except OSError:
        return []
    words = [word for word, bit in (("read", stat.S_IROTH), ("written", stat.S_IWOTH)) if mode & bit]
    if not (words and is_reached):
        return []
    return [f"{_shown(path)} can be {' and '.join(words)} by everybody on this machine: chmod o= {_shown(path)}"]


def network_of(file: Path) -> str | None:
    """The kind of network file system that *file* is on; None if it is on none, or unknown."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        there = str(file.resolve())
    except OSError:
        return None
    # The fifth field is the mount point, and the first after the dash is the type (proc(5)).
    mounts = [
        (_unescaped(fields[4]), fields[fields.index("-") + 1]) for fields in map(str.split, lines) if "-" in fields
    ]
    over = [(point, kind) for point, kind in mounts if f"{there}/".startswith(f"{point.rstrip('/')}/")]
    # Of two mounts at one point, the later one is visible.
    kind = max(reversed(over), key=lambda mount: len(mount[0]))[1] if over else ""
    return kind if kind in _OF_A_NETWORK else None


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)


def _nearest(path: Path) -> Path:
    """The nearest existing folder above *path*."""
    return next((each for each in path.parents if os.path.lexists(each)), Path("/"))


def _cause(path: Path, error: OSError) -> str:
    """Why the system refused, and what to do."""
    if isinstance(error, PermissionError):
        return _refusal(path)
    if path.is_symlink() and not path.exists():
        return f"it is a link to {_shown(path.readlink())}, which is not there"
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    if isinstance(error, NotADirectoryError | FileExistsError):
        return f"{_shown(next((each for each in (path, *path.parents) if each.is_file()), path))} is no folder"
    return str(error.strerror or error)


def _refusal(path: Path) -> str:
    try:
        found = path.stat()
    except PermissionError:
        # The folder does not let us look inside.
        return _refusal(path.parent)
    mode = stat.S_IMODE(found.st_mode)
    return (
        f"{_shown(path)} belongs to {_who(found.st_uid)}, with mode {mode:o}, and this runs as {_who(os.geteuid())}:"
        f" chown {os.geteuid()} {_shown(path)}, or choose another place"
    )


def _who(uid: int) -> str:
    try:
        return f"uid {uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"uid {uid}"


def _shown(path: Path) -> str:
    return str(path) if str(path).isprintable() else repr(str(path))
