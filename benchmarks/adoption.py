"""Rows per second of ``menshen adopt``, of its report and of its work, and the memory it takes, on each database.

The table is the tutorial's; one number in ten has another spelling, one in a thousand occurs twice, one in a thousand
is invalid. The servers are set up durably, and share this machine with the command. If the folder for temporary files
is kept in memory, set TMPDIR to one on a disk.
"""

import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from ..tests.integration.databases import MariaDbServer, PostgresServer, running, server_folder
    from ..tests.integration.servers import clean_environment
    from ..tests.integration.tutorial_tables import Tutorial
else:
    from menshen.tests.integration.databases import MariaDbServer, PostgresServer, running, server_folder
    from menshen.tests.integration.servers import clean_environment
    from menshen.tests.integration.tutorial_tables import Tutorial

_HASH = "pbkdf2:sha256:600000$0123456789abcdef$" + "0123456789abcdef" * 4

# How each product makes the numbers from 1 to N, and concatenates texts.
_NUMBERS = {
    "sqlite": "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s) AS s",
    "postgresql": "generate_series(1, {count}) AS s (n)",
    "mariadb": "(SELECT seq AS n FROM seq_1_to_{count}) AS s",
}
_FILL = """
    INSERT INTO x_user (id, phone, user_name, password, registration_time, token, account_balance, state, fee_percentage)
    SELECT n,
        CASE
            WHEN n % 1000 = 1 THEN {concat_bad}
            WHEN n % 10 = 0 THEN {concat_spelled}
            ELSE {concat_plain}
        END,
        'somebody', '{hash}', '2021-03-04 05:06:07', '{token}', 0, '正常', 4
    FROM {numbers}
"""


@contextmanager
def _sqlite() -> Iterator[Tutorial]:
    with server_folder() as folder:
        yield Tutorial("sqlite", f"sqlite:///{folder}/tutorial.sqlite3")


@contextmanager
def _postgresql() -> Iterator[Tutorial]:
    with server_folder() as folder, running(PostgresServer(folder / "server", ("shared_buffers=512MB",))) as server:
        yield Tutorial("postgresql", server.new_database())


@contextmanager
def _mariadb() -> Iterator[Tutorial]:
    settings = ("--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M")
    with server_folder() as folder, running(MariaDbServer(folder / "server", settings)) as server:
        yield Tutorial("mariadb", server.new_database())


PRODUCTS = {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=PRODUCTS)
    arguments = parser.parse_args()
    for name, opened in PRODUCTS.items():
        if arguments.only not in {None, name}:
            continue
        with opened() as tutorial:
            _fill(tutorial, arguments.rows)
            looking = _run(tutorial, "--dry-run")
            adopting = _run(tutorial, "--yes")
            again = _run(tutorial, "--yes")
        rows = arguments.rows
        print(
            f"{name:<10} {rows:,} rows  --dry-run {looking.shown(rows)}  adopt {adopting.shown(rows)}"
            f"  again {again.seconds:.1f} s",
            flush=True,
        )


def _fill(tutorial: Tutorial, count: int) -> None:
    is_mariadb = tutorial.product == "mariadb"
    # A number of 11 digits for each, in no order; every 777th is that of its predecessor.
    digits = "13000000000 + ((n - CASE WHEN n % 777 = 0 THEN 1 ELSE 0 END) * 7654321) % 999999937"

    def glued(prefix: str) -> str:
        if is_mariadb:
            return f"CONCAT('{prefix}', {digits})"
        return f"'{prefix}' || CAST({digits} AS TEXT)"

    if tutorial.product == "postgresql":
        digits = digits.replace("(n -", "(n::bigint -")
    statement = _FILL.format(
        concat_bad="'no number'",
        concat_spelled=glued("+86 "),
        concat_plain=glued(""),
        hash=_HASH,
        token="t" * 180,
        numbers=_NUMBERS[tutorial.product].format(count=count),
    )
    tutorial.make()
    tutorial.execute(statement)


# The peak that getrusage reports for a new process may be its parent's; VmHWM is its own.
_MEASURED = """
import resource, sys
from pathlib import Path
from menshen.entrypoints.cli.main import main
code = main(sys.argv[1:])
[peak] = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
used = resource.getrusage(resource.RUSAGE_SELF)
print(peak, used.ru_utime + used.ru_stime, file=sys.stderr)
sys.exit(code)
"""


@frozen
class _Run:
    """What one run of the command took."""

    seconds: float
    cpu_seconds: float
    mebibytes: float

    def shown(self, rows: int) -> str:
        return (
            f"{self.seconds:5.1f} s ({self.cpu_seconds:5.1f} s of its own work), {rows / self.seconds:>7,.0f} rows/s,"
            f" {self.mebibytes:3.0f} MiB"
        )


def _run(tutorial: Tutorial, *arguments: str) -> _Run:
    environment = clean_environment({"MENSHEN_DATABASE_URL": tutorial.url, "MENSHEN_TIME_ZONE": "Asia/Shanghai"})
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "adopt", *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begin
    peak, cpu_seconds = done.stderr.splitlines()[-1].split()
    return _Run(seconds, float(cpu_seconds), int(peak) / 1024)


if __name__ == "__main__":
    main()
