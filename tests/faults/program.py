"""What the programs of this folder have in common: a line of figures for each store, and an exit code."""

import argparse
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

import pytest
from attrs import define, field, frozen

from .checker import Findings, Wrong

LEFT_OUT = "left out"
"""In the line of a trial that this machine does not allow."""

_SHOWN = 20
"""How many pieces of evidence are printed."""


@define
class Report:
    """The result of a trial: figures for the line, and each broken criterion with its evidence."""

    figures: dict[str, object] = field(factory=dict)
    broken: list[str] = field(factory=list)

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            self.broken.append(what)

    def take(self, findings: Findings) -> None:
        """Add the findings of a checker; each is a broken criterion."""
        self.figures |= {"acknowledged": findings.acknowledged, "unknown": findings.unknown}
        for wrong in Wrong:
            number = findings.count(wrong)
            if number or wrong in {Wrong.LOST, Wrong.DUPLICATES}:
                self.figures[wrong.value] = number
        self.broken += findings.evidence


@frozen
class Duration:
    """How long a fault lasts, and how much is done; *is_long*: as the fault plan has it."""

    is_long: bool

    def of(self, default: float, long: float) -> float:
        return long if self.is_long else default


Trial = Callable[[str, Duration], Report]


@frozen
class Program:
    """A fault, tried on each of *stores*."""

    name: str
    trial: Trial
    stores: Sequence[str]

    def main(self) -> None:
        """Run as the arguments say, and exit: 0 if every criterion is met."""
        parser = argparse.ArgumentParser()
        parser.add_argument("--store", choices=self.stores, action="append", help="only this one")
        parser.add_argument("--long", action="store_true", help="as long as the fault plan has it")
        arguments = parser.parse_args()
        # A signal from outside runs all clean-up.
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
        held = [self._held(store, Duration(arguments.long)) for store in arguments.store or self.stores]
        sys.exit(0 if all(held) else 1)

    def _held(self, store: str, duration: Duration) -> bool:
        try:
            report = self.trial(store, duration)
        except pytest.skip.Exception as left_out:
            print(f"{self.name} {store}: {LEFT_OUT}: {left_out}", flush=True)
            return True
        except Exception as error:  # noqa: BLE001 - the next store has its turn
            said = getattr(error, "stderr", None) or ""
            print(f"{self.name} {store}: BROKEN\n{traceback.format_exc()}{said}", flush=True)
            return False
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in report.figures.items())
        print(f"{self.name} {store}: {figures}{', BROKEN' if report.broken else ''}", flush=True)
        for line in report.broken[:_SHOWN]:
            print(f"    {line}", flush=True)
        if len(report.broken) > _SHOWN:
            print(f"    and {len(report.broken) - _SHOWN} more", flush=True)
        return not report.broken


def _shown(value: object) -> str:
    return f"{value:.1f} s" if isinstance(value, float) else str(value)
