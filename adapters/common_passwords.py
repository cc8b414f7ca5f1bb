"""The passwords that are tried first."""

from importlib.resources import files


def common_passwords() -> frozenset[str]:
    """The 3,000 most common passwords of 8 characters and more, case-folded (ASVS 6.2.4)."""
    text = files(__package__).joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.casefold() for line in text.splitlines())
