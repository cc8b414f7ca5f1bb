"""A database that returns the answer to another query is not trusted, whichever look-up it is."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from menshen.adapters.conformance.sessions import START, new_session
from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.sql.database import Database, sqlite_url
from menshen.adapters.sql.quick_select import Spelled
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store
from menshen.domain.sessions import Session, SessionKind
from menshen.domain.users import Phone, User
from menshen.entrypoints.stores import sql_store

from .stores import opened


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with opened(sqlite_url(tmp_path / "menshen.sqlite3")) as found:
        yield found


Asked = Callable[[Store, User, Session], object]

LOOK_UPS: dict[str, Asked] = {
    "users.by_id": lambda store, user, _: store.users.by_id(user.id),
    "users.by_phone": lambda store, user, _: store.users.by_phone(_phone_of(user)),
    "users.locked": lambda store, user, _: store.work.transact(lambda tx: tx.lock(user.id)),
    "sessions.by_id": lambda store, _, session: store.sessions.by_id(session.id),
    "sessions.live": lambda store, user, _: store.sessions.live(user.id, SessionKind.USER, START),
    "sessions.presence": lambda store, user, session: Steps(store).sessions.presence(user.id, session.id),
}


@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_an_answer_to_another_question_is_refused_and_its_connection_is_let_go(
    monkeypatch: pytest.MonkeyPatch, database: Database, look_up: Asked
) -> None:
    store = sql_store(database)
    anna, berta = Steps(store).users.add(another_user()), Steps(store).users.add(another_user())
    of_anna, of_berta = new_session(anna.id), new_session(berta.id)
    Steps(store).sessions.add(of_anna)
    Steps(store).sessions.add(of_berta)
    swapped = {anna.id: berta.id, _phone_of(anna).digits: _phone_of(berta).digits, of_anna.id: of_berta.id}

    def ask_for_berta(_connection: object, _cursor: object, sql: str, parameters: Any, *_: object) -> tuple[str, Any]:
        asks = sql.startswith("SELECT")
        return sql, tuple(swapped.get(each, each) for each in parameters) if asks else parameters

    event.listen(database.engine, "before_cursor_execute", ask_for_berta, retval=True)
    quickly = Spelled.row

    def quickly_for_berta(self: Spelled, cursor: Any, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        return quickly(self, cursor, {name: swapped.get(each, each) for name, each in parameters.items()})

    monkeypatch.setattr(Spelled, "row", quickly_for_berta)
    invalidated: list[object] = []
    event.listen(database.engine, "invalidate", lambda *_: invalidated.append(True))
    with pytest.raises(StoreUnavailable, match="what was not asked"):
        look_up(store, anna, of_anna)
    assert invalidated == [True]
    event.remove(database.engine, "before_cursor_execute", ask_for_berta)
    monkeypatch.undo()
    assert look_up(store, anna, of_anna)


def _phone_of(user: User) -> Phone:
    assert user.phone is not None
    return user.phone
