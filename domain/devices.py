"""Devices: what a login says it is made on."""

from enum import StrEnum

from attrs import field, frozen

from .errors import Refusal
from .texts import is_plain

MAX_DEVICE_ID_LENGTH = 128
MAX_DEVICE_NAME_LENGTH = 64


class DeviceInvalid(Refusal):
    """The device has an unknown type, or an id or a name that cannot be kept."""

    reason = "device_invalid"


class DeviceType(StrEnum):
    """The kinds of device that a policy can tell apart."""

    PHONE = "phone"
    TABLET = "tablet"
    PC = "pc"
    WEB = "web"
    MINI_PROGRAM = "mini_program"
    OTHER = "other"
    """The type of a client that names none."""


EVERY_TYPE = frozenset(DeviceType)

# How languages write a null, what systems give an app that may not know the id, and ids that a whole series shares.
_PLACEHOLDERS = frozenset(
    {"undefined", "null", "(null)", "<null>", "nil", "none", "nan", "n/a", "unknown", "unavailable", "[object object]"}
    | {"9774d56d682e549c", "0123456789abcdef", "02:00:00:00:00:00"}
)
_FILLING = str.maketrans("", "", "-:._ {}()")


def known_id(text: str | None) -> str | None:
    """*text*, or None if it is a placeholder, which identifies no device.

    All devices that send the same one would count as one device, and each login would log the others out.
    """
    if text is None:
        return None
    folded = text.strip().lower()
    characters = set(folded.translate(_FILLING))
    return None if folded in _PLACEHOLDERS or characters in ({"0"}, {"f"}) else text


@frozen
class Device:
    """A device as it describes itself. None of it is proof of anything."""

    type: DeviceType = DeviceType.OTHER
    id: str | None = field(default=None, converter=known_id)
    name: str | None = None

    def check(self) -> None:
        """Raises DeviceInvalid for what cannot be kept and shown as it is."""
        # With an empty id, all that send it would count as one device.
        if self.id == "" or not is_plain(self.id or "", MAX_DEVICE_ID_LENGTH):
            raise DeviceInvalid
        if not is_plain(self.name or "", MAX_DEVICE_NAME_LENGTH):
            raise DeviceInvalid


@frozen(kw_only=True)
class Client:
    """Where a request comes from: the device it names, and what the transport saw."""

    device: Device = Device()
    remember: bool = False
    address: str | None = None
    user_agent: str | None = None


NO_CLIENT = Client()
"""For events that no client asked for."""
