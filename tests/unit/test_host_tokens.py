"""Tokens for an app behind a proxy: what they say, who can verify them, and that they open nothing else."""

import json
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any

import jwt
import pytest

from menshen.adapters.conformance.codecs import new_claims
from menshen.adapters.conformance.host_codecs import HOST, HostTokenCodecContract, host_claims
from menshen.adapters.host_token_codec import JwtHostTokenCodec
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.adapters.memory.fakes import FakeHostTokenCodec
from menshen.domain.host_tokens import HostTokenClaims
from menshen.domain.ports.outside import HostTokenCodec
from menshen.domain.tokens import TokenInvalid
from menshen.entrypoints.guarding.route_rules import parse_rules
from menshen.entrypoints.http.forward_auth import FOR_OTHERS
from menshen.entrypoints.settings import Settings

from .cases import for_each
from .http_service import PHONE, refused, serve
from .memory_house import House
from .test_forwarding import FROM_A_PROXY, forwarded

SECRET = b"kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
CODEC = JwtHostTokenCodec(SECRET, "menshen")
CLAIMS = host_claims()


class TestJwtHostTokenCodec(HostTokenCodecContract):
    @pytest.fixture
    def host_codec(self) -> HostTokenCodec:
        return CODEC


class TestFakeHostTokenCodec(HostTokenCodecContract):
    @pytest.fixture
    def host_codec(self) -> HostTokenCodec:
        return FakeHostTokenCodec()


def verified(token: str, key: str = CODEC.key(HOST), host: str = HOST) -> dict[str, Any]:
    """As the documentation tells the app to do it, but for the time."""
    return jwt.decode(
        token, key, algorithms=["HS256"], audience=host, issuer="menshen/host", options={"verify_exp": False}
    )


def test_the_app_verifies_it_with_the_key_of_its_host() -> None:
    token = CODEC.encode(CLAIMS)
    assert verified(token) == {
        "iss": "menshen/host",
        "aud": HOST,
        "sub": "7",
        "iat": 1767225600,
        "exp": 1767225660,
        "jti": "an-id",
        "sid": "a-session",
        "kind": "user",
    }
    header = token.split(".")[0]
    assert json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))) == {
        "alg": "HS256",
        "typ": "menshen-host+jwt",
    }


def test_the_key_of_one_host_is_of_no_use_to_another() -> None:
    token = CODEC.encode(CLAIMS)
    with pytest.raises(jwt.InvalidSignatureError):
        verified(token, CODEC.key("other.example.com"), "other.example.com")
    with pytest.raises(jwt.InvalidAudienceError):
        verified(token, host="other.example.com")
    assert (
        len({CODEC.key(HOST), CODEC.key("other.example.com"), JwtHostTokenCodec(SECRET[::-1], "menshen").key(HOST)})
        == 3
    )
    assert SECRET.decode() not in CODEC.key(HOST) + repr(CODEC)


@for_each("audience", ["menshen-users", "menshen-admins", HOST])
def test_it_is_never_an_access_token_whatever_the_audience(audience: str) -> None:
    for issuer in ("menshen", "menshen/host"):
        with pytest.raises(TokenInvalid):
            JwtTokenCodec(secret=SECRET, issuer=issuer, audience=audience).decode(CODEC.encode(CLAIMS))
    # Nor with its own key: the header is another one.
    key = CODEC.key(HOST).encode()
    with pytest.raises(TokenInvalid):
        JwtTokenCodec(secret=key, issuer="menshen/host", audience=HOST).decode(CODEC.encode(CLAIMS))


def test_an_access_token_is_no_host_token() -> None:
    token = JwtTokenCodec(secret=SECRET, issuer="menshen/host", audience=HOST).encode(new_claims())
    with pytest.raises(jwt.InvalidSignatureError):
        verified(token)


def test_user_info_and_forward_auth_refuse_it() -> None:
    codec, admins = (
        JwtTokenCodec(secret=SECRET, issuer="menshen", audience=name) for name in ("menshen-users", "admins")
    )
    http = serve(
        Settings(trusted_proxies=FROM_A_PROXY, forward_rules=parse_rules("user /**")), codec=codec, admin_codec=admins
    )
    http.registered()
    token = JwtHostTokenCodec(SECRET, "menshen").encode(CLAIMS)
    refused(http.user_info(token), 401, "token_invalid")
    refused(http.request("GET", FOR_OTHERS, **forwarded("/orders"), token=token), 401, "token_invalid")
    refused(http.request("GET", "/api/admin/users", token=token), 401, "token_invalid")


def test_it_lasts_a_minute_and_never_longer_than_the_session() -> None:
    house = House()
    house.register(PHONE)
    principal = house.service.authenticate(house.login(PHONE).access_token)
    now = house.clock.now()
    claims = HostTokenClaims.about(principal, host=HOST, token_id="x", now=now)
    assert claims.expires_at - claims.issued_at == timedelta(seconds=60)
    last = principal.session.expires_at - timedelta(seconds=5)
    assert (
        HostTokenClaims.about(principal, host=HOST, token_id="x", now=last).expires_at == principal.session.expires_at
    )
