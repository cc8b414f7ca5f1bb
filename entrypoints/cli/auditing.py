"""``menshen audit`` and ``menshen prune``."""

from typing import Any

from ...domain.audit import AuditEntry, EntryKind
from .output import DONE, Commands, Context, number, print_record, print_table

_COLUMNS = ("id", "time", "actor", "action", "outcome", "subject", "detail", "times", "address")


def add_audit_commands(commands: Commands) -> None:
    """``menshen audit`` and ``menshen prune``."""
    audit = commands.add_parser("audit", help="what happened, newest first")
    audit.add_argument("--user", help="a phone number or an id: only what is about this user")
    audit.add_argument("--before", type=number, metavar="ID", help="the last id of the page before")
    audit.add_argument(
        "--kind",
        choices=[each.value for each in EntryKind],
        default=EntryKind.ACTS.value,
        help="what was done (the default), what was looked at, or all",
    )
    audit.add_argument("--limit", type=number, default=100, help="at most 100")
    audit.add_argument("--json", action="store_true", help="for programs")
    audit.set_defaults(run=_audit)

    prune = commands.add_parser("prune", help="forget old sessions and audit entries, erase closed accounts")
    prune.add_argument(
        "--clock-is-right",
        action="store_true",
        help="what is old is deleted by the clock as it is, though nothing is known of the days before",
    )
    prune.add_argument("--json", action="store_true", help="for programs")
    prune.set_defaults(run=_prune)


def _audit(context: Context) -> int:
    arguments = context.arguments
    with context.service() as service:
        subject = None
        if arguments.user is not None:
            subject = service.browse.named(arguments.user, caller=context.operator())
        entries = service.browse.audit(
            subject=subject,
            before=arguments.before,
            limit=arguments.limit,
            kind=EntryKind(arguments.kind),
            caller=context.operator(),
        )
    print_table([_record(context, entry) for entry in entries], _COLUMNS, as_json=arguments.json)
    return DONE


def _prune(context: Context) -> int:
    with context.service() as service:
        pruned = service.prune(vouched_by=context.operator() if context.arguments.clock_is_right else None)
    record = {"sessions": pruned.sessions, "audit_entries": pruned.audit_entries, "accounts": pruned.accounts}
    print_record(record, as_json=context.arguments.json)
    return DONE


def _record(context: Context, entry: AuditEntry) -> dict[str, Any]:
    event = entry.event
    return {
        "id": entry.id,
        "time": context.local(event.at),
        "actor": event.actor.text,
        "action": str(event.action),
        "outcome": event.outcome,
        "subject": event.subject,
        "detail": event.detail,
        "session_id": event.session_id,
        "device_type": None if event.device is None else event.device.type.value,
        "device_name": None if event.device is None else event.device.name,
        "address": event.address,
        "times": entry.times,
        "last_time": context.local(entry.last_at),
        "shown": event.shown,
    }
