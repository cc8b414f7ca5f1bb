"""menshen keeps the accounts of an app: who may come in, on which devices, and until when."""

from .entrypoints.accounts import Accounts

__all__ = ["Accounts"]
