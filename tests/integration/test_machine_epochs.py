"""Epochs that the processes of a machine share."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from menshen.adapters.conformance.epochs import EpochsContract
from menshen.adapters.machine_epochs import MachineEpochs
from menshen.adapters.memory.fakes import FakeClock
from menshen.adapters.redis.publishing import PublishedEpochs
from menshen.adapters.redis.server import RedisServer
from menshen.adapters.remembering.epochs import LocalEpochs
from menshen.adapters.word_of_changes import SLOTS, Epochs
from menshen.domain.users import UserId
from menshen.entrypoints.remembering import remembering
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .redis_servers import RedisProcess
from .stores import opened

SIZE = SLOTS * 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "epochs"


class TestLocalEpochs(EpochsContract):
    @pytest.fixture
    def epochs(self) -> Epochs:
        return LocalEpochs()


class TestMachineEpochs(EpochsContract):
    @pytest.fixture
    def epochs(self, path: Path) -> Epochs:
        return MachineEpochs(path)


class TestPublishedEpochs(EpochsContract):
    @pytest.fixture
    def epochs(self, redis: RedisProcess) -> Iterator[PublishedEpochs]:
        epochs = PublishedEpochs(LocalEpochs(), RedisServer(redis.url))
        yield epochs
        epochs.close()


_CHANGE = """
import sys
from pathlib import Path
from menshen.adapters.conformance.epochs import EpochsContract
from menshen.adapters.machine_epochs import MachineEpochs
from menshen.domain.users import UserId
MachineEpochs(Path(sys.argv[1])).change([UserId(int(number)) for number in sys.argv[2:]])
"""


def test_another_process_sees_a_change_at_once(path: Path) -> None:
    epochs = MachineEpochs(path)
    before = [epochs.of(UserId(number)) for number in range(3)]
    subprocess.run([sys.executable, "-c", _CHANGE, str(path), "1"], check=True, timeout=60)
    after = [epochs.of(UserId(number)) for number in range(3)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_a_forked_process_shares_them(path: Path) -> None:
    epochs = MachineEpochs(path)
    before = epochs.of(UserId(1))
    child = os.fork()
    if child == 0:
        epochs.change([UserId(1)])
        os._exit(0)
    os.waitpid(child, 0)
    assert epochs.of(UserId(1)) != before


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    MachineEpochs(path).change(())
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, SIZE)


def _removed(path: Path) -> None:
    path.unlink()


def _replaced(path: Path) -> None:
    path.with_name("new").write_bytes(bytes(SIZE))
    path.with_name("new").replace(path)


def _cut(path: Path) -> None:
    path.with_name("new").write_bytes(bytes(8))
    path.with_name("new").replace(path)


@pytest.mark.parametrize("befalls", [_removed, _replaced, _cut])
def test_it_notices_that_others_use_another_file(path: Path, befalls: Callable[[Path], None]) -> None:
    epochs = MachineEpochs(path)
    epochs.change(())
    assert epochs.is_shared()
    befalls(path)
    assert not epochs.is_shared()
    # From now on it uses the one that others use.
    assert epochs.is_shared()
    before = epochs.of(UserId(1))
    MachineEpochs(path).change([UserId(1)])
    assert epochs.of(UserId(1)) != before


def test_one_that_cannot_be_had_leaves_it_the_one_it_has(path: Path) -> None:
    epochs = MachineEpochs(path)
    before = epochs.of(UserId(1))
    path.unlink()
    path.symlink_to("nowhere")
    for _ in range(2):
        with pytest.raises(OSError, match="symbolic links"):
            epochs.is_shared()
    assert epochs.of(UserId(1)) == before
    epochs.change([UserId(1)])
    assert epochs.of(UserId(1)) != before


def test_the_disk_has_its_space(path: Path) -> None:
    """Else a write into the map would end the process once the disk is full."""
    MachineEpochs(path).change(())
    assert path.stat().st_blocks * 512 >= SIZE


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(bytes(SIZE))
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        MachineEpochs(path).of(UserId(1))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_file_of_somebody_else_is_not_believed(path: Path, tmp_path: Path) -> None:
    path.write_bytes(bytes(SIZE))
    os.chown(path, 65534, 65534)
    with pytest.raises(PermissionError, match="somebody else"):
        MachineEpochs(path).of(UserId(1))
    # But for that of whoever has the database, which root changes from the command line.
    database = tmp_path / "database"
    database.write_bytes(b"")
    os.chown(database, 65534, 65534)
    MachineEpochs(path, owner_of=database).of(UserId(1))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_root_makes_it_for_whoever_has_the_database(path: Path, tmp_path: Path) -> None:
    database = tmp_path / "database"
    database.write_bytes(b"")
    os.chown(database, 65534, 65534)
    MachineEpochs(path, owner_of=database).change(())
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_one_data_folder_has_one_file_for_a_database_server_whoever_makes_it(
    postgresql: DatabaseServer, tmp_path: Path
) -> None:
    os.chown(tmp_path, 65534, 65534)
    url = postgresql.new_database()
    settings = Settings(database_url=url, data_dir=tmp_path)
    with opened(url) as database:
        for _ in range(2):
            remembering(settings, sql_store(database), FakeClock()).close()
    [found] = tmp_path.iterdir()
    # Root's command line writes into the one that the workers have mapped, which run as somebody else.
    assert found.name.endswith("-epochs")
    assert str(os.geteuid()) not in found.name.split("-")
    assert (found.stat().st_uid, found.stat().st_gid) == (65534, 65534)
