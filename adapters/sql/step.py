"""The connection of a transaction, and the rows that it has locked."""

from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection

from ...domain.users import UserId
from .products.product import Product


@frozen
class Step:
    """What writers work with. Whoever opened the connection ends the transaction."""

    connection: Connection
    product: Product
    locked: dict[UserId, dict[str, Any]] = field(factory=dict)
    """The current rows of the users that the transaction has locked; nobody else can change them before it ends."""
