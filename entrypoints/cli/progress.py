"""The progress of long work, for people who wait for it."""

import sys
import time
from types import TracebackType
from typing import Self

from attrs import define, field

from .output import note


@define
class Progress:
    """Progress on stderr: a bar on a terminal, an occasional line elsewhere."""

    what: str
    _begin: float = field(init=False, factory=lambda: time.monotonic())
    _told_at: float = field(init=False, factory=lambda: time.monotonic())
    _is_bar: bool = field(init=False, factory=lambda: sys.stderr.isatty())
    _is_drawn: bool = field(init=False, default=False)

    def tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        is_last = done >= total
        if now - self._told_at < (0.1 if self._is_bar else 5.0) and not (is_last and self._is_bar):
            return
        self._told_at = now
        rate = done / max(now - self._begin, 0.001)
        share = done / max(total, done, 1)
        left = max(total - done, 0) / max(rate, 0.001)
        line = f"{share:4.0%}  {done:,} of {total:,} rows  {rate:,.0f}/s  {left:.0f} s left"
        if self._is_bar:
            width = 24
            bar = "#" * round(share * width)
            print(f"\r{self.what} [{bar:.<{width}}] {line}\x1b[K", end="", file=sys.stderr, flush=True)
            self._is_drawn = True
        else:
            note(f"{self.what}: {line.strip()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_drawn:
            print(file=sys.stderr)
