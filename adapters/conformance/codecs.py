"""The contract of TokenCodec."""

from datetime import UTC, datetime, timedelta

import pytest

from ...domain.ports.outside import TokenCodec
from ...domain.sessions import SessionId
from ...domain.tokens import AccessTokenClaims, TokenInvalid
from ...domain.users import MAX_USER_ID, UserId

ISSUED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new_claims(subject: int = 7, *, issued_at: datetime = ISSUED_AT, token_id: str = "a token id") -> AccessTokenClaims:
    return AccessTokenClaims(
        subject=UserId(subject),
        session_id=SessionId("a session id"),
        token_id=token_id,
        issued_at=issued_at,
        expires_at=issued_at + timedelta(days=7),
    )


class TokenCodecContract:
    """Subclasses give the fixture ``codec``."""

    @pytest.mark.parametrize("subject", [1, 7, MAX_USER_ID])
    def test_a_token_says_what_was_put_in(self, codec: TokenCodec, subject: int) -> None:
        claims = new_claims(subject)
        assert codec.decode(codec.encode(claims)) == claims

    def test_two_tokens_are_never_the_same_text(self, codec: TokenCodec) -> None:
        assert codec.encode(new_claims(token_id="one")) != codec.encode(new_claims(token_id="two"))

    @pytest.mark.parametrize("year", [1970, 1999, 2999, 9998])
    def test_the_times_are_not_judged(self, codec: TokenCodec, year: int) -> None:
        claims = new_claims(issued_at=datetime(year, 1, 1, tzinfo=UTC))
        assert codec.decode(codec.encode(claims)) == claims

    @pytest.mark.parametrize("text", ["", " ", ".", "..", "a.b.c", "fake", "\0", "令牌", "\ud800", "a" * 100_000])
    def test_what_is_no_token_is_invalid(self, codec: TokenCodec, text: str) -> None:
        with pytest.raises(TokenInvalid):
            codec.decode(text)

    @pytest.mark.parametrize(
        "around", ["{}.", ".{}", "{} ", " {}", "{}\n", "{}\0", "{}=", '"{}"', "Bearer {}", "{0}{0}"]
    )
    def test_a_token_with_anything_around_it_is_invalid(self, codec: TokenCodec, around: str) -> None:
        token = codec.encode(new_claims())
        with pytest.raises(TokenInvalid):
            codec.decode(around.format(token))

    def test_a_token_that_was_cut_is_invalid(self, codec: TokenCodec) -> None:
        token = codec.encode(new_claims())
        for text in (token[:-1], token[1:], token[: len(token) // 2]):
            with pytest.raises(TokenInvalid):
                codec.decode(text)
