"""The contract of RandomIds, as far as it can be seen from outside."""

import re

from ...domain.ports.outside import RandomIds

# 128 bits are 22 characters of 6; the store keeps up to 64.
_FORM = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)


class RandomIdsContract:
    """Subclasses give the fixture ``ids``."""

    def test_no_id_comes_twice(self, ids: RandomIds) -> None:
        assert len({ids.new_id() for _ in range(1000)}) == 1000

    def test_an_id_is_url_safe_and_long_enough_to_hold_128_bits(self, ids: RandomIds) -> None:
        assert all(_FORM.fullmatch(ids.new_id()) for _ in range(100))
