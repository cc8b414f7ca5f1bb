"""Tokens whose signature was verified are not verified again, and nothing else is remembered."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from attrs import define, field

from menshen.adapters.conformance.codecs import TokenCodecContract, new_claims
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.adapters.remembering.tokens import RememberedTokens
from menshen.domain.ports.outside import TokenCodec
from menshen.domain.sessions import SessionLoggedOut
from menshen.domain.tokens import AccessTokenClaims, TokenExpired, TokenInvalid
from menshen.entrypoints.services import open_adapters
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store

from .cases import for_each
from .forged_tokens import SECRET
from .memory_house import House

BARE = JwtTokenCodec(secret=SECRET, issuer="menshen", audience="menshen-users")


@define
class Counted:
    """A codec that counts what it verifies."""

    codec: JwtTokenCodec = BARE
    asked: list[str] = field(factory=list)

    def encode(self, claims: AccessTokenClaims) -> str:
        return self.codec.encode(claims)

    def decode(self, token: str) -> AccessTokenClaims:
        self.asked.append(token)
        return self.codec.decode(token)


class TestRememberedTokens(TokenCodecContract):
    @pytest.fixture
    def codec(self) -> TokenCodec:
        return RememberedTokens(BARE, 2)


def test_a_token_is_verified_once() -> None:
    counted = Counted()
    remembered = RememberedTokens(counted, 10)
    claims = new_claims()
    token = remembered.encode(claims)
    assert [remembered.decode(token) for _ in range(3)] == [claims] * 3
    assert counted.asked == [token]


@for_each("garbage", ["", "x", "a.b.c", "马", "\ud800", " ", "\0"])
def test_what_is_not_verified_is_asked_about_each_time_and_pushes_nothing_out(garbage: str) -> None:
    counted = Counted()
    remembered = RememberedTokens(counted, 1)
    token = remembered.encode(new_claims())
    remembered.decode(token)
    for refused in (garbage, token[:-1], token + "A", token.swapcase()):
        for _ in range(2):
            with pytest.raises(TokenInvalid):
                remembered.decode(refused)
        assert counted.asked[-2:] == [refused, refused]
    asked = len(counted.asked)
    remembered.decode(token)
    assert len(counted.asked) == asked


def test_the_ones_used_last_are_kept() -> None:
    counted = Counted()
    remembered = RememberedTokens(counted, 2)
    first, second, third = (remembered.encode(new_claims(token_id=f"{number}")) for number in range(3))
    for token in (first, second, first, third):
        remembered.decode(token)
    counted.asked.clear()
    for token in (first, third, second):
        remembered.decode(token)
    assert counted.asked == [second]


def test_a_scan_of_many_tokens_leaves_no_more_than_the_limit_and_none_in_clear() -> None:
    remembered = RememberedTokens(BARE, 7)
    tokens = [remembered.encode(new_claims(token_id=f"{number}")) for number in range(100)]
    for token in tokens:
        remembered.decode(token)
    assert len(remembered._claims) == 7
    kept = {bytes(name) for name in remembered._claims}
    assert all(len(name) == 16 for name in kept)
    assert not any(part in repr(remembered) for part in tokens[-1].split("."))
    # Another process has another key, and other names for the same tokens.
    other = RememberedTokens(BARE, 7)
    for token in tokens:
        other.decode(token)
    assert kept.isdisjoint(other._claims)


def test_a_remembered_token_expires_and_its_session_is_asked_for_at_each_request() -> None:
    house = House()
    house = House(codec=RememberedTokens(house.codec, 10))  # type: ignore[arg-type] # any codec does
    house.register()
    granted, other = house.login(), house.login()
    house.authenticate(granted)
    house.service.logout(granted.principal)
    with pytest.raises(SessionLoggedOut):
        house.authenticate(granted)
    house.authenticate(other)
    house.clock.move(timedelta(days=7))
    with pytest.raises(TokenExpired):
        house.authenticate(other)


def test_many_threads_do_not_disturb_each_other() -> None:
    remembered = RememberedTokens(BARE, 3)
    all_claims = [new_claims(token_id=f"{number}") for number in range(8)]
    tokens = [remembered.encode(claims) for claims in all_claims]

    def ask(start: int) -> bool:
        numbers = [(start * 7 + step * 3) % 8 for step in range(200)]
        return all(remembered.decode(tokens[number]) == all_claims[number] for number in numbers)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))
    assert len(remembered._claims) <= 3


@for_each(("limit", "kind"), [(0, JwtTokenCodec), (1, RememberedTokens)])
def test_none_is_remembered_where_the_setting_says_so(limit: int, kind: type) -> None:
    settings = Settings(database_url="memory://", remembered=limit)
    adapters = open_adapters(settings, SECRET, open_store(settings))
    assert type(adapters.codec) is type(adapters.admin_codec) is kind
    adapters.close()
