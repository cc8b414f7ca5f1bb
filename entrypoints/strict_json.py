"""JSON in which each member comes once (RFC 8259, section 4, leaves the rest to chance)."""

from typing import Any


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For ``json.loads(..., object_pairs_hook=...)``. Raises ValueError."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member comes twice")
    return members
