"""The guard under gevent, whose threads are no threads."""

import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from .example_apps import copied, environment_of, running
from .servers import COMMAND, Client
from .stores import migrated

GEVENT = ("gunicorn", "--worker-class", "gevent", "--workers", "2", "--bind", "127.0.0.1:{port}", "app:app")
CALLERS = 12

T = TypeVar("T")


@pytest.mark.parametrize(
    ("example", "product"),
    [("flask", "sqlite"), ("django", "sqlite"), ("flask", "postgresql"), ("flask", "mariadb")],
    ids=["flask", "django", "flask on postgresql", "flask on mariadb"],
)
def test_under_gevent_everybody_gets_their_own_and_a_kick_counts_at_once(
    example: str, product: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder, settings = copied(example, tmp_path / example), dict[str, str]()
    if product != "sqlite":
        # Both processes of the machine hear of a kick at once by the data folder that they share.
        (folder / "data").mkdir()
        settings["MENSHEN_DATABASE_URL"] = request.getfixturevalue(product).new_database()
        migrated(settings["MENSHEN_DATABASE_URL"])
    phones = [f"138001380{number:02}" for number in range(CALLERS)]
    with running(GEVENT, folder, None, settings) as port:
        tokens = dict(_each(phones, lambda phone: _registered(port, phone)))
        found = Counter(_each(phones * 5, lambda phone: _is_own(port, phone, tokens[phone])))
        assert found == {True: len(phones) * 5}
        _menshen(folder, settings, "session", "kick", phones[0], "--all")
        with Client(port) as client:
            for _ in range(8):
                client.close()
                kicked = client.request("GET", "/orders", token=tokens[phones[0]])
                assert (kicked.status, kicked.reason) == (401, "session_kicked")
        assert all(_each(phones[1:], lambda phone: _is_own(port, phone, tokens[phone])))


def _each(phones: Sequence[str], ask: Callable[[str], T]) -> list[T]:
    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(ask, phones))


def _registered(port: int, phone: str) -> tuple[str, str]:
    with Client(port) as client:
        return phone, client.register(phone).token


def _is_own(port: int, phone: str, token: str) -> bool:
    with Client(port) as client:
        return client.request("GET", "/orders", token=token).json == {"orders_of": phone}


def _menshen(folder: Path, settings: Mapping[str, str], *arguments: str) -> None:
    environment = environment_of(None, {"MENSHEN_DATA_DIR": str(folder / "data"), **settings})
    subprocess.run([*COMMAND, *arguments], env=environment, check=True, capture_output=True, timeout=60)
