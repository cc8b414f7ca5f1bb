"""Devices: what a login says it is made on."""

from enum import StrEnum

from attrs import frozen

from .errors import DeviceInvalid
from .texts import is_plain

MAX_DEVICE_ID_LENGTH = 128
MAX_DEVICE_NAME_LENGTH = 64


class DeviceType(StrEnum):
    """The kinds of devices that a policy can tell apart."""

    PHONE = "phone"
    TABLET = "tablet"
    PC = "pc"
    WEB = "web"
    MINI_PROGRAM = "mini_program"
    OTHER = "other"
    """What a client is that does not say."""


EVERY_TYPE = frozenset(DeviceType)


@frozen
class Device:
    """A device as it describes itself. None of it is proof of anything."""

    type: DeviceType = DeviceType.OTHER
    id: str | None = None
    name: str | None = None

    def check(self) -> None:
        """Raises DeviceInvalid for what cannot be kept and shown as it is."""
        # An empty id would make one device of all that send it.
        if self.id == "" or not is_plain(self.id or "", MAX_DEVICE_ID_LENGTH):
            raise DeviceInvalid
        if not is_plain(self.name or "", MAX_DEVICE_NAME_LENGTH):
            raise DeviceInvalid


@frozen(kw_only=True)
class Client:
    """Where a request comes from: the device it speaks of, and what the transport saw."""

    device: Device = Device()
    remember: bool = False
    address: str | None = None
    user_agent: str | None = None


NO_CLIENT = Client()
"""For what no client asked for."""
