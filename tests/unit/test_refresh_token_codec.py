"""Refresh tokens as in production: what they consist of, and the one spelling that is accepted."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from menshen.adapters.conformance.refresh_codecs import ANOTHER, SESSION, RefreshTokenCodecContract, chain_of
from menshen.adapters.refresh_token_codec import HmacRefreshTokenCodec
from menshen.domain.ports.outside import RefreshTokenCodec
from menshen.domain.refresh_tokens import RefreshToken
from menshen.domain.sessions import SessionId

from .cases import for_each

SECRET = b"kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
CODEC = HmacRefreshTokenCodec(SECRET)
BITS = bytes(range(1, 33))
TOKEN = RefreshToken(SESSION, BITS)
TEXT = CODEC.encode(TOKEN)
SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class TestHmacRefreshTokenCodec(RefreshTokenCodecContract):
    @pytest.fixture
    def codec(self) -> RefreshTokenCodec:
        return CODEC


class TestWhatATokenIsMadeOf:
    def test_a_new_one_has_256_bits_that_never_come_twice(self) -> None:
        secrets = {CODEC.new(SESSION).secret for _ in range(1000)}
        assert len(secrets) == 1000
        assert {len(secret) for secret in secrets} == {32}

    def test_every_bit_of_a_new_one_varies(self) -> None:
        ones, zeros = 0, 0
        for _ in range(200):
            number = int.from_bytes(CODEC.new(SESSION).secret)
            ones |= number
            zeros |= ~number
        assert ones & (2**256 - 1) == zeros & (2**256 - 1) == 2**256 - 1

    def test_its_text_is_the_session_and_the_bits_in_43_signs(self) -> None:
        session_id, bits = TEXT.split(".")
        assert session_id == SESSION
        assert len(bits) == 43
        assert urlsafe_b64decode(bits + "=") == BITS

    def test_a_codec_shows_no_secret(self) -> None:
        assert SECRET.decode() not in repr(CODEC)
        assert "kZ3v" not in str(CODEC)


class TestADigest:
    def test_it_has_32_bytes_and_is_not_the_secret(self) -> None:
        for token in chain_of(CODEC, TOKEN):
            assert len(CODEC.digest(token)) == 32
            assert CODEC.digest(token) != token.secret

    def test_it_is_no_token_of_the_chain(self) -> None:
        """A reader of the store can neither present what it contains nor compute the next token."""
        chain = chain_of(CODEC, TOKEN)
        assert not {CODEC.digest(token) for token in chain} & {token.secret for token in chain}

    @for_each("secret", [b"", SECRET[:-1], SECRET + b"0", SECRET.lower(), b"\x01" * 32])
    def test_by_another_secret_of_the_service_it_is_another_one_under_another_key_id(self, secret: bytes) -> None:
        """A new secret logs everybody out, and the old one is of no use."""
        other = HmacRefreshTokenCodec(secret)
        assert other.key_id != CODEC.key_id
        assert other.digest(TOKEN) != CODEC.digest(TOKEN)

    def test_the_key_id_is_the_same_on_every_node_and_tells_nothing_of_the_secret(self) -> None:
        assert HmacRefreshTokenCodec(bytes(SECRET)).key_id == CODEC.key_id
        assert len(CODEC.key_id) == 16
        assert CODEC.key_id not in {SECRET.hex()[:16], hashlib.sha256(SECRET).hexdigest()[:16]}

    @for_each("bit", range(0, 256, 17))
    def test_it_changes_with_every_bit(self, bit: int) -> None:
        changed = (int.from_bytes(BITS) ^ 1 << bit).to_bytes(32)
        assert CODEC.digest(RefreshToken(SESSION, changed)) != CODEC.digest(TOKEN)


class TestASuccessor:
    def test_it_is_the_same_on_every_node_with_the_secret(self) -> None:
        assert HmacRefreshTokenCodec(bytes(SECRET)).successor(TOKEN) == CODEC.successor(TOKEN)

    def test_it_has_256_bits_too(self) -> None:
        assert {len(token.secret) for token in chain_of(CODEC, TOKEN)} == {32}

    @for_each("secret", [b"", SECRET[:-1], SECRET + b"0", SECRET.lower(), b"\x01" * 32])
    def test_it_is_another_one_by_another_secret_of_the_service(self, secret: bytes) -> None:
        assert HmacRefreshTokenCodec(secret).successor(TOKEN).secret != CODEC.successor(TOKEN).secret

    def test_it_is_another_one_in_another_session(self) -> None:
        assert CODEC.successor(RefreshToken(ANOTHER, BITS)).secret != CODEC.successor(TOKEN).secret

    def test_it_cannot_be_computed_without_the_secret_of_the_service(self) -> None:
        shown = SESSION.encode() + b"." + BITS
        for guess in (hashlib.sha256(BITS), hashlib.sha256(shown), hashlib.sha256(TEXT.encode())):
            assert CODEC.successor(TOKEN).secret != guess.digest()


def spelt(bits: bytes, session_id: str = SESSION) -> str:
    return f"{session_id}.{urlsafe_b64encode(bits).decode().rstrip('=')}"


class TestDecoding:
    @given(bits=st.binary(min_size=32, max_size=32), session_id=st.text(SIGNS, min_size=1, max_size=64))
    def test_every_token_comes_back(self, bits: bytes, session_id: str) -> None:
        token = RefreshToken(SessionId(session_id), bits)
        assert CODEC.decode(CODEC.encode(token)) == token
        assert CODEC.encode(token) == spelt(bits, session_id)

    @given(st.text())
    def test_any_text_spells_no_token(self, text: str) -> None:
        assert CODEC.decode(text) is None

    @given(st.text(SIGNS + ".=", min_size=40, max_size=120))
    def test_what_spells_a_token_is_the_one_text_that_does(self, text: str) -> None:
        token = CODEC.decode(text)
        assert token is None or CODEC.encode(token) == text

    @for_each("length", [0, 1, 16, 30, 31, 33, 34, 48, 64])
    def test_another_number_of_bits_is_refused(self, length: int) -> None:
        assert CODEC.decode(spelt(b"\x01" * length)) is None

    @for_each("last", SIGNS)
    def test_bits_that_nobody_reads_must_be_zero(self, last: str) -> None:
        """43 characters have 258 bits: four different last characters would encode the same 256."""
        token = CODEC.decode(TEXT[:-1] + last)
        assert (token is not None) == (SIGNS.index(last) % 4 == 0)
        assert token != TOKEN or last == TEXT[-1]

    @for_each(
        "text",
        [
            TEXT + "=",
            TEXT[:-1],
            TEXT[:-1] + "=",
            TEXT + "\n",
            " " + TEXT,
            TEXT + " ",
            "Bearer " + TEXT,
            TEXT.replace(".", "/"),
            TEXT.replace(".", ".."),
            TEXT.replace(".", "．"),
            TEXT.replace(".", ""),
            "." + TEXT.split(".")[1],
            TEXT.split(".")[0] + ".",
            TEXT + TEXT,
            TEXT + "." + TEXT.split(".")[1],
            spelt(BITS, "a" * 65),
            spelt(BITS, "a b"),
            spelt(BITS, "a=b"),
            spelt(BITS, "ä"),
            spelt(BITS, "١٢٣"),
            spelt(b"\xfb" * 32).replace("-", "+"),
            spelt(b"\xff" * 32).replace("_", "/"),
            SESSION + "." + "١" * 43,
            SESSION + "." + "Ａ" * 43,
            SESSION + "." + "A" * 42 + "\0",
            SESSION + "." + BITS.hex(),
            f"{TEXT[:20]}\n{TEXT[20:]}",
        ],
    )
    def test_every_other_spelling_is_refused(self, text: str) -> None:
        assert CODEC.decode(text) is None

    def test_the_longest_session_id_is_taken(self) -> None:
        assert CODEC.decode(spelt(BITS, "a" * 64)) == RefreshToken(SessionId("a" * 64), BITS)
