"""The contract of HostTokenCodec."""

from datetime import UTC, datetime

from ...domain.host_tokens import HOST_TOKEN_TTL, HostTokenClaims
from ...domain.ports.outside import HostTokenCodec
from ...domain.sessions import SessionId, SessionKind
from ...domain.users import UserId

ISSUED_AT = datetime(2026, 1, 1, tzinfo=UTC)
HOST = "app.example.com"
ANOTHER_HOST = "another.example.com"


def host_claims(*, host: str = HOST, token_id: str = "an-id") -> HostTokenClaims:
    return HostTokenClaims(
        host=host,
        subject=UserId(7),
        session_id=SessionId("a-session"),
        kind=SessionKind.USER,
        token_id=token_id,
        issued_at=ISSUED_AT,
        expires_at=ISSUED_AT + HOST_TOKEN_TTL,
    )


class HostTokenCodecContract:
    """Subclasses give the fixture ``host_codec``."""

    def test_a_token_fits_into_a_header(self, host_codec: HostTokenCodec) -> None:
        token = host_codec.encode(host_claims())
        assert token.isascii()
        assert token.isprintable()
        assert not set(token) & set(" ,;")

    def test_two_tokens_are_never_the_same_text(self, host_codec: HostTokenCodec) -> None:
        tokens = [host_codec.encode(host_claims(token_id=name)) for name in ("one", "two")]
        tokens.append(host_codec.encode(host_claims(host=ANOTHER_HOST, token_id="one")))
        assert len(set(tokens)) == 3

    def test_a_host_has_one_key_that_is_no_other_hosts(self, host_codec: HostTokenCodec) -> None:
        assert host_codec.key(HOST) == host_codec.key(HOST)
        assert len({host_codec.key(host) for host in (HOST, ANOTHER_HOST, "example.com", "")}) == 4
