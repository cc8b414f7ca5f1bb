"""Reading the settings from the environment: each of our variables is understood, or refused."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ..domain.device_policy import DevicePolicy
from .guarding.route_rules import Rules, parse_rules
from .secret_text import read_secret_text
from .setting_values import redis_url
from .settings import MEMORY_URL, PREFIX, SettingInvalid, Settings, variable

# For a Service called menshen, Kubernetes sets these in every pod of its namespace
# (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
_OF_KUBERNETES = re.compile(
    rf"{PREFIX}(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)", re.ASCII
)
_PORT = f"{PREFIX}PORT"
_PORT_OF_KUBERNETES = re.compile(r"(tcp|udp|sctp)://\S+", re.ASCII)


def read_settings(environ: Mapping[str, str], say: Callable[[str], None] = lambda line: None) -> Settings:
    """The settings in *environ*, with defaults for the rest. Variables that are ignored are *said*.

    A variable with our prefix that is not a setting is refused: a typo would silently do nothing, and leave open what
    should be closed. Raises SettingInvalid, without any secret in it.
    """
    zone = environ.get("TZ")
    environ = {name: text for name, text in environ.items() if _is_ours(name, text, say)}
    values: dict[str, Any] = {}
    for field in attrs.fields(Settings):
        name = variable(field)
        if name not in environ:
            continue
        try:
            values[field.name] = field.metadata["parse"](environ[name])
        except ValueError as error:
            shown = "" if field.metadata["show"] else f" ({environ[name]!r:.80})"
            raise SettingInvalid(f"{name}{shown}: {error}") from None
    for name in ("database_url", "redis_url", "secret_key", "forward_rules"):
        if name in values and f"{name}_file" in values:
            raise SettingInvalid(f"{PREFIX}{name.upper()} and {PREFIX}{name.upper()}_FILE are both set; set one")
    for url in ("database_url", "redis_url"):
        if f"{url}_file" in values:
            values[url] = _url_in(values[f"{url}_file"], f"{PREFIX}{url.upper()}_FILE")
    if "redis_url_file" in values:
        try:
            redis_url(values["redis_url"])
        except ValueError as error:
            raise SettingInvalid(f"{PREFIX}REDIS_URL_FILE: {values['redis_url_file']}: {error}") from None
    if "forward_rules_file" in values:
        values["forward_rules"] = _rules_in(values["forward_rules_file"])
    if "time_zone" not in values:
        values["time_zone"] = machine_zone(zone, _LOCALTIME)
    _check_together(Settings(**values))
    return Settings(**values)


def _url_in(path: Path, name: str) -> str:
    """What the file that the variable *name* names holds. Raises SettingInvalid."""
    found = read_secret_text(path, name).decode("utf-8", "surrogateescape")
    if not found:
        raise SettingInvalid(f"{name}: {path} is empty")
    return found


def _rules_in(path: Path) -> Rules:
    """Raises SettingInvalid that names the line."""
    name = f"{PREFIX}FORWARD_RULES_FILE"
    shown = str(path) if str(path).isprintable() else repr(str(path))
    try:
        return parse_rules(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingInvalid(f"{name}: {shown} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise SettingInvalid(f"{name}: {shown}: {error}") from None


def machine_zone(name: str | None, localtime: Path) -> ZoneInfo | None:
    """The zone named by the variable ``TZ``, with the value *name*, or by the link at *localtime*; None to let C
    decide.

    Without a zone database on the machine, C silently treats every name as UTC, hours off; we have our own database.
    Raises SettingInvalid for a name that is in neither.
    """
    if name is None:
        # A container's image may have the link, but not its target.
        if not localtime.is_symlink() or localtime.exists():
            return None
        name = str(localtime.readlink()).rpartition("zoneinfo/")[2]
    name = name.removeprefix(":")
    if not name or _POSIX_ZONE.fullmatch(name) or (Path(name).is_absolute() and Path(name).is_file()):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingInvalid(
            f"TZ ({name!r:.80}) is no time zone that is known here: set it, or {PREFIX}TIME_ZONE, to one such as Asia/Shanghai"
        ) from None


# As in tzset(3): a name of letters or in angle brackets, the offset from UTC, and optionally the rule for summer time.
_POSIX_ZONE = re.compile(r"(<[A-Za-z0-9+-]{3,}>|[A-Za-z]{3,})[+-]?[0-9]{1,2}(:[0-9]{2}){0,2}\S*", re.ASCII)
_LOCALTIME = Path("/etc/localtime")


def _is_ours(name: str, text: str, say: Callable[[str], None]) -> bool:
    """Whether the variable is a setting. Raises SettingInvalid for one that only looks like it."""
    if not name.startswith(PREFIX) or _OF_KUBERNETES.fullmatch(name):
        return False
    if name == _PORT and _PORT_OF_KUBERNETES.fullmatch(text):
        say(f"{_PORT} ({text:.80}) is passed over: Kubernetes sets it for a Service called menshen")
        return False
    known = [variable(field) for field in attrs.fields(Settings)]
    if name not in known:
        close = difflib.get_close_matches(name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1)
        raise SettingInvalid(f"{name} is no setting" + (f"; did you mean {PREFIX}{close[0]}?" if close else ""))
    return True


def _check_together(settings: Settings) -> None:
    """Raises SettingInvalid if one setting contradicts another."""
    if settings.database_url == MEMORY_URL and settings.workers > 1:
        raise SettingInvalid(f"{PREFIX}WORKERS: {MEMORY_URL} is the memory of one process; it must be 1")
    single = DevicePolicy.single()
    if not settings.multi_device_login and (settings.device_policy or single) != single:
        raise SettingInvalid(f"{PREFIX}MULTI_DEVICE_LOGIN=false contradicts {PREFIX}DEVICE_POLICY; set one")
    if settings.audience == settings.admin_audience:
        raise SettingInvalid(
            f"{PREFIX}AUDIENCE and {PREFIX}ADMIN_AUDIENCE must differ, or users' tokens open admin routes"
        )
