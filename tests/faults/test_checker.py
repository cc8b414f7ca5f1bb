"""The checker of the fault programs finds what it is there to find."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from attrs import frozen

from ..integration.servers import Server, serving
from .checker import Findings, Wrong, check
from .journal import Journal, Kind, Operation, Outcome
from .load import Caller

_numbers = count(1)


@frozen
class House:
    """Three users of a service, of whom the first has logged out, and what was written down of them."""

    server: Server
    journal: Journal
    phones: Sequence[str]

    def checked(self) -> Findings:
        rows = self.server.rows("SELECT phone FROM x_user WHERE phone LIKE ?", f"{self.phones[0][:-1]}%")
        return check(self.journal.operations(), self.server.port, lambda: [phone for (phone,) in rows])

    def wrongs(self) -> set[tuple[Wrong, str | None]]:
        return {(each.wrong, each.phone) for each in self.checked().found}

    def change(self, statement: str, *parameters: object) -> None:
        """Do to the database what must not happen to it."""
        with closing(sqlite3.connect(self.server.database, timeout=30)) as connection, connection:
            assert connection.execute(statement, parameters).rowcount > 0

    def note(self, kind: Kind, phone: str, outcome: Outcome, status: int = 200) -> None:
        self.journal.append(Operation(kind, phone, 0.0, 1.0, outcome, status))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("checker") / "server") as running:
        yield running


@pytest.fixture
def house(server: Server, tmp_path: Path) -> Iterator[House]:
    number = next(_numbers)
    made = House(server, Journal(tmp_path / "journal"), [f"138{number:07}{user}" for user in range(3)])
    with server.client() as client:
        caller = Caller(client, made.journal)
        for phone in made.phones:
            token = caller.register(phone).token
            if phone == made.phones[0]:
                assert token is not None
                caller.log_out(phone, token)
                caller.reuse(phone, token)
                caller.guess(phone)
    yield made
    made.journal.close()


_SESSIONS_OF = "(SELECT id FROM x_user WHERE phone = ?)"


class TestTheChecker:
    def test_it_finds_nothing_where_all_is_well(self, house: House) -> None:
        findings = house.checked()
        assert (findings.acknowledged, findings.unknown, findings.evidence) == (3, 0, [])

    def test_it_finds_a_user_who_is_lost_and_his_token(self, house: House) -> None:
        lost = house.phones[2]
        house.change(f"DELETE FROM x_session WHERE user_id = {_SESSIONS_OF}", lost)
        house.change("DELETE FROM x_user WHERE phone = ?", lost)
        assert house.wrongs() == {(Wrong.LOST, lost), (Wrong.ENDED, lost)}

    def test_it_finds_a_logout_that_is_lost(self, house: House) -> None:
        revived = house.phones[0]
        house.change(f"UPDATE x_session SET ended_at = NULL WHERE user_id = {_SESSIONS_OF}", revived)
        assert house.wrongs() == {(Wrong.REVIVED, revived)}

    def test_it_finds_a_session_that_is_lost(self, house: House) -> None:
        ended = house.phones[1]
        house.change(f"DELETE FROM x_session WHERE user_id = {_SESSIONS_OF}", ended)
        assert house.wrongs() == {(Wrong.ENDED, ended)}

    def test_it_finds_a_second_row_of_a_phone(self, house: House) -> None:
        _, twice, other = house.phones
        house.change("UPDATE x_user SET phone = ? WHERE phone = ?", twice, other)
        assert (Wrong.DUPLICATES, twice) in house.wrongs()

    def test_it_finds_a_row_for_which_nobody_has_asked(self, house: House) -> None:
        row = f"{house.phones[0][:-1]}9"
        house.change("INSERT INTO x_user (phone, state, is_account) VALUES (?, '正常', 1)", row)
        assert house.wrongs() == {(Wrong.UNEXPECTED, row)}

    @pytest.mark.parametrize(
        ("kind", "outcome", "status", "wrong"),
        [
            (Kind.GUESS, Outcome.OK, 200, Wrong.LET_IN),
            (Kind.REUSE, Outcome.OK, 200, Wrong.LET_IN),
            (Kind.REGISTER, Outcome.REFUSED, 403, Wrong.UNEXPECTED),
            (Kind.LOG_IN, Outcome.REFUSED, 403, Wrong.LOST),
            (Kind.AUTHENTICATE, Outcome.REFUSED, 401, Wrong.ENDED),
        ],
    )
    def test_it_finds_an_answer_that_is_wrong_by_itself(
        self, house: House, kind: Kind, outcome: Outcome, status: int, wrong: Wrong
    ) -> None:
        house.note(kind, house.phones[1], outcome, status)
        assert house.wrongs() == {(wrong, house.phones[1])}

    def test_what_is_unknown_may_have_happened_or_not(self, house: House) -> None:
        house.note(Kind.REGISTER, f"{house.phones[0][:-1]}8", Outcome.UNKNOWN, 503)
        findings = house.checked()
        assert (findings.acknowledged, findings.unknown, findings.evidence) == (3, 1, [])

    def test_what_is_unknown_and_neither_there_nor_to_be_had_is_found(self, house: House) -> None:
        # As if it had been kept with another password.
        lost = f"{house.phones[0][:-1]}7"
        with house.server.client() as client:
            assert client.register(lost, "another password").status == 200
        house.note(Kind.REGISTER, lost, Outcome.UNKNOWN, 503)
        assert house.wrongs() == {(Wrong.UNDECIDED, lost)}
