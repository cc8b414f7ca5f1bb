"""The contract of all storage ports: texts that look alike are different."""

from datetime import timedelta

import pytest
from attrs import evolve

from ...domain.audit import AuditId
from ...domain.ports.reading import UserFilter
from ...domain.ports.stores import Store
from ...domain.sessions import EndReason, SessionEnd, SessionId
from ...domain.users import Phone, Standing, UserState
from .part import PartOfContract
from .sessions import START, new_session, refreshing
from .steps import Steps
from .users import FIRST, LATER, NOBODY, another_user, new_user

SESSION = SessionId("Session-1e_ss")
OTHERS = [
    SessionId(text)
    for text in (
        *("session-1e_ss", "SESSION-1E_SS", "Session-1e_ss ", " Session-1e_ss", "Session-1e_ss\N{NO-BREAK SPACE}"),
        *("Sessíon-1e_ss", "Sessi\N{COMBINING ACUTE ACCENT}on-1e_ss", "Session-1ｅ_ss", "Ｓession-1e_ss"),
        *("Session-1e_ß", "Ses\N{LATIN SMALL LETTER LONG S}ion-1e_ss", "Session\N{HYPHEN}1e_ss", "Session-1e%ss"),
        *("Session-1e_ss\N{ZERO WIDTH SPACE}", "Session-\N{SOFT HYPHEN}1e_ss", "Session-1e_s", "Session-1e_sss"),
    )
]
"""Ids that some collation considers equal to SESSION."""

PHONE = Phone("13800138000")
OTHER_PHONES = [
    Phone(text)
    for text in (
        *("13800138000 ", " 13800138000", "１３８００１３８０００", "1380013800０", "+13800138000", "013800138000"),
        *("13800138000.0", "1.38001380e10", "13800138000\N{ZERO WIDTH SPACE}", "١٣٨٠٠١٣٨٠٠٠", "1380013800", "", "%"),
    )
]

# Not ids, and still something that a caller can ask for. The last one is not a character at all.
NO_ID = ["", " ", "\0", "%00", "x" * 65, "𠮷" * 65, "x" * 10_000, "'; --", "\ud800"]


class LookAlikesContract(PartOfContract):
    """What is looked for is compared character by character. Subclasses give the fixture ``store``: an empty Store."""

    def test_a_session_is_not_found_by_an_id_that_looks_like_its_own(self, store: Store) -> None:
        user = Steps(store).users.add(new_user())
        Steps(store).sessions.add(new_session(user.id, name=SESSION))
        for other in OTHERS:
            presence = Steps(store).sessions.presence(user.id, other)
            assert presence is not None
            assert (store.sessions.by_id(other), presence.session) == (None, None), other

    def test_nothing_happens_to_a_session_by_an_id_that_looks_like_its_own(self, store: Store) -> None:
        session = new_session(Steps(store).users.add(new_user()).id, name=SESSION)
        Steps(store).sessions.add(session)
        later = START + timedelta(minutes=1)
        for other in OTHERS:
            assert not Steps(store).sessions.rotate(
                other, old=session.refreshing.digest, new=refreshing(b"\x01" * 32, 1)
            ), other
        Steps(store).sessions.see([(other, later) for other in OTHERS], later)
        assert Steps(store).sessions.end(OTHERS, SessionEnd(START, EndReason.KICKED)) == 0
        assert store.sessions.by_id(SESSION) == session

    def test_ids_that_look_alike_are_of_as_many_sessions(self, store: Store) -> None:
        user = Steps(store).users.add(new_user())
        sessions = [new_session(user.id, name=name) for name in (SESSION, *OTHERS)]
        for session in sessions:
            Steps(store).sessions.add(session)
        assert [store.sessions.by_id(session.id) for session in sessions] == sessions
        live = store.sessions.live(user.id, sessions[0].kind, START)
        assert sorted(session.id for session in live) == sorted(session.id for session in sessions)
        end = SessionEnd(START, EndReason.KICKED)
        assert Steps(store).sessions.end([SESSION], end) == 1
        new = refreshing(b"\x01" * 32, 1)
        assert Steps(store).sessions.rotate(OTHERS[0], old=new_session(user.id).refreshing.digest, new=new)
        changed = [evolve(sessions[0], end=end), evolve(sessions[1], refreshing=new), *sessions[2:]]
        assert [store.sessions.by_id(session.id) for session in sessions] == changed

    def test_a_user_is_not_found_by_a_number_that_looks_like_its_own(self, store: Store) -> None:
        user = Steps(store).users.add(new_user(PHONE.digits))
        for other in OTHER_PHONES:
            found = Steps(store).users.find(UserFilter(phone=other), after=FIRST, limit=10, now=LATER)
            assert (store.users.by_phone(other), found) == (None, []), other
        assert store.users.by_phone(PHONE) == user

    @pytest.mark.parametrize(
        "text", ["正常 ", " 正常", "正常\N{ZERO WIDTH SPACE}", "正 常", "注销中 ", "已注销 ", "冻结 "]
    )
    def test_a_state_that_looks_like_another_is_unknown(self, store: Store, text: str) -> None:
        user = Steps(store).users.add(another_user(state=UserState(text, START)))
        for standing in Standing:
            found = Steps(store).users.find(UserFilter(standing=standing), after=FIRST, limit=10, now=LATER)
            assert found == ([user] if standing is Standing.UNKNOWN else [])
        assert Steps(store).users.due_to_close(LATER, 10) == []

    @pytest.mark.parametrize("text", NO_ID)
    def test_what_nobody_can_have_is_looked_for_and_not_found(self, store: Store, text: str) -> None:
        user = Steps(store).users.add(new_user())
        Steps(store).sessions.add(new_session(user.id))
        session_id = SessionId(text)
        presence = Steps(store).sessions.presence(user.id, session_id)
        assert presence is not None
        assert presence.session is None
        assert store.sessions.by_id(session_id) is None
        assert not Steps(store).sessions.rotate(session_id, old=refreshing().digest, new=refreshing(b"\x01" * 32, 1))
        assert Steps(store).sessions.end([session_id], SessionEnd(START, EndReason.KICKED)) == 0
        assert store.work.transact(lambda tx: tx.sessions.by_id(session_id)) is None

    @pytest.mark.parametrize("prefix", [text for text in NO_ID if text])
    def test_nobody_has_a_name_that_begins_with_what_no_name_holds(self, store: Store, prefix: str) -> None:
        Steps(store).users.add(new_user(user_name="Anna"))
        assert Steps(store).users.find(UserFilter(name_prefix=prefix), after=FIRST, limit=10, now=LATER) == []

    def test_numbers_that_are_too_great_are_looked_for_and_not_found(self, store: Store) -> None:
        user = Steps(store).users.add(new_user())
        assert store.users.by_id(NOBODY) is None
        assert Steps(store).users.find(UserFilter(), after=NOBODY, limit=1_000_000, now=LATER) == []
        assert store.audit.find(subject=NOBODY, before=AuditId(10**18 - 1), limit=1_000_000) == []
        assert Steps(store).users.find(UserFilter(), after=FIRST, limit=1_000_000, now=LATER) == [user]
