"""The time of a refusal reveals neither which numbers are registered nor how a password is hashed (ASVS 6.3.8)."""

import hashlib
import time
from collections.abc import Iterator

import pytest

from menshen.adapters.argon2_hasher import Argon2PasswordHasher

from .servers import Client, Server, serving

ROUNDS, MOST_ROUNDS = 7, 40

AS_LONG = 1.1
"""How much longer the slowest may take. If the cheapest of the three, our own hash, were left out, it would be more."""

PASSWORD = b"another password"
SALT = b"saltsaltsaltsalt"


def _pbkdf2() -> str:
    return f"pbkdf2:sha256:60000${SALT.decode()}${hashlib.pbkdf2_hmac('sha256', PASSWORD, SALT, 60_000).hex()}"


def _scrypt() -> str:
    digest = hashlib.scrypt(PASSWORD, salt=SALT, n=8192, r=8, p=1)
    return f"scrypt:8192:8:1${SALT.decode()}${digest.hex()}"


def _wrapped() -> str:
    [wrapped] = Argon2PasswordHasher(8192, 1).wrap([hashlib.md5(PASSWORD + b"salt").hexdigest() + ":salt"])
    assert wrapped is not None
    return wrapped


# Of the first there is nobody; the second has a hash that menshen has made.
STORED = {
    "nobody": None,
    "wrong password": None,
    "frozen": None,
    "cheaper": Argon2PasswordHasher(1024, 1).hash(PASSWORD.decode()),
    "pbkdf2": _pbkdf2(),
    "scrypt": _scrypt(),
    "wrapped": _wrapped(),
    "none": "",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # A cheap hash of ours: what is dear are the others.
    with serving(tmp_path_factory.mktemp("timing"), ARGON2_MEMORY_KIB="8192", ARGON2_TIME_COST="1") as running:
        yield running


@pytest.fixture
def phones(server: Server, client: Client) -> dict[str, str]:
    """A number for each kind."""
    numbers = {kind: f"1380013800{place}" for place, kind in enumerate(STORED)}
    for kind, stored in list(STORED.items())[1:]:
        assert client.register(numbers[kind]).status == 200
        if stored is not None:
            server.rows("UPDATE x_user SET password = ? WHERE phone = ?", stored, numbers[kind])
        if kind == "frozen":
            server.rows("UPDATE x_user SET state = ? WHERE phone = ?", "冻结", numbers[kind])
    return numbers


def test_all_that_may_stand_there_or_not_takes_as_long_to_refuse(
    server: Server, client: Client, phones: dict[str, str]
) -> None:
    """In time of the processor, which other programs on the machine make little longer, and never shorter."""
    [worker] = server.workers
    for phone in phones.values():
        _seconds(worker, client, phone)
    least = dict.fromkeys(phones, 60.0)
    for done in range(1, MOST_ROUNDS + 1):
        for kind, phone in phones.items():
            least[kind] = min(least[kind], _seconds(worker, client, phone))
        if done >= ROUNDS and max(least.values()) < min(least.values()) * AS_LONG:
            return
    raise AssertionError(least)


def _seconds(worker: int, client: Client, phone: str) -> float:
    clock = ~worker << 3 | 2  # clock_getcpuclockid(3)
    begin = time.clock_gettime(clock)
    answer = client.login(phone, "a wrong password")
    taken = time.clock_gettime(clock) - begin
    assert (answer.status, answer.reason) == (403, "invalid_credentials")
    return taken
