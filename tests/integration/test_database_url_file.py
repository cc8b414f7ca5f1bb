"""The URL of the database, and of the Redis, may stand in a file, as the secrets of Docker and Kubernetes do."""

from pathlib import Path

import pytest

from menshen.entrypoints.environment import read_settings
from menshen.entrypoints.settings import SettingInvalid
from menshen.entrypoints.settings_text import shown

from .servers import serving

PASSWORD = "s3cr3t-of-the-database"
URL = f"postgresql+psycopg://menshen:{PASSWORD}@db.example/accounts"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "database-url"


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_url_is_what_the_file_holds(file: Path, ending: str) -> None:
    file.write_bytes(f"{URL}{ending}".encode())
    settings = read_settings({"MENSHEN_DATABASE_URL_FILE": str(file)})
    assert settings.database_url == URL
    told = shown(settings)
    assert told["MENSHEN_DATABASE_URL_FILE"] == str(file)
    assert PASSWORD not in str(told)


@pytest.mark.parametrize("written", [b"", b"\n", f" {URL}".encode(), f"\ufeff{URL}".encode(), URL.encode("utf-16")])
def test_a_file_without_such_a_text_is_refused_in_one_line(file: Path, written: bytes) -> None:
    file.write_bytes(written)
    with pytest.raises(SettingInvalid) as refusal:
        read_settings({"MENSHEN_DATABASE_URL_FILE": str(file)})
    line = str(refusal.value)
    assert line.startswith("MENSHEN_DATABASE_URL_FILE: ")
    assert len(line.splitlines()) == 1
    assert PASSWORD not in line


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SettingInvalid, match=f"{file} cannot be read: No such file"):
        read_settings({"MENSHEN_DATABASE_URL_FILE": str(file)})


def test_two_urls_are_one_too_many(file: Path) -> None:
    with pytest.raises(SettingInvalid, match="both set") as refusal:
        read_settings({"MENSHEN_DATABASE_URL": URL, "MENSHEN_DATABASE_URL_FILE": str(file)})
    assert PASSWORD not in str(refusal.value)


def test_the_url_of_the_redis_may_stand_in_a_file_as_well(file: Path) -> None:
    url = f"rediss://menshen:{PASSWORD}@redis.example"
    file.write_text(f"{url}\n")
    settings = read_settings({"MENSHEN_REDIS_URL_FILE": str(file)})
    assert settings.redis_url == url
    assert PASSWORD not in str(shown(settings)) + str(settings)
    with pytest.raises(SettingInvalid, match="both set") as refusal:
        read_settings({"MENSHEN_REDIS_URL": url, "MENSHEN_REDIS_URL_FILE": str(file)})
    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize("written", ["", "\n", f"{PASSWORD}@redis.example", f"rediss://:{PASSWORD}@h?db=1"])
def test_a_file_without_the_url_of_a_redis_is_refused_in_one_line(file: Path, written: str) -> None:
    file.write_text(written)
    with pytest.raises(SettingInvalid) as refusal:
        read_settings({"MENSHEN_REDIS_URL_FILE": str(file)})
    line = str(refusal.value)
    assert line.startswith("MENSHEN_REDIS_URL_FILE: ")
    assert len(line.splitlines()) == 1
    assert PASSWORD not in line


def test_serve_keeps_the_accounts_there(tmp_path: Path, file: Path) -> None:
    database = tmp_path / "elsewhere.sqlite3"
    file.write_text(f"sqlite:///{database}\n")
    with serving(tmp_path / "server", DATABASE_URL_FILE=str(file)) as server, server.client() as client:
        assert client.register("13800138000").status == 200
    assert database.exists()
