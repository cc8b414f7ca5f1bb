"""A tutorial's ``x_user`` on each product, as the years may have left it: odd spellings, odd values, other tables."""

import hmac
import io
import sqlite3
from collections.abc import Iterable
from contextlib import closing, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from functools import cache
from hashlib import md5, pbkdf2_hmac, scrypt
from pathlib import Path
from secrets import token_hex
from typing import Any

import bcrypt
import pytest
from argon2 import PasswordHasher
from attrs import frozen
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool

from menshen.entrypoints.cli.main import main

from .databases import DatabaseServer
from .servers import strict_json

PRODUCTS = ("sqlite", "postgresql", "mariadb")

ZONE = "Asia/Shanghai"

_SECRET = token_hex(32)

COLUMNS = (
    *("id", "mid", "phone", "user_name", "openid", "password", "registration_time", "token"),
    *("account_balance", "state", "fee_percentage"),
)

_TABLE = (
    "CREATE TABLE x_user (id {id}, mid INTEGER, phone VARCHAR(80), user_name VARCHAR(80), openid VARCHAR(120),"
    " password VARCHAR({password}), registration_time {time}, token VARCHAR(255), account_balance NUMERIC(20, 4),"
    " state VARCHAR(120), fee_percentage INTEGER, PRIMARY KEY (id)) {options}"
)
_IDS = {"sqlite": "INTEGER NOT NULL", "postgresql": "SERIAL NOT NULL", "mariadb": "INTEGER NOT NULL AUTO_INCREMENT"}
_TIMES = {"sqlite": "DATETIME", "postgresql": "TIMESTAMP WITHOUT TIME ZONE", "mariadb": "DATETIME"}

THEIRS = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('deadbeef0000')",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, buyer INTEGER NOT NULL, FOREIGN KEY (buyer) REFERENCES x_user (id))",
    "INSERT INTO orders VALUES (1, 1)",
)
"""Tables of the old application, one of which points to its users."""


@frozen
class Tutorial:
    """A database that an old application has, without anything of ours."""

    product: str
    url: str

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Do as the old application does, in a session without strictness. Returns the rows of the last statement."""
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            with self.connected() as connection:
                found = connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
                rows = [tuple(row) for row in found] if found.returns_rows else []
        return rows

    def connected(self) -> Any:
        """A connection like the old application's; what it does is committed at the end."""
        arguments = {"init_command": "SET SESSION sql_mode = ''"} if self.product == "mariadb" else {}
        engine = create_engine(make_url(self.url), poolclass=NullPool, connect_args=arguments)
        return engine.begin()

    def make(self, *, password: int = 255, options: str = "") -> None:
        """The table of the tutorial, empty."""
        if self.product == "mariadb" and not options:
            options = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"
        time = _TIMES[self.product]
        self.execute(_TABLE.format(id=_IDS[self.product], time=time, password=password, options=options))

    def insert(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows, by an INSERT that names only the tutorial's columns."""
        mark = "?" if self.product == "sqlite" else "%s"
        statement = f"INSERT INTO x_user ({', '.join(COLUMNS)}) VALUES ({', '.join([mark] * len(COLUMNS))})"
        with self.connected() as connection:
            connection.exec_driver_sql(statement, [tuple(row.get(name) for name in COLUMNS) for row in rows])
            if self.product == "postgresql":
                connection.exec_driver_sql("SELECT setval('x_user_id_seq', (SELECT max(id) FROM x_user))")

    def rows(self) -> dict[int, tuple[Any, ...]]:
        """The tutorial's columns of every row, byte by byte, by id."""
        names = ", ".join(_exactly(name, self.product) for name in COLUMNS)
        return {row[0]: row for row in self.execute(f"SELECT {names} FROM x_user ORDER BY id")}

    def dump(self) -> Any:
        """The contents of the database: its schema, and the rows of each table."""
        if self.product == "sqlite":
            with closing(sqlite3.connect(make_url(self.url).database or "")) as connection:
                return list(connection.iterdump())
        is_mariadb = self.product == "mariadb"
        schema = "DATABASE()" if is_mariadb else "'public'"
        columns = self.execute(
            "SELECT table_name, column_name, data_type, character_maximum_length, column_default, is_nullable,"
            f" collation_name FROM information_schema.columns WHERE table_schema = {schema} ORDER BY 1, 2"
        )
        tables = sorted({row[0] for row in columns})
        return columns, [
            self.execute(f"SELECT {'*' if is_mariadb else f'{name}::text'} FROM {name}") for name in tables
        ]


def _exactly(name: str, product: str) -> str:
    if name == "id":
        return name
    if product == "sqlite":
        return f"typeof({name}) || ':' || hex({name})"
    if product == "mariadb":
        # A time has more digits after the adoption, and is the same.
        return "DATE_FORMAT(registration_time, '%Y-%m-%d %T')" if name == "registration_time" else f"HEX({name})"
    return f"CAST({name} AS text)"


def row(user_id: int, phone: Any, **values: Any) -> dict[str, Any]:
    """A user whose password is ``password_of(user_id)``."""
    return {
        "id": user_id,
        "phone": phone,
        "user_name": f"user {user_id}",
        "password": pbkdf2(password_of(user_id)),
        "registration_time": "2021-03-04 05:06:07",
        "token": "an.old.token",
        "account_balance": "0.0000",
        "state": "正常",
        "fee_percentage": 4,
        **values,
    }


def password_of(user_id: int) -> str:
    return f"old password {user_id}"


@cache
def pbkdf2(password: str) -> str:
    return f"pbkdf2:sha256:100$salt$${pbkdf2_hmac('sha256', password.encode(), b'salt', 100).hex()}".replace("$$", "$")


def _scrypt(password: str) -> str:
    return f"scrypt:1024:8:1$salt${scrypt(password.encode(), salt=b'salt', n=1024, r=8, p=1).hex()}"


@cache
def long_scrypt(password: str) -> str:
    """As Werkzeug makes them by default: of 162 characters."""
    salt = "saltsaltsaltsalt"
    digest = scrypt(password.encode(), salt=salt.encode(), n=32768, r=8, p=1, maxmem=2**26)
    return f"scrypt:32768:8:1${salt}${digest.hex()}"


def nasty_rows(product: str) -> list[dict[str, Any]]:
    """Every oddity at once."""
    fraction = "" if product == "mariadb" else ".123456"
    unreadable = {"sqlite": "long ago", "postgresql": "infinity", "mariadb": "2020-00-10 00:00:00"}[product]
    no_date = None if product == "postgresql" else "0000-00-00 00:00:00"
    argon2 = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
    return [
        row(
            1,
            "13800138001",
            user_name="张三 \N{PARTY POPPER}",
            password=argon2.hash(password_of(1)),
            registration_time=f"2020-01-01 07:30:15{fraction}",
            account_balance="1234567890.1234",
            fee_percentage=7,
        ),
        row(2, "+86 138-0013-8002", user_name="trailing  ", registration_time="1988-07-01 12:00:00"),
        row(3, "0086 13800138003", password=_scrypt(password_of(3)), mid=1),
        row(4, "１３８００１３８００４", password=bcrypt.hashpw(password_of(4).encode(), bcrypt.gensalt(4)).decode()),
        row(5, "13800138001"),
        row(6, "+8613800138002"),
        row(7, "12345"),
        row(8, None, openid="wechat-8"),
        row(9, ""),
        row(10, "13800138010", state="禁用"),
        {"id": 11, "phone": "13800138011"},
        row(12, "13800138012", password="plain text"),
        row(13, "13800138013 "),
        row(14, "13800138014", state="冻结"),
        row(15, "13800138015", password=_scrypt(password_of(15))[:120]),
        row(16, "13800138016", state="已注销"),
        row(17, "13800138017", registration_time=unreadable),
        row(18, "13800138018", registration_time=no_date),
        row(19, "=cmd|' /C calc'!A0"),
        row(20, "86-138 0013 8020", account_balance=None, fee_percentage=None, user_name=None),
        row(21, "13800138020"),
        row(22, "13800138022", state="注销中"),
        row(23, "13800138023", password=long_scrypt(password_of(23))),
        row(24, "13800138024", password=md5(password_of(24).encode()).hexdigest().upper()),
        row(
            25, "13800138025", password=f"sha256$salt${hmac.digest(b'salt', password_of(25).encode(), 'sha256').hex()}"
        ),
        row(26, "13800138026", state="正常 "),
        row(27, "13800138027", state=""),
        row(28, "13800138028", state="\u3000冻结\u200b\n"),
        row(29, "13800138029", state="封禁 "),
        row(30, "13800138030", state="停用"),
        row(31, "\u202d+86 (138) 0013-8031\u202c"),
        row(32, "13800138032.0"),
        row(33, "1380013803\u200b3 3", account_balance="100.5000"),
    ]


TAKEN = frozenset({1, 2, 3, 4, 8, 9, 10, 11, 12, 14, 15, 18, 20, 13, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32})
"""The ids of the nasty rows that can be taken."""

DECISIONS = ("--state", "封禁=frozen", "--state", "停用=active")
"""An operator's decisions about two of the states."""

DECIDED = frozenset({26, 28, 29, 30})
"""The rows whose state changes because of that, or because of blanks around it."""

WEAK = frozenset({24, 25})
"""The rows whose hash is wrapped at once."""

LEFT: tuple[dict[str, Any], ...] = (
    {"id": 5, "phone": "13800138001", "why": "phone_taken", "holder": 1, "account_balance": "0.0000"},
    {"id": 6, "phone": "+8613800138002", "why": "phone_taken", "holder": 2, "account_balance": "0.0000"},
    {"id": 7, "phone": "12345", "why": "phone_invalid", "holder": None, "account_balance": "0.0000"},
    {"id": 16, "phone": "13800138016", "why": "account_closed", "holder": None, "account_balance": "0.0000"},
    {
        "id": 17,
        "phone": "13800138017",
        "why": "registration_time_unreadable",
        "holder": None,
        "account_balance": "0.0000",
    },
    {"id": 19, "phone": "=cmd|' /C calc'!A0", "why": "phone_invalid", "holder": None, "account_balance": "0.0000"},
    {"id": 21, "phone": "13800138020", "why": "phone_taken", "holder": 20, "account_balance": "0.0000"},
    {
        "id": 33,
        "phone": "1380013803\u200b3 3",
        "why": "phone_invalid",
        "holder": None,
        "account_balance": "100.5000",
    },
)

CAN_LOG_IN = {
    1: "13800138001",
    2: "13800138002",
    3: "13800138003",
    4: "13800138004",
    13: "13800138013",
    18: "13800138018",
    20: "13800138020",
    24: "13800138024",
    25: "13800138025",
    26: "13800138026",
    30: "13800138030",
    31: "13800138031",
    32: "13800138032",
}
"""The rows that log in with the old password, and the number in its canonical spelling."""


def plain_rows(count: int, first: int = 1) -> Iterable[dict[str, Any]]:
    """Any number of users without oddities, except that every tenth number has another spelling."""
    begin = datetime(2015, 1, 1)
    password = pbkdf2("a password of many")
    for user_id in range(first, first + count):
        digits = f"139{user_id:08}"
        yield row(
            user_id,
            f"+86 {digits}" if user_id % 10 == 0 else digits,
            password=password,
            registration_time=str(begin + timedelta(minutes=user_id)),
        )


def new_tutorial(product: str, folder: Path, request: pytest.FixtureRequest) -> Tutorial:
    """An empty database of an old application."""
    if product == "sqlite":
        return Tutorial(product, f"sqlite:///{folder}/tutorial.sqlite3")
    server: DatabaseServer = request.getfixturevalue(product)
    return Tutorial(product, server.new_database())


def menshen_told(tutorial: Tutorial, *arguments: str) -> tuple[int, str, str]:
    """A command on the database, in this process: its code, and what it wrote to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"MENSHEN_DATABASE_URL": tutorial.url, "MENSHEN_TIME_ZONE": ZONE, "MENSHEN_SECRET_KEY": _SECRET}
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(arguments, environment)
        except SystemExit as error:
            code = int(error.code or 0)
    return code, out.getvalue(), err.getvalue()


def adopt(tutorial: Tutorial, *arguments: str) -> dict[str, Any]:
    """What ``menshen adopt --json`` tells where it succeeds."""
    code, out, err = menshen_told(tutorial, "adopt", "--json", *arguments)
    assert code == 0, err
    found = strict_json(out)
    assert isinstance(found, dict)
    return found
