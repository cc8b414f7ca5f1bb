"""``docs/settings.md``, made from the settings."""

import attrs

from .settings import Settings, variable
from .settings_text import written


def markdown() -> str:
    """The page."""
    lines = [
        "# Settings",
        "",
        "All settings come from the environment. This page is made by `menshen settings --markdown`.",
        "",
        "| variable | default | what it is |",
        "|---|---|---|",
    ]
    for field in attrs.fields(Settings):
        default = field.metadata["default_text"]
        if default is None:
            default = written(field.default)
        plain = default and "`" not in default and " " not in default
        lines.append(f"| `{variable(field)}` | {f'`{default}`' if plain else default} | {field.metadata['doc']} |")
    return "\n".join(lines) + "\n"
