"""Horizontal bars as SVG, legible on a light and on a dark page."""

from collections.abc import Sequence
from html import escape

_WIDTH, _LABEL, _ROW = 760, 330, 26


def bars(title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """A picture with a bar for each of *rows*: its label, its length, and what is written behind it."""
    longest = max((length for _, length, _ in rows), default=0) or 1
    height = 40 + _ROW * len(rows)
    room = _WIDTH - _LABEL - 130
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
            ' role="img" font-family="sans-serif" font-size="13">'
        ),
        (
            "<style>text{fill:#24292f}rect{fill:#0969da}"
            "@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#58a6ff}}</style>"
        ),
        f"<title>{escape(title)}</title>",
        f'<text x="0" y="18" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, length, said) in enumerate(rows):
        top = 34 + number * _ROW
        wide = max(1.0, room * length / longest)
        lines += [
            f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LABEL}" y="{top}" width="{wide:.1f}" height="18" rx="2"/>',
            f'<text x="{_LABEL + wide + 6:.1f}" y="{top + 14}">{escape(said)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
