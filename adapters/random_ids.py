"""Ids by the operating system's random generator."""

import secrets

from attrs import frozen


@frozen
class SystemRandomIds:
    """RandomIds of 128 random bits, as 22 characters."""

    def new_id(self) -> str:
        return secrets.token_urlsafe(16)
