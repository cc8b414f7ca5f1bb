"""The contract of RefreshTokenCodec."""

import pytest

from ...domain.ports.outside import RefreshTokenCodec
from ...domain.refresh_tokens import RefreshToken
from ...domain.sessions import SessionId

SESSION, ANOTHER = SessionId("aB3_-x"), SessionId("aB3_-y")
CHAIN = 50


def chain_of(codec: RefreshTokenCodec, token: RefreshToken, length: int = CHAIN) -> list[RefreshToken]:
    """*token* and its successors."""
    chain = [token]
    while len(chain) < length:
        chain.append(codec.successor(chain[-1]))
    return chain


class RefreshTokenCodecContract:
    """Subclasses give the fixture ``codec``."""

    def test_every_token_of_a_chain_belongs_to_its_session(self, codec: RefreshTokenCodec) -> None:
        assert {token.session_id for token in chain_of(codec, codec.new(SESSION))} == {SESSION}

    def test_a_token_is_what_its_text_spells(self, codec: RefreshTokenCodec) -> None:
        for token in chain_of(codec, codec.new(SESSION)):
            assert codec.decode(codec.encode(token)) == token

    def test_a_token_has_one_successor(self, codec: RefreshTokenCodec) -> None:
        token = codec.new(SESSION)
        again = codec.decode(codec.encode(token))
        assert again is not None
        assert chain_of(codec, again) == chain_of(codec, token)

    def test_no_token_comes_twice_in_a_chain(self, codec: RefreshTokenCodec) -> None:
        chain = chain_of(codec, codec.new(SESSION))
        assert len({codec.encode(token) for token in chain}) == CHAIN
        assert len({codec.digest(token) for token in chain}) == CHAIN

    def test_no_two_sessions_share_a_token(self, codec: RefreshTokenCodec) -> None:
        mine, others = (chain_of(codec, codec.new(session_id)) for session_id in (SESSION, ANOTHER))
        assert not {codec.encode(token) for token in mine} & {codec.encode(token) for token in others}
        assert not {codec.digest(token) for token in mine} & {codec.digest(token) for token in others}

    def test_the_same_secret_in_another_session_has_another_digest(self, codec: RefreshTokenCodec) -> None:
        token = codec.new(SESSION)
        assert codec.digest(token) != codec.digest(RefreshToken(ANOTHER, token.secret))

    def test_a_key_has_a_short_name(self, codec: RefreshTokenCodec) -> None:
        assert 0 < len(codec.key_id) <= 16
        assert codec.key_id.isprintable()

    def test_a_digest_is_always_the_same(self, codec: RefreshTokenCodec) -> None:
        token = codec.new(SESSION)
        assert codec.digest(token) == codec.digest(RefreshToken(token.session_id, token.secret))

    @pytest.mark.parametrize("text", ["", " ", ".", "/", "a", "令牌", "\0", "\ud800", "a.b.c", "a" * 100_000])
    def test_what_spells_no_token_is_none(self, codec: RefreshTokenCodec, text: str) -> None:
        assert codec.decode(text) is None

    @pytest.mark.parametrize("after", [" ", "\n", "\0", "=", ".", "/", '"', "令"])
    def test_a_token_with_anything_after_it_spells_none(self, codec: RefreshTokenCodec, after: str) -> None:
        assert codec.decode(codec.encode(codec.new(SESSION)) + after) is None

    def test_a_token_shows_no_secret(self, codec: RefreshTokenCodec) -> None:
        token = codec.new(SESSION)
        assert codec.encode(token) not in repr(token)
        assert repr(token.secret) not in repr(token)
