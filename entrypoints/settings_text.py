"""The settings as text, as an operator would write them."""

from datetime import timedelta

import attrs

from ..domain.device_policy import DevicePolicy
from .device_policies import device_policy_text
from .settings import Settings, variable


def shown(settings: Settings) -> dict[str, str]:
    """Every setting under its variable's name, as text; secrets masked."""
    table = {}
    for field in attrs.fields(Settings):
        value = getattr(settings, field.name)
        if field.metadata["show"] is not None and value is not None:
            table[variable(field)] = field.metadata["show"](value)
        elif value == field.default and field.metadata["default_text"] is not None:
            table[variable(field)] = field.metadata["default_text"].replace("`", "")
        else:
            table[variable(field)] = written(value)
    return table


def written(value: object) -> str:
    """The text of a setting with this value."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    if isinstance(value, timedelta):
        return str(int(value.total_seconds()))
    if isinstance(value, DevicePolicy):
        return device_policy_text(value)
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
