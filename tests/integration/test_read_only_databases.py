"""A database that takes no writes for a moment, or a name that leads to another server by now: found out, and got over."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event, make_url

from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user
from menshen.adapters.sql.database import Database
from menshen.adapters.sql.products.servers import MAX_AGE_SECONDS
from menshen.domain.errors import StoreUnavailable
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .spellings import Spelling, by_somebody_else, shown
from .stores import opened


@pytest.fixture
def url(machine: DatabaseServer) -> str:
    return machine.new_database()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with opened(url, connections=4) as found:
        yield found


def _statements(product: str, url: str) -> tuple[str, str]:
    """What makes new sessions read-only, and what ends that."""
    name = make_url(url).database
    return {
        "postgresql": (
            f"ALTER DATABASE {name} SET default_transaction_read_only = on",
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
        ),
        "mariadb": ("SET GLOBAL tx_read_only = ON", "SET GLOBAL tx_read_only = OFF"),
    }[product]


def test_what_cannot_write_is_let_go_with_the_whole_pool(
    product: str, machine: DatabaseServer, url: str, database: Database
) -> None:
    store = sql_store(database)
    anna = Steps(store).users.add(another_user())
    store.ping()
    begin, end = _statements(product, url)
    elsewhere = machine.url.render_as_string(hide_password=False)
    by_somebody_else(elsewhere, begin)
    database.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            Steps(store).users.add(another_user())
        with pytest.raises(StoreUnavailable):
            store.ping()
        assert store.users.by_id(anna.id) == anna
    # All four connections of the pool are such.
    held = [database.engine.connect() for _ in range(4)]
    for each in held:
        each.close()
    by_somebody_else(elsewhere, end)
    # The first who comes is served by a connection that is made for it.
    store.work.transact(lambda tx: tx.users.add(another_user()))
    for _ in range(4):
        Steps(store).users.add(another_user())
    store.ping()


def test_a_connection_has_a_greatest_age(database: Database, spelling: Spelling) -> None:
    before = shown(database, [spelling.my_id])
    assert shown(database, [spelling.my_id]) == before
    event.listen(
        database.engine, "checkin", lambda _, record: setattr(record, "starttime", time.time() - MAX_AGE_SECONDS - 1)
    )
    assert shown(database, [spelling.my_id]) == before
    assert shown(database, [spelling.my_id]) != before


def test_the_greatest_age_is_minutes() -> None:
    assert 60 <= MAX_AGE_SECONDS <= 600
