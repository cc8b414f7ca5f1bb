"""Logging that never makes a request wait."""

import json
import logging
import queue
import sys
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

_MAX_WAITING_LINES = 10_000


class _JsonFormatter(logging.Formatter):
    """One JSON object a line: text from users is encoded and cannot forge a line (ASVS 16.4.1)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "event", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _LossyQueueHandler(QueueHandler):
    """Hands lines to another thread, and drops them if it cannot write: a full disk stops no login (16.5.3)."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.queue.put_nowait(record)


def start_logging(stream: TextIO = sys.stderr) -> QueueListener:
    """Write all records of menshen to *stream*, one JSON object a line. ``stop_logging`` writes out the rest."""
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_MAX_WAITING_LINES)
    writer = logging.StreamHandler(stream)
    writer.setFormatter(_JsonFormatter())
    listener = QueueListener(lines, writer)
    root = logging.getLogger("menshen")
    root.handlers[:] = [_LossyQueueHandler(lines)]
    root.setLevel(logging.INFO)
    root.propagate = False
    listener.start()
    return listener


def stop_logging(listener: QueueListener) -> None:
    """Write out what is waiting, for at most a second: a stuck sink must not delay the end."""
    thread = listener._thread
    with suppress(queue.Full):
        listener.enqueue_sentinel()
        if thread is not None:
            thread.join(timeout=1)
