"""The checker of the fault programs finds every kind of violation."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest
from attrs import frozen

from ..integration.servers import Client, Server, serving
from . import checker
from .checker import Findings, Writes, Wrong, check
from .journal import Journal, Kind, Operation, Outcome
from .load import Caller, Load, new_password_of, password_of

_numbers = count(1)


@frozen
class House:
    """Users of a service, and the journal about them.

    The first has logged out; the fourth has refreshed a session twice; the fifth has changed the password, which has
    ended another session.
    """

    server: Server
    client: Client
    journal: Journal
    phones: Sequence[str]

    @property
    def caller(self) -> Caller:
        return Caller(self.client, self.journal)

    @property
    def refreshed(self) -> str:
        return self.phones[3]

    @property
    def newest(self) -> str:
        """The user's newest refresh token."""
        given = [each.refresh_token for each in self.journal.operations() if each.kind is Kind.REFRESH]
        assert given[-1] is not None
        return given[-1]

    @property
    def changed(self) -> str:
        return self.phones[4]

    def token_of(self, phone: str) -> str:
        """The user's first token."""
        [token] = [
            each.token for each in self.journal.operations() if (each.kind, each.phone) == (Kind.REGISTER, phone)
        ]
        assert token is not None
        return token

    def checked(self) -> Findings:
        rows = self.server.rows("SELECT phone FROM x_user WHERE phone LIKE ?", f"{self.phones[0][:-1]}%")
        return check(self.journal.operations(), self.server.port, lambda: [phone for (phone,) in rows])

    def wrongs(self) -> set[tuple[Wrong, str | None]]:
        return {(each.wrong, each.phone) for each in self.checked().found}

    def change(self, statement: str, *parameters: object) -> None:
        """Do to the database what must not happen to it."""
        with closing(sqlite3.connect(self.server.database, timeout=30)) as connection, connection:
            assert connection.execute(statement, parameters).rowcount > 0

    def note(
        self,
        kind: Kind,
        phone: str,
        outcome: Outcome,
        status: int = 200,
        *,
        reason: str | None = None,
        token: str | None = None,
        begin: float = 0.0,
    ) -> None:
        self.journal.append(Operation(kind, phone, begin, begin + 1.0, outcome, status, reason, token))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("checker") / "server") as running:
        yield running


@pytest.fixture
def house(server: Server, tmp_path: Path) -> Iterator[House]:
    number = next(_numbers)
    phones = [f"138{number:07}{user}" for user in range(5)]
    with server.client() as client, closing(Journal(tmp_path / "journal")) as journal:
        made = House(server, client, journal, phones)
        first, *_, refreshed, changed = [made.caller.register(phone) for phone in phones]
        assert first.token is not None
        made.caller.log_out(first.phone, first.token)
        made.caller.reuse(first.phone, first.token)
        made.caller.guess(first.phone)
        assert refreshed.refresh_token is not None
        made.caller.refresh(refreshed.phone, refreshed.refresh_token)
        made.caller.refresh(refreshed.phone, made.newest)
        other = made.caller.log_in(changed.phone)
        assert changed.token is not None
        made.caller.change_password(changed.phone, changed.token)
        assert other.token is not None
        made.caller.reuse(changed.phone, other.token)
        made.caller.try_the_old_one(changed.phone)
        made.caller.log_in_anew(changed.phone)
        yield made


_SESSIONS_OF = "(SELECT id FROM x_user WHERE phone = ?)"


class TestTheChecker:
    def test_it_finds_nothing_where_all_is_well(self, house: House) -> None:
        findings = house.checked()
        assert (findings.acknowledged, findings.unknown, findings.evidence) == (Writes(5, 2, 1), Writes(0, 0, 0), [])

    def test_it_finds_nothing_in_what_the_load_does(self, server: Server, tmp_path: Path) -> None:
        with closing(Journal(tmp_path / "journal")) as journal:
            load = Load(server.port, journal)
            with load.running():
                load.until_acknowledged(60)
            phones = server.rows("SELECT phone FROM x_user WHERE phone LIKE '130%'")
            findings = check(journal.operations(), server.port, lambda: [phone for (phone,) in phones])
        assert findings.evidence == []
        assert findings.acknowledged.registrations == journal.acknowledged
        assert findings.acknowledged.rotations >= 4
        assert findings.acknowledged.password_changes >= 2

    def test_it_finds_a_user_who_is_lost_and_their_token(self, house: House) -> None:
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
        _, twice, other, *_ = house.phones
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
            (Kind.CHANGE_PASSWORD, Outcome.REFUSED, 403, Wrong.LOST),
        ],
    )
    def test_it_finds_an_answer_that_is_wrong_in_itself(
        self, house: House, kind: Kind, outcome: Outcome, status: int, wrong: Wrong
    ) -> None:
        house.note(kind, house.phones[1], outcome, status)
        assert house.wrongs() == {(wrong, house.phones[1])}

    def test_what_is_unknown_may_have_happened_or_not(self, house: House) -> None:
        house.note(Kind.REGISTER, f"{house.phones[0][:-1]}8", Outcome.UNKNOWN, 503)
        findings = house.checked()
        assert (findings.acknowledged, findings.unknown, findings.evidence) == (Writes(5, 2, 1), Writes(1, 0, 0), [])

    def test_what_is_unknown_and_neither_there_nor_to_be_had_is_found(self, house: House) -> None:
        # Stored with another password.
        lost = f"{house.phones[0][:-1]}7"
        with house.server.client() as client:
            assert client.register(lost, "another password").status == 200
        house.note(Kind.REGISTER, lost, Outcome.UNKNOWN, 503)
        assert house.wrongs() == {(Wrong.UNDECIDED, lost)}


_LONG_AGO = f"UPDATE x_session SET refresh_rotated_at = '2000-01-01 00:00:00' WHERE user_id = {_SESSIONS_OF}"
_REUSED = "refresh_token_reused"


class TestTheCheckerOfRefreshTokens:
    def test_it_finds_a_rotation_that_is_lost(self, house: House) -> None:
        statement = f"SELECT refresh_digest, refresh_rotations FROM x_session WHERE user_id = {_SESSIONS_OF}"
        [before] = house.server.rows(statement, house.refreshed)
        assert house.caller.refresh(house.refreshed, house.newest).outcome is Outcome.OK
        undo = f"UPDATE x_session SET refresh_digest = ?, refresh_rotations = ? WHERE user_id = {_SESSIONS_OF}"
        house.change(undo, *before, house.refreshed)
        assert house.wrongs() == {(Wrong.ENDED, house.refreshed)}

    def test_it_finds_a_session_that_has_become_anothers(self, house: House) -> None:
        owner = "UPDATE x_session SET user_id = (SELECT id FROM x_user WHERE phone = ?)"
        house.change(f"{owner} WHERE user_id = {_SESSIONS_OF}", house.phones[1], house.refreshed)
        assert (Wrong.FLAWED, house.refreshed) in house.wrongs()

    def test_an_unknown_refresh_that_was_not_carried_out_can_be_repeated(self, house: House) -> None:
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 503, token=house.newest)
        findings = house.checked()
        assert (findings.unknown, findings.evidence) == (Writes(0, 1, 0), [])

    def test_one_that_was_carried_out_can_be_repeated_for_a_while(self, house: House) -> None:
        begin, newest = time.monotonic(), house.newest
        assert house.client.refresh(newest).status == 200
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 0, token=newest, begin=begin)
        assert house.wrongs() == set()

    def test_one_that_was_carried_out_long_ago_may_be_refused(self, house: House) -> None:
        newest = house.newest
        assert house.client.refresh(newest).status == 200
        house.change(_LONG_AGO, house.refreshed)
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 0, token=newest)
        assert house.wrongs() == set()

    def test_a_late_repeat_that_is_not_answered_may_have_ended_the_session(self, house: House) -> None:
        newest = house.newest
        assert house.client.refresh(newest).status == 200
        house.change(_LONG_AGO, house.refreshed)
        assert house.client.refresh(newest).reason == _REUSED
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 0, token=newest, begin=0.0)
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 0, token=newest, begin=700.0)
        assert house.wrongs() == set()

    def test_it_finds_one_that_is_refused_within_its_grace(self, house: House) -> None:
        begin, newest = time.monotonic(), house.newest
        assert house.client.refresh(newest).status == 200
        house.change(_LONG_AGO, house.refreshed)
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 0, token=newest, begin=begin)
        assert house.wrongs() == {(Wrong.UNDECIDED, house.refreshed)}

    def test_it_finds_one_that_neither_happened_nor_can_be_repeated(self, house: House) -> None:
        house.change(
            f"UPDATE x_session SET refresh_digest = zeroblob(32) WHERE user_id = {_SESSIONS_OF}", house.refreshed
        )
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 503, token=house.newest)
        assert house.wrongs() == {(Wrong.UNDECIDED, house.refreshed)}

    @pytest.mark.parametrize(
        ("unknown_at", "reason"),
        [(None, _REUSED), (None, "refresh_token_invalid"), (95.0, _REUSED), (50.0, "refresh_token_invalid")],
    )
    def test_it_finds_a_refusal_during_the_fault(self, house: House, unknown_at: float | None, reason: str) -> None:
        newest = house.newest
        if unknown_at is not None:
            house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 503, token=newest, begin=unknown_at)
        house.note(Kind.REFRESH, house.refreshed, Outcome.REFUSED, 401, reason=reason, token=newest, begin=100.0)
        assert house.wrongs() == {(Wrong.ENDED, house.refreshed)}

    def test_a_late_repeat_may_be_refused_during_the_fault_and_ends_the_session(self, house: House) -> None:
        newest = house.newest
        assert house.client.refresh(newest).status == 200
        house.change(_LONG_AGO, house.refreshed)
        assert house.client.refresh(newest).reason == _REUSED
        house.note(Kind.REFRESH, house.refreshed, Outcome.UNKNOWN, 503, token=newest, begin=50.0)
        house.note(Kind.REFRESH, house.refreshed, Outcome.REFUSED, 401, reason=_REUSED, token=newest, begin=700.0)
        assert house.wrongs() == set()


_SET_PASSWORD = "UPDATE x_user SET password = ? WHERE phone = ?"


class TestTheCheckerOfPasswords:
    def hash_of(self, house: House, phone: str) -> str:
        [(found,)] = house.server.rows("SELECT password FROM x_user WHERE phone = ?", phone)
        assert isinstance(found, str)
        return found

    def test_it_finds_a_change_that_is_lost(self, house: House) -> None:
        phone = house.phones[1]
        before = self.hash_of(house, phone)
        assert house.caller.change_password(phone, house.token_of(phone)).outcome is Outcome.OK
        house.change(_SET_PASSWORD, before, phone)
        assert house.wrongs() == {(Wrong.LOST, phone)}

    @pytest.mark.parametrize(("outcome", "wrong"), [(Outcome.OK, Wrong.REVIVED), (Outcome.UNKNOWN, Wrong.UNDECIDED)])
    def test_it_finds_that_both_passwords_are_accepted(
        self, house: House, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, wrong: Wrong
    ) -> None:
        phone = house.phones[1]
        house.note(Kind.CHANGE_PASSWORD, phone, outcome, token=house.token_of(phone))
        monkeypatch.setattr(
            checker, "new_password_of", lambda whose: (password_of if whose == phone else new_password_of)(whose)
        )
        assert house.wrongs() == {(wrong, phone)}

    def test_an_unknown_change_that_was_not_made(self, house: House) -> None:
        phone = house.phones[1]
        house.note(Kind.CHANGE_PASSWORD, phone, Outcome.UNKNOWN, 503, token=house.token_of(phone))
        findings = house.checked()
        assert (findings.unknown, findings.evidence) == (Writes(0, 0, 1), [])

    def test_an_unknown_change_that_was_made(self, house: House) -> None:
        phone = house.phones[1]
        token = house.token_of(phone)
        changed = house.client.change_password(token, password_of(phone), new_password_of(phone))
        assert changed.status == 200
        house.note(Kind.CHANGE_PASSWORD, phone, Outcome.UNKNOWN, 0, token=token)
        assert house.wrongs() == set()

    def test_it_finds_an_unknown_change_to_nothing(self, house: House) -> None:
        phone = house.phones[1]
        house.change(_SET_PASSWORD, self.hash_of(house, house.phones[2]), phone)
        house.note(Kind.CHANGE_PASSWORD, phone, Outcome.UNKNOWN, 503, token=house.token_of(phone))
        assert house.wrongs() == {(Wrong.UNDECIDED, phone)}

    def test_it_finds_a_session_that_lives_on_after_a_change(self, house: House) -> None:
        house.change(f"UPDATE x_session SET ended_at = NULL WHERE user_id = {_SESSIONS_OF}", house.changed)
        assert house.wrongs() == {(Wrong.REVIVED, house.changed)}

    def test_it_finds_that_a_change_has_ended_its_own_session(self, house: House) -> None:
        first = f"(SELECT MIN(started_at) FROM x_session WHERE user_id = {_SESSIONS_OF})"
        house.change(f"DELETE FROM x_session WHERE started_at = {first}", house.changed)
        assert house.wrongs() == {(Wrong.ENDED, house.changed)}

    @pytest.mark.parametrize("was_made", [False, True])
    def test_the_other_sessions_after_an_unknown_change_are_not_judged(self, house: House, was_made: bool) -> None:
        phone = house.phones[1]
        token = house.token_of(phone)
        house.caller.log_in(phone)
        if was_made:
            house.client.change_password(token, password_of(phone), new_password_of(phone))
        house.note(Kind.CHANGE_PASSWORD, phone, Outcome.UNKNOWN, 503, token=token)
        assert house.wrongs() == set()
