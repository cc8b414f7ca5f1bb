"""Who acts, as far as the service knows."""

from typing import Self

from attrs import frozen

from .users import UserId

_MAX_LENGTH = 80


@frozen
class Actor:
    """A user, by id; an operator at the command line, by login name; the service itself; or nobody known."""

    text: str

    @classmethod
    def user(cls, user_id: UserId) -> Self:
        return cls(f"user:{user_id}")

    @classmethod
    def operator(cls, name: str) -> Self:
        return cls(f"operator:{name}"[:_MAX_LENGTH])

    @property
    def is_operator(self) -> bool:
        return self.text.startswith("operator:")

    @classmethod
    def nobody(cls) -> Self:
        """Somebody who has not proved who they are."""
        return cls("nobody")

    @classmethod
    def service(cls) -> Self:
        return cls("service")
