"""The audit log in memory."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from attrs import evolve, frozen

from ...domain.audit import Action, AuditEntry, AuditEvent, AuditId, EntryKind
from ...domain.users import UserId
from .store import MemoryStore

_PRUNED = "pruned"


@frozen
class MemoryAuditTrail:
    """AuditTrail over a MemoryStore."""

    store: MemoryStore

    def find(
        self, *, subject: UserId | None, before: AuditId | None, limit: int, kind: EntryKind = EntryKind.ALL
    ) -> Sequence[AuditEntry]:
        with self.store.step():
            found = [
                entry
                for _, entry in sorted(self.store.audit.items(), key=lambda item: item[0], reverse=True)
                if (subject is None or entry.event.subject == subject)
                and (before is None or entry.id < before)
                and (kind is EntryKind.ALL or (entry.event.action == Action.READ) is (kind is EntryKind.READS))
            ]
        return found[:limit]


@frozen
class MemoryAuditWriter:
    """AuditWriter and AuditPruning over a MemoryStore."""

    store: MemoryStore

    def append(self, event: AuditEvent) -> None:
        self._add(event, None)

    def count(self, event: AuditEvent, window: timedelta) -> None:
        likeness = event.likeness(window)
        with self.store.step():
            found = next((entry for entry in self.store.audit.values() if entry.likeness == likeness), None)
            if found is None:
                self._add(event, likeness)
            else:
                self.store.put(self.store.audit, found.id, found.counting(event))

    def _add(self, event: AuditEvent, likeness: str | None) -> None:
        with self.store.step():
            self.store.audit_entries_ever += 1
            entry = AuditEntry(id=AuditId(self.store.audit_entries_ever), event=event, likeness=likeness)
            self.store.put(self.store.audit, entry.id, entry)

    def erase_details(self, subject: UserId, actions: Collection[str]) -> None:
        with self.store.step():
            for entry in list(self.store.audit.values()):
                if entry.event.subject == subject and entry.event.action in actions:
                    without = evolve(entry, event=evolve(entry.event, detail=None))
                    self.store.put(self.store.audit, entry.id, without)

    def prune(self, before: datetime, limit: int) -> int:
        with self.store.step():
            old = sorted((entry.event.at, entry.id) for entry in self.store.audit.values() if entry.event.at < before)
            for _, entry_id in old[:limit]:
                self.store.remove(self.store.audit, entry_id)
            return len(old[:limit])

    def earliest(self, since: datetime | None) -> datetime | None:
        with self.store.step():
            moments = [entry.event.at for entry in self.store.audit.values()]
        return min((at for at in moments if since is None or at >= since), default=None)

    def pruned_at(self) -> datetime | None:
        with self.store.step():
            return self.store.marks.get(_PRUNED)

    def note_pruned(self, at: datetime) -> None:
        with self.store.step():
            self.store.put(self.store.marks, _PRUNED, at)
