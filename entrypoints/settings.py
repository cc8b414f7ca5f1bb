"""The settings: one class, with the valid values of each. ``environment.py`` reads them."""

from collections.abc import Callable
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any

import attrs

from ..domain.device_policy import DevicePolicy
from ..domain.passwords import STRICT_MINIMUM
from .device_policies import parse_device_policy
from .guarding.route_rules import Rules
from .setting_values import (
    IpNetwork,
    address,
    choice,
    hosts,
    idle_duration,
    keep_alive_duration,
    login_page,
    networks,
    origins,
    parse_duration,
    redis_url,
    retry_duration,
    rules,
    switch,
    text,
    whole,
    without_password,
    zone,
)

PREFIX = "MENSHEN_"

MEMORY_URL = "memory://"


class SettingInvalid(Exception):
    """A setting has a value that cannot be used. The text is one line that names the setting."""


def _mask(_value: str) -> str:
    return "********"


def _setting(
    parse: Callable[[str], Any],
    doc: str,
    *,
    default: Any,
    default_text: str | None = None,
    show: Callable[[Any], str] | None = None,
) -> Any:
    """A field that an operator may set.

    *default_text* is the default as text, if str() does not give it; *show* prints a value that has a secret.
    """
    return attrs.field(
        default=default,
        repr=show is None,
        metadata={"parse": parse, "doc": doc, "default_text": default_text, "show": show},
    )


@attrs.frozen(kw_only=True)
class Settings:
    """Every setting, with its default."""

    data_dir: Path = _setting(
        lambda value: Path(text(value)),
        "The folder of the embedded database and of the secret that `serve` makes.",
        default=Path("menshen-data"),
        default_text="./menshen-data",
    )
    database_url: str | None = _setting(
        text,
        "Where the accounts are kept: `sqlite:///PATH`, `postgresql+psycopg://...`, `mysql+pymysql://...` (MariaDB), or "
        "`memory://` for a demo that forgets everything (docs/stores.md).",
        default=None,
        default_text="`menshen.sqlite3` in the data folder",
        show=without_password,
    )
    database_url_file: Path | None = _setting(
        lambda value: Path(text(value)),
        "A file that holds `DATABASE_URL` instead, as a secret of Docker or Kubernetes does; a line break at its end does "
        "not count.",
        default=None,
    )
    database_connections: int = _setting(
        whole(1, 1000), "How many connections to a database server each worker process may have.", default=10
    )
    require_durable: bool = _setting(
        switch,
        "`true`: `serve` refuses to start where the database may lose what was acknowledged. `false`: it warns.",
        default=False,
        default_text="false",
    )
    require_tls: bool = _setting(
        switch,
        "`true`: no command connects to a database over a network without TLS that verifies its certificate and name. `false`: "
        "`serve` warns.",
        default=False,
        default_text="false",
    )
    redis_url: str | None = _setting(
        redis_url,
        "`redis://HOST` or `rediss://HOST` (TLS), with `USER:PASSWORD@` before the host: the one Redis by which all processes "
        "with the same store of another package tell each other of changes, so that it can be remembered; databases tell "
        "themselves, and do not use it (docs/stores.md).",
        default=None,
        show=without_password,
    )
    redis_url_file: Path | None = _setting(
        lambda value: Path(text(value)),
        "A file that holds `REDIS_URL` instead; a line break at its end does not count.",
        default=None,
    )
    secret_key: str | None = _setting(
        text,
        "The secret that signs the tokens, at least 32 bytes; the same on every machine.",
        default=None,
        default_text="made by `serve` in the data folder",
        show=_mask,
    )
    secret_key_file: Path | None = _setting(
        lambda value: Path(text(value)),
        "A file that holds the secret instead; a line break at its end does not count.",
        default=None,
    )
    host: str = _setting(address, "The address that `serve` listens on.", default="127.0.0.1")
    port: int = _setting(whole(1, 65535), "The port that `serve` listens on.", default=8000)
    keep_alive: timedelta = _setting(
        keep_alive_duration,
        "How long `serve` keeps a connection open on which nothing is asked for, 10 seconds to 1 hour: longer than the proxy or "
        "balancer in front does, or it answers 502 now and then. (Other systems than Linux: 10 seconds.)",
        default=timedelta(seconds=75),
        default_text="75s",
    )
    workers: int = _setting(whole(1, 64), "How many processes serve; one for each core is plenty.", default=1)
    access_token_ttl: timedelta = _setting(
        parse_duration,
        "How long an access token lasts: seconds, or a number with `m`, `h` or `d`; never longer than its session.",
        default=timedelta(days=7),
        default_text="7d",
    )
    refresh_token_ttl: timedelta = _setting(
        parse_duration,
        "How long a refresh token can be used; never shorter than its session may be idle.",
        default=timedelta(days=30),
        default_text="30d",
    )
    refresh_retry: timedelta = _setting(
        retry_duration,
        "For how long a refresh whose answer was lost can be repeated, while nobody has used the token that it brought; 10 "
        "seconds at least, a day at most.",
        default=timedelta(minutes=10),
        default_text="10m",
    )
    session_ttl: timedelta | None = _setting(
        parse_duration,
        "How long a session lasts at the most.",
        default=None,
        default_text="30d, or `ACCESS_TOKEN_TTL` if longer",
    )
    session_idle_ttl: timedelta | None = _setting(
        idle_duration,
        "How long a session lasts without being used; 5 minutes at least, known to the minute.",
        default=None,
        default_text="14d, or `ACCESS_TOKEN_TTL` if longer",
    )
    remember_session_ttl: timedelta = _setting(
        parse_duration,
        "The same as `SESSION_TTL`, for a login with `remember`; never shorter than that.",
        default=timedelta(days=180),
        default_text="180d",
    )
    remember_session_idle_ttl: timedelta = _setting(
        idle_duration,
        "The same as `SESSION_IDLE_TTL`, for a login with `remember`; never shorter than that.",
        default=timedelta(days=60),
        default_text="60d",
    )
    device_policy: DevicePolicy | None = _setting(
        parse_device_policy,  # PolicyInvalid is a ValueError that says why
        "Which sessions live side by side: `multi`, `single`, or a table such as "
        '`{"phone": 1, "pc": 1, "total": 3, "overflow": "evict_oldest"}` (docs/device-policies.md).',
        default=None,
        default_text="what `MULTI_DEVICE_LOGIN` says",
    )
    multi_device_login: bool = _setting(
        switch,
        "`true`: logins live side by side. `false`: the newest login of a user ends the others.",
        default=True,
        default_text="true",
    )
    end_sessions_by_password: bool = _setting(
        switch,
        "`true`: a user signs other devices out with the password, or within 10 minutes of his login. `false`: at any time, for "
        "clients that cannot ask for it.",
        default=True,
        default_text="true",
    )
    always_http_200: bool = _setting(
        switch,
        "`true`: every answer of register, login and user_info has HTTP status 200, for clients that know no other.",
        default=False,
        default_text="false",
    )
    time_zone: tzinfo | None = _setting(
        zone,
        "The zone of `time` and `registration_time`, such as `Asia/Shanghai`.",
        default=None,
        default_text="the machine's",
    )
    language: str = _setting(
        choice("zh", "en"), "The language of `msg` where the client asks for none: `zh` or `en`.", default="zh"
    )
    password_policy: str = _setting(
        choice("contract", "strict"),
        "The rule for new passwords. `contract`: 6 to 32 characters. `strict`, for production: 8 to 128, none of the "
        "3,000 most common, none that holds the phone number or the user name.",
        default="contract",
    )
    password_min_length: int = _setting(
        whole(STRICT_MINIMUM, 15), "The least length under `strict`, 8 to 15.", default=STRICT_MINIMUM
    )
    argon2_memory_kib: int = _setting(
        whole(8 * 1024, 256 * 1024), "Memory of one password hash, in KiB (OWASP: 19 MiB).", default=19 * 1024
    )
    argon2_time_cost: int = _setting(whole(1, 16), "Passes of one password hash (OWASP: 2).", default=2)
    argon2_parallelism: int = _setting(whole(1, 16), "Lanes of one password hash (OWASP: 1).", default=1)
    remembered: int = _setting(
        whole(0, 1_000_000),
        "For how many tokens each worker remembers whom they let in, as long as it knows that nothing has changed "
        "(docs/decisions/0012), and for ten times as many that their signature is verified; 0 for none.",
        default=10_000,
    )
    issuer: str = _setting(text, "`iss` of the tokens: who gives them out.", default="menshen")
    audience: str = _setting(text, "`aud` of the tokens: whom they are for.", default="menshen-users")
    admin_audience: str = _setting(text, "`aud` of the tokens of admins.", default="menshen-admins")
    admin_access_token_ttl: timedelta = _setting(
        parse_duration, "How long the token of an admin lasts.", default=timedelta(minutes=15), default_text="15m"
    )
    account_closing_grace: timedelta = _setting(
        parse_duration,
        "How long a closed account can be taken back by logging in, before it is erased.",
        default=timedelta(days=7),
        default_text="7d",
    )
    audit_retention: timedelta = _setting(
        parse_duration, "How long the audit log is kept.", default=timedelta(days=180), default_text="180d"
    )
    cors_origins: tuple[str, ...] = _setting(
        origins,
        "The origins of browser apps that may call the API, such as `https://app.example.com`, separated by commas.",
        default=(),
    )
    trusted_proxies: tuple[IpNetwork, ...] = _setting(
        networks,
        "Addresses or networks of your own proxies, separated by commas. Only from these is `X-Forwarded-For` believed, "
        "and only they may ask for forward-auth.",
        default=(),
    )
    forward_rules: Rules | None = _setting(
        rules,
        "Who gets where behind a proxy that asks menshen about each request, such as `open GET /news; user /orders/**`; nobody "
        "gets anywhere else (docs/forward-auth.md).",
        default=None,
    )
    forward_rules_file: Path | None = _setting(
        lambda value: Path(text(value)),
        "A file that holds `FORWARD_RULES` instead, one rule a line.",
        default=None,
    )
    cookie: bool = _setting(
        switch,
        "`true`: `serve` also keeps users of browsers logged in by the cookie `__Host-menshen` (docs/forward-auth.md).",
        default=False,
        default_text="false",
    )
    login_page: str | None = _setting(
        login_page,
        "Where a browser is sent that is not logged in, with `COOKIE` and `FORWARD_RULES`: a URL, or a path on its own host.",
        default=None,
    )
    return_hosts: tuple[str, ...] = _setting(
        hosts,
        "The hosts from which it is sent there, and to which it comes back, such as `app.example.com`, separated by commas.",
        default=(),
    )


def variable(field: "attrs.Attribute[Any]") -> str:
    """The environment variable for *field*."""
    return PREFIX + field.name.upper()
