"""Ids by the operating system's random generator."""

import secrets

from attrs import frozen


@frozen
class SystemRandomIds:
    """RandomIds of 128 random bits, as 22 characters."""

    def new_id(self) -> str:
        # One that began with a hyphen would look like an option on a command line.
        while (found := secrets.token_urlsafe(16)).startswith("-"):
            pass
        return found
