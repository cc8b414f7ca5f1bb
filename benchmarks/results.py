"""The figures of a run, kept until docs/performance.md is written from them (`benchmarks/report.py`)."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / ".bench"


def keep(name: str, figures: Any) -> None:
    """Keep what the benchmark *name* has measured, in place of what it measured before."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


def kept(name: str) -> Any:
    """What *name* has measured, or None."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


class Said:
    """Prints lines, and keeps them as the figures of the benchmark *name*."""

    def __init__(self, name: str) -> None:
        self._name, self._lines = name, list[str]()

    def __call__(self, line: str) -> None:
        print(line, flush=True)
        self._lines.append(line)
        keep(self._name, {"name": self._name, "lines": self._lines})
