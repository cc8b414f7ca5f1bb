"""``menshen migrate``."""

from ..databases import open_migrations
from .output import DONE, REFUSED, Commands, Context, note


def add_migrate_command(commands: Commands) -> None:
    """``menshen migrate``."""
    parser = commands.add_parser("migrate", help="bring the tables of the database to the newest version")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--check", action="store_true", help="change nothing; 1 if there is something to do")
    only.add_argument("--sql", action="store_true", help="change nothing; show the statements")
    parser.set_defaults(run=_migrate)


def _migrate(context: Context) -> int:
    with open_migrations(context.settings, say=note) as migrations:
        if context.arguments.sql:
            print(migrations.statements(), end="")
            return DONE
        if not migrations.are_due():
            if not context.arguments.check:
                migrations.watch_again()
            print("the database is up to date")
            return DONE
        if context.arguments.check:
            note("the database is behind: run `menshen migrate`")
            return REFUSED
        # Another process may just have done it.
        print("the database has been migrated" if migrations.carry_out() else "the database is up to date")
        return DONE
