"""Texts and constraints of other programs in our tables: the texts are left alone, the constraints reported as such."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve

from menshen.adapters.conformance.steps import Steps
from menshen.adapters.conformance.users import another_user, new_user, save
from menshen.adapters.sql.adoption import waiting
from menshen.domain.errors import StoreUnavailable
from menshen.domain.ports.stores import Store
from menshen.domain.ports.writing import Transaction
from menshen.domain.users import Phone, PhoneTaken, User, UserId, UserState
from menshen.entrypoints.stores import sql_store

from .databases import DatabaseServer
from .migrators import by_hand, told
from .spellings import by_somebody_else
from .stores import opened
from .tutorial_tables import Tutorial, menshen_told, row

PHONE, HASH = "13800138000", "scrypt:32768:8:1$" + "s" * 16 + "$" + "h" * 129
LONG_NAME, LONG_ID = "𠮷" * 100, "o" * 130
THEIR_ID = UserId(7)
NOT_TAKEN = "the store does not take it"

_WIDER = {
    "sqlite": (),
    "postgresql": ("ALTER TABLE x_user ALTER user_name TYPE TEXT, ALTER openid TYPE TEXT, ALTER password TYPE TEXT",),
    "mariadb": ("ALTER TABLE x_user MODIFY user_name TEXT, MODIFY openid TEXT, MODIFY password TEXT",),
}

_FORBIDS_FREEZING = {
    # No CHECK can be added to a table that is there.
    "sqlite": "CREATE TRIGGER theirs BEFORE UPDATE OF state_reason ON x_user BEGIN SELECT RAISE(ABORT, 'no'); END",
    "postgresql": "ALTER TABLE x_user ADD CONSTRAINT theirs CHECK (state_reason IS NULL)",
    "mariadb": "ALTER TABLE x_user ADD CONSTRAINT theirs CHECK (state_reason IS NULL)",
}


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def product(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(product: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if product == "sqlite":
        return f"sqlite:///{tmp_path}/accounts.sqlite3"
    server: DatabaseServer = request.getfixturevalue(product)
    return server.new_database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with opened(url) as database:
        yield sql_store(database)


class TestTextsThatAreLongerThanOurs:
    @pytest.fixture
    def theirs(self, product: str, url: str, store: Store) -> User:
        by_hand(
            url,
            *_WIDER[product],
            "INSERT INTO x_user (id, is_account, phone, canonical_phone, user_name, openid, password, state)"
            f" VALUES ({THEIR_ID}, TRUE, '{PHONE}', '{PHONE}', '{LONG_NAME}', '{LONG_ID}', '{HASH}', '正常')",
        )
        found = store.users.by_id(THEIR_ID)
        assert found is not None
        assert (found.password_hash, found.user_name, found.wechat_openid) == (HASH, LONG_NAME, LONG_ID)
        return found

    @pytest.mark.parametrize(
        "change",
        [
            lambda user: user,
            lambda user: evolve(user, state=UserState.frozen(until=None, reason="a reason")),
            lambda user: evolve(user, password_hash="a newer hash"),
            lambda user: evolve(user, user_name="李四"),
            lambda user: evolve(user, phone=None, user_name=None, wechat_openid=None, password_hash=""),
        ],
    )
    def test_they_do_not_keep_the_rest_from_being_saved(
        self, store: Store, theirs: User, change: Callable[[User], User]
    ) -> None:
        changed = change(theirs)
        save(store.work, changed)
        assert store.users.by_id(THEIR_ID) == changed

    def test_several_saves_of_one_transaction_count_together(self, store: Store, theirs: User) -> None:
        def change(tx: Transaction) -> None:
            assert tx.lock(THEIR_ID) == theirs
            tx.users.save(evolve(theirs, fee_percentage=50, password_hash="a newer hash"))
            tx.users.save(evolve(theirs, is_admin=True, password_hash="a newer hash"))

        store.work.transact(change)
        assert store.users.by_id(THEIR_ID) == evolve(theirs, is_admin=True, password_hash="a newer hash")

    def test_we_write_none_such(self, store: Store, theirs: User) -> None:
        for longer in (evolve(theirs, user_name=f"{LONG_NAME}𠮷"), evolve(theirs, password_hash=f"{HASH}h")):
            with pytest.raises(ValueError, match="longer than"):
                save(store.work, longer)
        assert store.users.by_id(THEIR_ID) == theirs

    def test_an_operator_can_freeze_such_a_user(self, url: str, tmp_path: Path, theirs: User) -> None:
        assert told(url, tmp_path, "user", "freeze", PHONE, "--reason", "a reason").code == 0
        assert told(url, tmp_path, "user", "unfreeze", PHONE).code == 0


class TestRules:
    # As if it were the end of what MariaDB says of our own index.
    NAME = "secret' for key 'uq_x_user_canonical_phone'"

    def test_a_name_that_is_not_unique_is_not_a_phone_that_is_taken(
        self, product: str, url: str, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        user, other = (
            Steps(store).users.add(new_user(PHONE, user_name=self.NAME)),
            Steps(store).users.add(another_user()),
        )
        by_hand(url, "CREATE UNIQUE INDEX their_names ON x_user (user_name)")
        for call in (
            lambda: Steps(store).users.add(another_user(user_name=self.NAME)),
            lambda: store.work.transact(lambda tx: tx.users.add(another_user(user_name=self.NAME))),
            lambda: save(store.work, evolve(other, user_name=self.NAME)),
        ):
            with _refused(caplog, "secret", PHONE):
                call()
        for taken in (
            lambda: Steps(store).users.add(new_user(PHONE, user_name="another")),
            lambda: save(store.work, evolve(other, phone=user.phone, user_name="another")),
        ):
            with pytest.raises(PhoneTaken):
                taken()
        assert [store.users.by_id(each.id) for each in (user, other)] == [user, other]

    def test_a_number_that_only_a_row_of_theirs_has_is_taken_where_they_want_it_to_be_unique(
        self, url: str, store: Store
    ) -> None:
        by_hand(
            url,
            "CREATE UNIQUE INDEX their_phones ON x_user (phone)",
            f"INSERT INTO x_user (phone) VALUES ('{PHONE}')",
        )
        user = Steps(store).users.add(another_user())

        def work(tx: Transaction) -> None:
            tx.lock(user.id)
            for call in (
                lambda: tx.users.add(new_user(PHONE)),
                lambda: tx.users.save(evolve(user, phone=Phone(PHONE), user_name="another")),
            ):
                with pytest.raises(PhoneTaken):
                    call()
            tx.users.save(evolve(user, user_name="another"))

        store.work.transact(work)
        assert store.users.by_id(user.id) == evolve(user, user_name="another")

    def test_a_check_is_told_without_the_row(
        self, url: str, product: str, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        user = Steps(store).users.add(evolve(new_user(PHONE, user_name="a private name"), password_hash=HASH[:120]))
        by_somebody_else(url, _FORBIDS_FREEZING[product])
        quoted = (PHONE, "a private", HASH[:30])
        # PyMySQL does not know that this is what its other errors of the kind are.
        words = "the store did not answer" if product == "mariadb" else NOT_TAKEN
        with _refused(caplog, *quoted, words=words):
            save(store.work, evolve(user, state=UserState.frozen(until=None, reason="a private matter")))
        done = told(url, tmp_path, "user", "freeze", PHONE, "--reason", "a private matter")
        assert (done.code, done.out) == (1, "")
        assert f"{words}: " in done.err.splitlines()[-1]
        assert not [each for each in quoted if each in done.err]
        assert store.users.by_id(user.id) == user


class TestPostgreSql:
    @pytest.fixture
    def product(self) -> str:
        return "postgresql"

    def test_an_id_that_is_there_already_is_not_a_phone_that_is_taken(
        self, url: str, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        user = Steps(store).users.add(new_user(PHONE))
        by_hand(url, f"SELECT setval('x_user_id_seq', {user.id}, false)")
        with _refused(caplog, "13900139000"):
            Steps(store).users.add(new_user("13900139000"))
        assert Steps(store).users.add(new_user("13900139000")).id == user.id + 1

    def test_what_is_told_of_a_table_that_is_gone_is_the_first_line(
        self, url: str, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        by_hand(url, "ALTER TABLE x_user RENAME TO y_user")
        with pytest.raises(StoreUnavailable) as refused:
            store.users.by_phone(Phone(PHONE))
        assert str(refused.value.__cause__) == 'relation "x_user" does not exist'
        assert "SELECT" not in caplog.text


@pytest.mark.parametrize("product", ["postgresql"])
def test_what_keeps_a_table_from_being_adopted_is_told_without_the_row(
    product: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
    tutorial = Tutorial(product, url)
    tutorial.make()
    tutorial.insert([row(1, f"+86 {PHONE}", user_name="a secret name", password=HASH)])
    tutorial.execute("ALTER TABLE x_user ADD CONSTRAINT theirs CHECK (phone LIKE '+%')")
    code, _, err = menshen_told(tutorial, "adopt", "--yes")
    assert code == 1
    assert "something else keeps x_user from being changed" in err
    assert 'violates check constraint "theirs"' in err
    assert not [each for each in (PHONE, "secret", HASH[:30]) if each in err]


@contextmanager
def _refused(caplog: pytest.LogCaptureFixture, *quoted: str, words: str = NOT_TAKEN) -> Iterator[None]:
    """What is to be written is refused for a reason of the database's, which is told and logged, but nothing *quoted*."""
    caplog.clear()
    with pytest.raises(StoreUnavailable) as refused:
        yield
    assert str(refused.value) == words
    assert caplog.text.count("the store failed: ") == 1
    found = caplog.text + str(refused.value.__cause__)
    assert not [each for each in quoted if each in found], found
