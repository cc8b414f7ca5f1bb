"""All products."""

from collections.abc import Mapping

from .mariadb import MariaDb
from .postgresql import PostgreSql
from .product import Product
from .sqlite import Sqlite

PRODUCTS: Mapping[str, Product] = {
    "sqlite": Sqlite(),
    "postgresql": PostgreSql(),
    "mysql": MariaDb(),
    "mariadb": MariaDb(),
}
"""By the scheme of the URL, or the name of SQLAlchemy's dialect."""
