"""How the text of a setting becomes its value. Each function raises ValueError with a text for the operator."""

import re
from collections.abc import Callable
from datetime import timedelta, tzinfo
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..domain.refresh_tokens import REUSE_GRACE
from .guarding.route_rules import Rules, parse_rules

IpNetwork = IPv4Network | IPv6Network


def text(value: str) -> str:
    if not value:
        raise ValueError("it is empty")
    return value


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= 12 and minimum <= int(value) <= maximum):
            raise ValueError(f"it must be a whole number from {minimum} to {maximum}")
        return int(value)

    return parse


def switch(value: str) -> bool:
    if value.lower() not in _SWITCH:
        raise ValueError("it must be true or false")
    return _SWITCH[value.lower()]


_SWITCH = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def choice(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return value

    return parse


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_DURATION = timedelta(days=3650)


def parse_duration(value: str) -> timedelta:
    """Seconds, or a number with ``s``, ``m``, ``h`` or ``d``. Raises ValueError with a text for the operator."""
    number, unit = (value[:-1], value[-1:]) if value[-1:] in _UNITS else (value, "s")
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        raise ValueError("it must be a duration such as 900, 15m, 12h or 7d")
    seconds = int(number) * _UNITS[unit]
    if not 1 <= seconds <= _MAX_DURATION.total_seconds():
        raise ValueError("it must be from 1 second to 3650 days")
    return timedelta(seconds=seconds)


_SHORTEST_IDLE = timedelta(minutes=5)


def idle_duration(value: str) -> timedelta:
    # The last use of a session is stored to the minute.
    found = parse_duration(value)
    if found < _SHORTEST_IDLE:
        raise ValueError("it must be 5 minutes at least")
    return found


def keep_alive_duration(value: str) -> timedelta:
    found = parse_duration(value)
    # The head of a request may take 10 seconds, and for the server the idle time before it counts as part of it.
    if not timedelta(seconds=10) <= found <= timedelta(hours=1):
        raise ValueError("it must be from 10 seconds to 1 hour")
    return found


def retry_duration(value: str) -> timedelta:
    found = parse_duration(value)
    # If it were longer, a thief would be recognised too late.
    if not REUSE_GRACE <= found <= timedelta(days=1):
        raise ValueError("it must be from 10 seconds to 1 day")
    return found


def zone(value: str) -> tzinfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("it must be a time zone such as Asia/Shanghai") from None


def origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError("it must be origins as a browser spells them, such as https://app.example.com")
    return origins


# No path, lower case, and no default port.
_ORIGIN = re.compile(
    r"(?!http://[^/]*:80$|https://[^/]*:443$)[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
)


def networks(value: str) -> tuple[IpNetwork, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("it must be addresses or networks, such as 127.0.0.1,10.0.0.0/8") from None


def address(value: str) -> str:
    try:
        return str(ip_address("127.0.0.1" if value == "localhost" else value))
    except ValueError:
        raise ValueError("it must be an IP address, such as 127.0.0.1 or 0.0.0.0") from None


def rules(value: str) -> Rules:
    return parse_rules(value)


def login_page(value: str) -> str:
    if _PAGE.fullmatch(value) is None:
        raise ValueError("it must be a path such as /login, or a URL such as https://app.example.com/login")
    return value


_PAGE = re.compile(
    r"https?://[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[1-9][0-9]{0,4})?/[A-Za-z0-9._~!$&'()*+,=:@%/?-]*"
    r"|/(?!/)[A-Za-z0-9._~!$&'()*+,=:@%/?-]*",
    re.ASCII,
)


def hosts(value: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(map(_HOST.fullmatch, found)):
        raise ValueError("it must be hosts as a browser spells them, such as app.example.com,localhost:8080")
    return found


_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:(?!80$|443$)[1-9][0-9]{0,4})?", re.ASCII)


def redis_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_usable = bool(parts.scheme in {"redis", "rediss"} and parts.hostname and parts.port != 0)
        is_known = set(parse_qs(parts.query, keep_blank_values=True)) <= _OF_A_REDIS_URL
    except ValueError:
        is_usable = is_known = False
    if not (is_usable and is_known and value.isprintable() and re.fullmatch(r"(/[0-9]{0,4})?", parts.path)):
        options = ", ".join(sorted(_OF_A_REDIS_URL))
        raise ValueError(f"it must be redis://HOST:PORT or rediss://HOST:PORT; after a ? there may be {options}")
    return value


_OF_A_REDIS_URL = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password"}


def without_password(url: str) -> str:
    """*url*, with its password masked."""
    masked = re.sub(r"(pass\w*=)[^&]*", r"\1***", url)
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", masked)
