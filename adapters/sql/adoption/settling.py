"""States of accounts that were adopted before anybody decided what they mean, or with blanks around them."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from ....domain.users import Standing, UserState
from ..database import Database
from ..tables import users
from .states import Meant, StateDecisions
from .table import Shape

BATCH = 2000

_IS_WITHOUT_END = users.c.is_account & users.c.state_until.is_(None)
_ANY_MOMENT = datetime.min.replace(tzinfo=UTC)


def unknown_states(connection: Connection, shape: Shape) -> Counter[str | None]:
    """The unknown states of accounts, and how many have each; they include closings that another program began."""
    if not {"is_account", "state", "state_until"} <= shape.columns.keys():
        return Counter()
    statement = select(users.c.state, func.count()).where(_IS_WITHOUT_END).group_by(users.c.state)
    return Counter({text: count for text, count in connection.execute(statement) if _is_unknown(text)})


def settled(text: str | None, states: StateDecisions) -> Meant | None:
    """The replacement for an unknown state of accounts; None if it stays, or would close them."""
    meant = states.meant(text)
    return None if meant.text is None or meant.text == UserState.closed().text else meant


def settle_some(database: Database, text: str | None, meant: Meant) -> int:
    """Replace the state *text* of some of the accounts that have it. Returns how many; 0 if there are no more."""
    has_it = users.c.state.is_(None) if text is None else users.c.state == text
    with database.attempt() as connection:
        # Locked, and so few at a time that a running service hardly notices.
        some = select(users.c.id).where(_IS_WITHOUT_END, has_it).order_by(users.c.id).limit(BATCH).with_for_update()
        ids = list(connection.scalars(some))
        values: dict[str, Any] = {"state": meant.text}
        if meant.reason is not None:
            values["state_reason"] = meant.reason
        if ids:
            connection.execute(update(users).where(users.c.id.in_(ids)).values(**values))
        return len(ids)


def _is_unknown(text: str | None) -> bool:
    # Without an end, its meaning does not depend on the moment.
    return text is None or UserState(text).standing(_ANY_MOMENT) is Standing.UNKNOWN
