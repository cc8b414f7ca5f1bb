"""What every database product provides."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import URL, Connection, Engine, Executable, Index, Table
from sqlalchemy.exc import DBAPIError

from .reserve import Reserve

POOL_SECONDS = 1.0
"""How long a step waits for a connection that another step uses."""

CONNECT_SECONDS = 2.0
"""How long making a connection may take."""

WAIT_SECONDS = 2.0
"""How long a step waits for a lock, or for its turn to write, before it is refused."""

STATEMENT_SECONDS = 2.5
"""How long the server may work on one statement."""

ANSWER_SECONDS = 3.0
"""How long we wait for the server's answer, whether it is busy or gone."""

IDLE_SECONDS = 4 * ANSWER_SECONDS
"""How long a transaction may be idle; then the locks of a process that was stopped in the middle are released."""

WRITES = "menshen_writes"
"""The execution option of a connection whose transaction will write."""

CHANGE_TRIGGERS: Mapping[str, str] = {
    "tr_x_user_changed": "x_user",
    "tr_x_user_gone": "x_user",
    "tr_x_session_changed": "x_session",
    "tr_x_session_gone": "x_session",
}
"""The triggers that tell changes, each with its table."""

WATCHED = (
    *("user_id", "kind", "ended_at", "expires_at", "idle_seconds"),
    *("device_type", "device_id", "device_name", "address", "user_agent"),
)
"""The columns of a session whose change is told. The others change at each request or refresh, and no answer that is
remembered depends on them."""


class Product(Protocol):
    """One database product: how to connect, and how to read its errors."""

    @property
    def is_embedded(self) -> bool:
        """Whether it runs within this process."""
        ...

    @property
    def has_one_writer(self) -> bool:
        """Whether all writes wait for one another, so that it is better to queue them first."""
        ...

    @property
    def failure_ends_transaction(self) -> bool:
        """Whether a transaction can only be ended after a statement in it has failed."""
        ...

    def engine(self, url: URL, connections: int, *, is_patient: bool) -> Engine:
        """At most *connections* at a time; *is_patient*: without a time limit for statements.

        Raises ValueError for an unusable URL, or DriverMissing.
        """
        ...

    def exposures(self, url: URL) -> list[str]:
        """A line for each way in which others can read or change the network traffic. Does not connect.

        Raises ValueError for an unusable URL.
        """
        ...

    def reserve(self, url: URL) -> Reserve:
        """The space kept for when the disk is full."""
        ...

    def is_full(self, error: DBAPIError) -> bool:
        """Whether it failed for lack of space that a reserve could provide."""
        ...

    def give_back(self, connection: Connection) -> bool:
        """Return some of the space of deleted rows to the disk. Returns whether there is more.

        Outside a transaction, and without blocking others for long.
        """
        ...

    def is_there(self, url: URL) -> bool:
        """Whether the database may exist; checking must not create it."""
        ...

    def may_be_repeated(self, error: DBAPIError) -> bool:
        """Whether the transaction was undone for a reason that may not occur at the next try."""
        ...

    def is_damaged(self, error: DBAPIError) -> bool:
        """Whether the data cannot be read because it is corrupt or not a database at all."""
        ...

    def damage(self, connection: Connection) -> str | None:
        """What is wrong with the data, as far as a quick check shows."""
        ...

    def is_read_only(self, error: DBAPIError) -> bool:
        """Whether this connection cannot write, because its server, its session or its file is read-only."""
        ...

    def is_duplicate(self, error: DBAPIError, index: Index) -> bool:
        """Whether it violates the unique *index*, and not another constraint."""
        ...

    def cause(self, error: DBAPIError) -> BaseException | None:
        """The driver's error, without values of a row: a phone or a hash does not belong on a terminal or in a log."""
        ...

    def put(self, table: Table, row: Mapping[str, object]) -> Executable:
        """The statement that writes *row*, replacing one with the same primary key."""
        ...

    def change_function(self) -> Sequence[str]:
        """The statement that creates what the triggers call, if the product needs one; it can be repeated."""
        ...

    def change_triggers(self) -> Mapping[str, str]:
        """The statement that creates each of CHANGE_TRIGGERS.

        A change of a user, or of a session in WATCHED, and the deletion of a user or of a session that has not ended
        write the user's id into ``x_change``, whoever makes it.
        """
        ...

    def change_triggers_there(self, connection: Connection) -> set[str]:
        """The names of all triggers on the two tables that are in force."""
        ...

    def drop_change_trigger(self, name: str) -> str:
        """The statement that drops one of them."""
        ...

    def for_its_client(self, statement: str) -> str:
        """Such a statement with its end, for the product's own client: semicolons inside do not end it."""
        ...

    def is_forbidden(self, error: DBAPIError) -> bool:
        """Whether this user may not create a trigger, or not what it needs."""
        ...

    def lock_all(self, connection: Connection) -> bool:
        """Keep others from migrating this database until *connection* is closed. False if another is doing so."""
        ...

    def weaknesses(self, connection: Connection) -> list[str]:
        """A line for each setting that allows acknowledged data to be lost, or stored data to be changed."""
        ...


def in_other_words(error: DBAPIError, words: str) -> BaseException:
    """An error of the same kind as the driver's, with *words* as its text."""
    return (Exception if error.orig is None else type(error.orig))(words)


class DriverMissing(Exception):
    """The Python driver for this product is not installed. The text says how to install it."""
