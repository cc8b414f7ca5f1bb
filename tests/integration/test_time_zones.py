"""Local time is that of the machine's zone, even if the machine has no zone database."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from menshen.entrypoints.environment import machine_zone, read_settings
from menshen.entrypoints.settings import SettingInvalid

from .servers import menshen_in, only_line

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.fixture
def localtime(tmp_path: Path) -> Path:
    return tmp_path / "localtime"


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        *(
            ("Asia/Shanghai", SHANGHAI),
            (":Asia/Shanghai", SHANGHAI),
            ("PRC", ZoneInfo("PRC")),
            ("UTC", ZoneInfo("UTC")),
        ),
        # What C itself understands.
        *(("CST-8", None), ("<+08>-8", None), ("EST5EDT,M3.2.0,M11.1.0", None), ("", None), (":", None)),
    ],
)
def test_a_name_is_the_zone_of_that_name(localtime: Path, name: str, zone: ZoneInfo | None) -> None:
    assert machine_zone(name, localtime) == zone
    assert read_settings({"TZ": name}).time_zone == zone


@pytest.mark.parametrize(
    "name", ["Asia/Nowhere", "Shanghai", "/nowhere/zone", "../../etc/passwd", "CST", "\0", "x" * 5000]
)
def test_an_unknown_name_is_refused_unless_it_does_not_matter(localtime: Path, name: str) -> None:
    with pytest.raises(SettingInvalid) as refusal:
        machine_zone(name, localtime)
    line = str(refusal.value)
    assert line.startswith("TZ (")
    assert len(line.splitlines()) == 1
    assert read_settings({"TZ": name, "MENSHEN_TIME_ZONE": "Asia/Shanghai"}).time_zone == SHANGHAI


def test_a_link_that_leads_nowhere_still_names_its_zone(localtime: Path, tmp_path: Path) -> None:
    assert machine_zone(None, localtime) is None
    localtime.symlink_to(tmp_path / "zoneinfo" / "Asia" / "Shanghai")
    assert machine_zone(None, localtime) == SHANGHAI
    localtime.unlink()
    localtime.symlink_to(tmp_path / "gone")
    with pytest.raises(SettingInvalid):
        machine_zone(None, localtime)
    (tmp_path / "gone").write_bytes(b"")
    assert machine_zone(None, localtime) is None


# Where C finds no table, as in an image without the package tzdata.
NO_TABLE = {"TZDIR": "/nowhere", "PYTHONTZPATH": ""}


def test_a_machine_without_a_table_of_zones_is_not_hours_off(tmp_path: Path) -> None:
    environment = {**NO_TABLE, "TZ": "Asia/Shanghai"}
    made = menshen_in(environment, "user", "create", "13800138000", folder=tmp_path, stdin="correct horse\n")
    assert made.returncode == 0, made.stderr
    assert "+08:00" in made.stdout


@pytest.mark.parametrize("command", [["serve"], ["adopt", "--dry-run"], ["user", "find"]])
def test_no_command_takes_an_unknown_zone_for_utc(tmp_path: Path, command: list[str]) -> None:
    done = menshen_in({**NO_TABLE, "TZ": "Asia/Nowhere"}, *command, folder=tmp_path)
    assert done.returncode == 2
    assert "MENSHEN_TIME_ZONE" in only_line(done.stderr)
    assert list(tmp_path.iterdir()) == []
