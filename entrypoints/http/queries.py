"""Reading the query of a request: each parameter is valid, or the request is refused."""

import falcon

from ...domain.audit import EntryKind
from ...domain.ports.reading import UserFilter
from ...domain.use_cases.operating import MAX_PAGE
from ...domain.users import MAX_USER_ID, Phone, PhoneInvalid, Standing, UserId
from ..guarding.refusals import QueryInvalid

_MAX_DIGITS = 18
"""Every such number fits into 64 bits, as databases have them."""


def filter_parameters(req: falcon.Request) -> UserFilter:
    """Which users are wanted, by ``id``, ``phone``, ``name`` and ``state``. Raises QueryInvalid."""
    phone, state = req.get_param("phone"), req.get_param("state")
    try:
        number = None if phone is None else Phone.parse(phone)
    except PhoneInvalid:
        raise QueryInvalid("phone") from None
    try:
        standing = None if state is None else Standing(state)
    except ValueError:
        raise QueryInvalid("state") from None
    return UserFilter(
        user_id=user_id_parameter(req, "id"), phone=number, name_prefix=req.get_param("name"), standing=standing
    )


def kind_parameter(req: falcon.Request) -> EntryKind:
    """Which entries of the audit log are wanted, by ``kind``; acts by default. Raises QueryInvalid."""
    try:
        return EntryKind(req.get_param("kind", default=EntryKind.ACTS.value))
    except ValueError:
        raise QueryInvalid("kind") from None


def limit_parameter(req: falcon.Request) -> int:
    """The wanted length of a page. Raises QueryInvalid."""
    limit = number_parameter(req, "limit")
    return MAX_PAGE if limit is None else limit


def number_parameter(req: falcon.Request, name: str) -> int | None:
    """A whole number in the query, or None. Raises QueryInvalid."""
    text = req.get_param(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise QueryInvalid(name)
    return int(text)


def user_id_parameter(req: falcon.Request, name: str) -> UserId | None:
    """The same for the id of a user: a number that is too large becomes one that no user has."""
    number = number_parameter(req, name)
    return None if number is None else UserId(min(number, MAX_USER_ID))
