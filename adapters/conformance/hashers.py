"""The contract of PasswordHasher."""

import pytest

from ...domain.ports import PasswordHasher, Verdict

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
