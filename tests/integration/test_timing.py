"""How long a refusal takes does not tell which numbers are registered (ASVS 6.3.8)."""

import time
from collections.abc import Iterator
from statistics import median

import pytest

from .servers import Client, Server, serving

SAMPLES = 25
ATTEMPTS = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # A dearer hash than production's: leaving it out would show beyond any noise.
    with serving(tmp_path_factory.mktemp("timing"), ARGON2_MEMORY_KIB="19456", ARGON2_TIME_COST="6") as running:
        yield running


def test_an_unknown_phone_takes_as_long_as_a_wrong_password(client: Client) -> None:
    client.register("13800138000")
    client.login("13800138000", "warm up")
    client.login("13900139000", "warm up")
    seen = []
    # Other programs on the machine may disturb one measurement, not three.
    for _ in range(ATTEMPTS):
        known, unknown = [], []
        for _ in range(SAMPLES):
            known.append(_seconds(client, "13800138000"))
            unknown.append(_seconds(client, "13900139000"))
        slower, faster = max(median(known), median(unknown)), min(median(known), median(unknown))
        assert slower > 0.02, "too fast to have computed a hash"
        seen.append((median(known), median(unknown)))
        if slower - faster < max(0.02, slower / 2):
            return
    raise AssertionError(f"(wrong password, unknown phone): {seen}")


def _seconds(client: Client, phone: str) -> float:
    begin = time.perf_counter()
    answer = client.login(phone, "a wrong password")
    taken = time.perf_counter() - begin
    assert (answer.status, answer.reason) == (403, "invalid_credentials")
    return taken
