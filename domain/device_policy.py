"""How many sessions may be live at once on which devices, and which one gives way when the limit is reached."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from attrs import frozen

from .devices import EVERY_TYPE, Device, DeviceType

_TOTAL = "total"
_OVERFLOW = "overflow"
_MAX_LIMIT = 1_000


class Overflow(StrEnum):
    """Which session gives way when a newcomer exceeds a limit."""

    EVICT_OLDEST = "evict_oldest"
    EVICT_IDLE = "evict_idle"
    REJECT_NEW = "reject_new"


@frozen
class Limit:
    """At most *most* live sessions on devices of *types*, taken together."""

    types: frozenset[DeviceType]
    most: int

    def counts(self, device: Device) -> bool:
        return device.type in self.types


class PolicyInvalid(ValueError):
    """A table is not a valid device policy. The text says why, in one line."""


@frozen
class DevicePolicy:
    """Limits that are met at any moment, and what gives way. Without a limit, any number of logins may be live."""

    limits: tuple[Limit, ...] = ()
    overflow: Overflow = Overflow.EVICT_OLDEST

    @property
    def is_unlimited(self) -> bool:
        return not self.limits

    @classmethod
    def single(cls) -> Self:
        """One session: the newest login ends the one before."""
        return cls((Limit(EVERY_TYPE, 1),))

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """A policy from a table such as ``{"phone": 1, "tablet+pc": 2, "total": 3, "overflow": "evict_idle"}``.

        A key is a type, several joined by ``+``, or ``total``. Raises PolicyInvalid.
        """
        limits: list[Limit] = []
        for key, most in table.items():
            if key == _OVERFLOW:
                continue
            if not isinstance(most, int) or isinstance(most, bool) or not 0 <= most <= _MAX_LIMIT:
                raise PolicyInvalid(f"the limit of {key!r:.40} must be a whole number from 0 to {_MAX_LIMIT}")
            limit = Limit(_types_of(key), most)
            if limit.types in {other.types for other in limits}:
                raise PolicyInvalid(f"{key!r:.40} limits what another member limits already")
            limits.append(limit)
        overflow = table.get(_OVERFLOW, Overflow.EVICT_OLDEST)
        if overflow not in list(Overflow):
            raise PolicyInvalid(f"overflow must be one of {', '.join(Overflow)}")
        return cls(tuple(limits), Overflow(overflow))

    def to_table(self) -> dict[str, int | str]:
        """The table that describes this policy."""
        limits: dict[str, int | str] = {_key_of(limit.types): limit.most for limit in self.limits}
        return {**limits, _OVERFLOW: self.overflow.value}


def _types_of(key: str) -> frozenset[DeviceType]:
    if key == _TOTAL:
        return EVERY_TYPE
    try:
        return frozenset(DeviceType(part) for part in key.split("+"))
    except ValueError:
        raise PolicyInvalid(f"{key!r:.40} names no device type") from None


def _key_of(types: frozenset[DeviceType]) -> str:
    return _TOTAL if types == EVERY_TYPE else "+".join(each for each in DeviceType if each in types)
