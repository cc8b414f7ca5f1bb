"""menshen keeps the accounts of an app: who may come in, on which devices, and until when."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .entrypoints.accounts import Accounts

__all__ = ["Accounts"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: the command line starts in half the time without a web framework.
    if name == "Accounts":
        from .entrypoints.accounts import Accounts

        return Accounts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
