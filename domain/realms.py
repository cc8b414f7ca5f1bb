"""Realms: populations of users with sessions of their own."""

from .errors import Refusal, Unauthenticated


class AdminLoginNotAllowed(Refusal):
    """The password is right, and the user is no admin."""

    reason = "not_an_admin"


class NotAnAdmin(Unauthenticated):
    """The user of this admin session is no admin any more."""

    reason = "not_an_admin"
