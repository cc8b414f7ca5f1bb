"""Device policies as operators write them: ``multi``, ``single``, or a table in JSON."""

import json

from ..domain.device_policy import DevicePolicy, PolicyInvalid
from .strict_json import without_duplicates


def parse_device_policy(text: str) -> DevicePolicy:
    """Raises PolicyInvalid, with a line for the operator."""
    if text == "multi":
        return DevicePolicy()
    if text == "single":
        return DevicePolicy.single()
    try:
        table = json.loads(text, object_pairs_hook=without_duplicates)
    except (ValueError, RecursionError):
        table = None
    if not isinstance(table, dict):
        raise PolicyInvalid("it must be multi, single or a JSON object that names each limit once")
    policy = DevicePolicy.from_table(table)
    if policy.is_unlimited:
        raise PolicyInvalid("the table has no limit")
    return policy


def device_policy_text(policy: DevicePolicy) -> str:
    """The text that parse_device_policy reads as this policy."""
    if policy.is_unlimited:
        return "multi"
    return "single" if policy == DevicePolicy.single() else json.dumps(policy.to_table())
