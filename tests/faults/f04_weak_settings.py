"""F-04: with settings that are deliberately not durable: the programs can fail, and the service says what may be lost.

The database server is killed under load (PostgreSQL and MariaDB: what they have not yet written is lost with them), or
the oracle of F-02 watches SQLite. The checker must report losses; the service must warn at its start, and must not start
with REQUIRE_DURABLE. Default and long: the first losses end it, after six kills at the latest.
"""

import sys

from ..integration.databases import server_folder
from ..integration.servers import Server, free_port, only_line
from .checker import Wrong
from .f02_synced import traced_registrations
from .program import Duration, Program, Report
from .scenes import MARIADB, POSTGRESQL, SQLITE, STORES, Scene, execute, scene

_KILLS = 6
_ACKNOWLEDGED = 40
_REGISTRATIONS = 40

_WEAK = {
    # Whole pages of the log are written soon: what is on the last one is lost.
    POSTGRESQL: ("synchronous_commit=off", "wal_writer_delay=10s"),
    MARIADB: ("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-log-at-timeout=30", "--skip-log-bin"),
}
_SYNCS = {
    POSTGRESQL: ("CHECKPOINT",),
    # With the weak setting MariaDB leaves its log where it is also here.
    MARIADB: (
        "SET GLOBAL innodb_flush_log_at_trx_commit = 1",
        "FLUSH LOGS",
        "SET GLOBAL innodb_flush_log_at_trx_commit = 0",
    ),
}
_NAMES = {SQLITE: "synchronous", POSTGRESQL: "synchronous_commit", MARIADB: "innodb_flush_log_at_trx_commit"}

# As if the service set less; this cannot be set from outside.
_WEAK_SQLITE = (
    sys.executable,
    "-c",
    """
from menshen.adapters.sql.products import sqlite
set_up = sqlite._set_up
def set_up_weakly(connection):
    set_up(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
sqlite._set_up = set_up_weakly
from menshen.entrypoints.cli.main import entry_point
entry_point()
""",
)


def trial(store: str, duration: Duration) -> Report:
    report = Report()
    if store == SQLITE:
        found = traced_registrations(_WEAK_SQLITE, _REGISTRATIONS)
        report.figures |= {"acknowledged": found.answers, "before the sync, as they must be": found.too_early}
        report.require(found.answers == _REGISTRATIONS, "the trace does not show each answer")
        report.require(found.too_early == _REGISTRATIONS, "the oracle does not see the weaker setting")
        with server_folder() as folder:
            service = Server(folder / "service", command=_WEAK_SQLITE)
            service.start()
            try:
                _judge_start(report, service, store)
            finally:
                service.stop()
        return report
    with scene(store, settings=_WEAK[store]) as on:
        lost = kills = 0
        while not lost and kills < _KILLS:
            kills += 1
            lost = _losses_of_a_kill(on)
        report.figures |= {"kills": kills, "acknowledged": on.journal.acknowledged, "lost, as they must be": lost}
        report.require(lost > 0, "the checker reports no loss, whatever is killed")
        _judge_start(report, on.service, store)
    return report


def _losses_of_a_kill(on: Scene) -> int:
    # The tables and the schema's version must be there afterwards.
    for each in _SYNCS[on.store]:
        execute(on.url, each)
    load = on.load()
    with load.running():
        load.until_acknowledged(_ACKNOWLEDGED)
        on.database.kill()
    on.database.start()
    return on.checked().count(Wrong.LOST)


def _judge_start(report: Report, running: Server, store: str) -> None:
    """It warned of the setting, and refuses to start if none may be weak."""
    warned = [line for line in running.log.splitlines() if "warning" in line and _NAMES[store] in line]
    report.require(len(warned) == 1, f"no warning of {_NAMES[store]} at the start: {running.log}")
    settings = {**running.settings, "MENSHEN_REQUIRE_DURABLE": "true"}
    strict = Server(running.folder, settings, running.command, free_port())
    done = strict.process("serve")
    report.require(done.returncode != 0, "it starts with REQUIRE_DURABLE")
    line = only_line(done.stderr)
    report.require("REQUIRE_DURABLE" in line and _NAMES[store] in line, f"the refusal does not say why: {line}")
    report.figures |= {"warnings": len(warned), "exit code with REQUIRE_DURABLE": done.returncode}


if __name__ == "__main__":
    Program("F-04", trial, STORES).main()
