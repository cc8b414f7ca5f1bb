"""The contract of Seal."""

import pytest

from ...domain.ports.outside import Seal

TEXTS = ["", "a", "a" * 31, "a" * 32, "a" * 33, "令牌" * 500]


class SealContract:
    """Subclasses give the fixture ``seal``."""

    @pytest.mark.parametrize("text", TEXTS)
    def test_what_was_sealed_is_opened_for_the_same_purpose_alone(self, seal: Seal, text: str) -> None:
        sealed = seal.seal(text, "one")
        assert seal.open(sealed, "one") == text
        assert seal.open(sealed, "another") is None

    def test_it_is_one_word_of_plain_characters(self, seal: Seal) -> None:
        sealed = seal.seal("a text; with, signs", "one")
        assert sealed.isascii()
        assert not set(sealed) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")

    def test_two_seals_of_one_text_are_never_the_same(self, seal: Seal) -> None:
        assert seal.seal("a text", "one") != seal.seal("a text", "one")

    @pytest.mark.parametrize("text", ["", "x", "a text", "\0", "令", "\ud800", "A" * 64, "A" * 65, "_" * 100_000])
    def test_what_nobody_sealed_is_not_opened(self, seal: Seal, text: str) -> None:
        assert seal.open(text, "one") is None

    def test_what_was_cut_or_has_anything_around_it_is_not_opened(self, seal: Seal) -> None:
        sealed = seal.seal("a text", "one")
        for changed in (sealed[:-1], sealed[1:], sealed + "A", sealed + "=", f" {sealed}", f"{sealed}\n", sealed * 2):
            assert seal.open(changed, "one") is None, changed
