"""The contract of PasswordHasher, and the contract of StoredHashes."""

import pytest

from ...domain.ports.outside import PasswordHasher, StoredHashes, Verdict

PASSWORD = " Pass wörd 密码 🔑 "


class PasswordHasherContract:
    """Subclasses give the fixture ``hasher``."""

    def test_a_password_matches_its_own_hash(self, hasher: PasswordHasher) -> None:
        assert hasher.verify(PASSWORD, hasher.hash(PASSWORD)) is Verdict.MATCH

    @pytest.mark.parametrize(
        "other",
        [
            "",
            PASSWORD.strip(),
            PASSWORD.casefold(),
            PASSWORD[:-1],
            PASSWORD + "\n",
            PASSWORD + "\0",
            PASSWORD + "\0more",
            PASSWORD.replace("ö", "o\N{COMBINING DIAERESIS}"),
        ],
    )
    def test_a_password_is_judged_exactly_as_it_came(self, hasher: PasswordHasher, other: str) -> None:
        assert hasher.verify(other, hasher.hash(PASSWORD)) is Verdict.NO_MATCH

    @pytest.mark.parametrize("length", [72, 128, 4096])
    def test_a_long_password_counts_to_its_last_character(self, hasher: PasswordHasher, length: int) -> None:
        stored = hasher.hash("p" * length)
        assert hasher.verify("p" * length, stored) is Verdict.MATCH
        assert hasher.verify("p" * (length + 1), stored) is Verdict.NO_MATCH
        assert hasher.verify("p" * (length - 1) + "q", stored) is Verdict.NO_MATCH

    @pytest.mark.parametrize("password", ["", PASSWORD, "nobody's password", "\ud800"])
    def test_nobodys_hash_matches_no_password(self, hasher: PasswordHasher, password: str) -> None:
        assert hasher.verify(password, None) is Verdict.NO_MATCH

    @pytest.mark.parametrize("stored", ["", " ", "garbage", "$", "$argon2id$", PASSWORD, "密码", "\0", "\ud800"])
    def test_a_hash_of_unknown_form_matches_no_password(self, hasher: PasswordHasher, stored: str) -> None:
        assert hasher.verify(PASSWORD, stored) is Verdict.NO_MATCH
        assert hasher.verify("", stored) is Verdict.NO_MATCH

    def test_what_is_no_text_matches_nothing_and_raises_nothing(self, hasher: PasswordHasher) -> None:
        assert hasher.verify("lone \ud800 surrogate", hasher.hash(PASSWORD)) is Verdict.NO_MATCH


WEAK = ("5f4dcc3b5aa765d61d8327deb882cf99", "5F4DCC3B5AA765D61D8327DEB882CF99")
"""The MD5 of "password", in its usual spelling."""


class StoredHashesContract:
    """Subclasses give the fixtures ``hashes`` and ``hasher``, which verifies what *hashes* wraps."""

    def test_a_hash_that_the_hasher_makes_is_good(self, hashes: StoredHashes, hasher: PasswordHasher) -> None:
        stored = hasher.hash(PASSWORD)
        kind = hashes.kind_of(stored)
        assert (kind.can_log_in, kind.is_weak) == (True, False)
        assert hashes.wrap([stored]) == [None]

    @pytest.mark.parametrize("stored", [None, "", " ", "garbage", "$", "$argon2id$", PASSWORD, "密码", "\0", "\ud800"])
    def test_with_a_hash_of_unknown_form_nobody_can_log_in(self, hashes: StoredHashes, stored: str | None) -> None:
        kind = hashes.kind_of(stored)
        assert (kind.can_log_in, kind.is_weak) == (False, False)
        assert hashes.wrap([stored or ""]) == [None]

    @pytest.mark.parametrize("stored", WEAK)
    def test_a_weak_hash_that_is_wrapped_matches_as_before_and_is_weak_no_more(
        self, hashes: StoredHashes, hasher: PasswordHasher, stored: str
    ) -> None:
        assert hashes.kind_of(stored).is_weak
        [wrapped] = hashes.wrap([stored])
        assert wrapped is not None
        kind = hashes.kind_of(wrapped)
        assert (kind.can_log_in, kind.is_weak) == (True, False)
        for text in (stored, wrapped):
            assert hasher.verify("password", text) is Verdict.MATCH_OUTDATED
            assert hasher.verify("passwort", text) is Verdict.NO_MATCH
        assert stored.lower() not in wrapped.lower()
        assert hasher.verify(stored, wrapped) is Verdict.NO_MATCH

    def test_many_are_wrapped_each_in_its_place(self, hashes: StoredHashes, hasher: PasswordHasher) -> None:
        wrapped = hashes.wrap([WEAK[0], "garbage", WEAK[0]])
        assert [text is None for text in wrapped] == [False, True, False]
        assert wrapped[0] != wrapped[2], "each has a salt of its own"
        assert hashes.wrap([]) == []
