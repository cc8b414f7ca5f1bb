"""What every database product has to tell of itself."""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, Executable, Index, Table
from sqlalchemy.exc import DBAPIError

from .reserve import Reserve

POOL_SECONDS = 1.0
"""How long a step waits for a connection that another has."""

CONNECT_SECONDS = 2.0
"""How long making a connection may take."""

WAIT_SECONDS = 2.0
"""How long a step waits for a lock, or for its turn to write. Then it is refused."""

STATEMENT_SECONDS = 2.5
"""How long the server may work on one statement."""

ANSWER_SECONDS = 3.0
"""How long we wait for the server's answer, whether it works or is gone."""

IDLE_SECONDS = 4 * ANSWER_SECONDS
"""How long a transaction may do nothing: then others get what a process holds that was stopped in the middle."""

WRITES = "menshen_writes"
"""The execution option of a connection whose transaction will write."""


class Product(Protocol):
    """One database product: how to reach it, and how to read its errors."""

    @property
    def is_embedded(self) -> bool:
        """Whether it answers in this very process."""
        ...

    @property
    def has_one_writer(self) -> bool:
        """Whether all writes wait for one another, so that they had better queue before they meet."""
        ...

    @property
    def failure_ends_transaction(self) -> bool:
        """Whether a transaction in which a statement has failed takes nothing more but its end."""
        ...

    def engine(self, url: URL, connections: int, *, is_patient: bool) -> Engine:
        """At most *connections* at a time; *is_patient*: without a limit to how long a statement may take.

        Raises ValueError for a URL that cannot be meant, DriverMissing.
        """
        ...

    def exposures(self, url: URL) -> list[str]:
        """A line for each way in which others can read or change what goes over the network; asks nobody.

        Raises ValueError for a URL that cannot be meant.
        """
        ...

    def reserve(self, url: URL) -> Reserve:
        """What is kept for a full disk."""
        ...

    def is_full(self, error: DBAPIError) -> bool:
        """Whether it failed for want of room that a reserve could give."""
        ...

    def give_back(self, connection: Connection) -> bool:
        """Give the disk some of the room that removed rows have left. Returns whether there is more to give.

        Outside a transaction, and without holding anybody up for long.
        """
        ...

    def is_there(self, url: URL) -> bool:
        """Whether there can be a database; looking at one must not make it."""
        ...

    def may_be_repeated(self, error: DBAPIError) -> bool:
        """Whether the transaction was undone for a reason that may be gone at the next try."""
        ...

    def is_damaged(self, error: DBAPIError) -> bool:
        """Whether what is kept cannot be read, as it is torn or no database at all."""
        ...

    def damage(self, connection: Connection) -> str | None:
        """What is wrong with what is kept, as far as it is found in a moment."""
        ...

    def is_read_only(self, error: DBAPIError) -> bool:
        """Whether nothing can be written by this connection: its server, its session or its file does not take it."""
        ...

    def is_duplicate(self, error: DBAPIError, index: Index) -> bool:
        """Whether the unique *index* has that already; another rule that was violated is another matter."""
        ...

    def cause(self, error: DBAPIError) -> BaseException | None:
        """The driver's error, without what it quotes of a row: a phone or a hash is not for a terminal or a log."""
        ...

    def put(self, table: Table, row: Mapping[str, object]) -> Executable:
        """The statement that writes *row*, in the place of the one of the same primary key where there is one."""
        ...

    def lock_all(self, connection: Connection) -> bool:
        """Keep others from migrating this database until *connection* is closed. False where another does just now."""
        ...

    def weaknesses(self, connection: Connection) -> list[str]:
        """A line for each setting under which something acknowledged can be lost, or something kept can be changed."""
        ...


def in_other_words(error: DBAPIError, words: str) -> BaseException:
    """An error of the same kind as the driver's, that says *words* instead."""
    return (Exception if error.orig is None else type(error.orig))(words)


class DriverMissing(Exception):
    """The Python package that speaks to this product is not installed. The text says how to install it."""
