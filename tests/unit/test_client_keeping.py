"""How the client keeps its tokens: renewed in time, one renewal at a time, and the reason why it was signed out."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Semaphore

import pytest

from menshen.client import (
    AnswerUnreadable,
    Client,
    Device,
    EndedBy,
    NoAnswer,
    NotLoggedIn,
    RefreshTokenInvalid,
    SessionKicked,
    SessionReplaced,
    SignedOut,
    StoreUnavailable,
    TokenExpired,
    TokenMissing,
    Tokens,
    Unavailable,
    UserNotActive,
)
from menshen.entrypoints.client import keeping
from menshen.entrypoints.client.keeping import RENEW_BEFORE
from menshen.entrypoints.client.transport import Request, Response

from .cases import for_each
from .client_house import URL, ClientHouse, answer
from .http_service import LOGOUT, PASSWORD, PHONE, REFRESH, USER_INFO

WEEK = 7 * 24 * 60 * 60.0
LOST = NoAnswer("the connection broke", broke=True)
EXPIRED = answer(401, reason="token_expired")
THREADS = 32


def logged_in() -> tuple[ClientHouse, Client]:
    house = ClientHouse()
    client = house.client()
    client.register(PHONE, PASSWORD)
    house.transport.seen.clear()
    return house, client


def at(path: str, then: Callable[[Request], Response | None]) -> Callable[[Request], Response | None]:
    """Answers requests for *path* alone."""
    return lambda request: then(request) if request.path == path else None


def once(path: str, given: Response | Exception) -> Callable[[Request], Response | None]:
    """Answers the first request for *path*, or loses its answer."""
    left = [given]

    def then(request: Request) -> Response | None:
        if not left:
            return None
        first = left.pop()
        if isinstance(first, Exception):
            raise first
        return first

    return at(path, then)


# Renewing.


def test_a_token_is_renewed_shortly_before_its_end_and_saved_before_it_is_used() -> None:
    house, client = logged_in()
    old = client.tokens
    house.now = WEEK - RENEW_BEFORE - 1
    client.user_info()
    assert house.transport.paths == [USER_INFO]
    house.now += 1
    client.user_info()
    assert house.transport.paths == [USER_INFO, REFRESH, USER_INFO]
    assert house.saved == [old, client.tokens]
    assert client.tokens != old
    assert house.transport.seen[-1].token == client.access_token()


def test_a_token_that_lasts_a_moment_is_renewed_in_the_last_tenth_of_it() -> None:
    house, client = logged_in()
    data = {"expires_in": 20, "refresh_token": "r", "session_id": "s"}
    house.transport.before = at("/api/user/login", lambda request: answer(token="t", data=data))
    client.login(PHONE, PASSWORD)
    house.transport.before = once(REFRESH, answer(token="t2", data=data))
    house.now = 17.9
    assert client.access_token() == "t"
    house.now = 18
    assert client.access_token() == "t2"


def test_a_token_that_the_service_finds_expired_is_renewed_and_the_request_sent_again() -> None:
    house, client = logged_in()
    house.http.clock.move(timedelta(days=8))
    assert client.user_info().phone == PHONE
    assert house.transport.paths == [USER_INFO, REFRESH, USER_INFO]


def test_it_is_renewed_once_for_a_request() -> None:
    house, client = logged_in()
    house.transport.before = at(USER_INFO, lambda request: EXPIRED)
    with pytest.raises(TokenExpired):
        client.user_info()
    assert house.transport.paths == [USER_INFO, REFRESH, USER_INFO]
    assert client.tokens is not None


def expired_for_all(
    monkeypatch: pytest.MonkeyPatch, old: str, number: int, renewal: Response | None
) -> Callable[[Request], Response | None]:
    """So many find the token *old* expired; the first renewal is answered when all others wait for it."""
    waiting = Semaphore(0)

    class Awaited(Future[None]):
        def result(self, timeout: float | None = None) -> None:
            waiting.release()
            super().result(timeout)

    monkeypatch.setattr(keeping, "Future", Awaited)

    def answered(request: Request) -> Response | None:
        if request.path == USER_INFO and request.token == old:
            return EXPIRED
        if request.path != REFRESH:
            return None
        for _ in range(number - 1):
            assert waiting.acquire(timeout=20), "they do not wait"
        return renewal

    return answered


def test_however_many_threads_ask_there_is_one_renewal_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    house, client = logged_in()
    house.transport.before = expired_for_all(monkeypatch, client.access_token(), THREADS, None)
    with ThreadPoolExecutor(THREADS) as threads:
        found = [each.result(60).phone for each in [threads.submit(client.user_info) for _ in range(THREADS)]]
    assert found == [PHONE] * THREADS
    assert house.transport.paths.count(REFRESH) == 1
    assert len(house.saved) == 2


def test_those_who_wait_for_a_renewal_are_told_when_it_fails_and_the_next_one_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house, client = logged_in()
    failed = answer(503, reason="store_unavailable")
    house.transport.before = expired_for_all(monkeypatch, client.access_token(), 4, failed)
    with ThreadPoolExecutor(4) as threads:
        errors = [each.exception(60) for each in [threads.submit(client.user_info) for _ in range(4)]]
    assert [type(error) for error in errors] == [StoreUnavailable] * 4
    assert house.transport.paths.count(REFRESH) == 1
    assert client.signed_out is None
    house.transport.before = once(USER_INFO, EXPIRED)
    assert client.user_info().phone == PHONE


@for_each(
    "given",
    [
        answer(503, reason="busy"),
        answer(500, reason="internal_error"),
        Response(502, {}, b"<html>"),
        NoAnswer("no answer came in time"),
    ],
)
def test_without_an_answer_to_a_renewal_in_time_the_old_token_does(given: Response | Exception) -> None:
    house, client = logged_in()
    house.now = WEEK - RENEW_BEFORE
    house.transport.before = once(REFRESH, given)
    client.user_info()
    client.user_info()
    assert house.transport.paths == [REFRESH, USER_INFO, USER_INFO]
    house.now += 10
    client.user_info()
    assert house.transport.paths[3:] == [REFRESH, USER_INFO]


def test_saved_tokens_go_on_with_their_session() -> None:
    house, client = logged_in()
    tokens = client.tokens
    assert tokens is not None
    later = house.client(Tokens.from_text(tokens.to_text()))
    house.http.clock.move(timedelta(days=8))
    assert later.user_info().phone == PHONE
    assert later.tokens is not None
    assert later.tokens.session_id == tokens.session_id
    assert later.tokens.access_token != tokens.access_token


def test_somebody_with_an_app_of_their_own_renews_what_that_found_expired() -> None:
    house, client = logged_in()
    old = client.access_token()
    new = client.refresh(old).access_token
    assert new != old
    assert client.refresh(old).access_token == new
    assert house.transport.paths == [REFRESH]
    assert client.refresh().access_token != new


def test_a_login_meanwhile_is_not_overwritten_by_a_renewal() -> None:
    house, client = logged_in()
    asked, go_on = Event(), Event()

    def wait(request: Request) -> Response | None:
        asked.set()
        go_on.wait(60)
        return None

    house.transport.before = at(REFRESH, wait)
    with ThreadPoolExecutor(1) as threads:
        renewing = threads.submit(client.refresh)
        assert asked.wait(60)
        tokens = client.login(PHONE, PASSWORD)
        go_on.set()
        assert renewing.result(60) == tokens
    assert client.tokens == tokens


def test_a_renewal_that_cannot_be_saved_keeps_nobody_waiting() -> None:
    house, client = logged_in()

    def fail(tokens: Tokens | None) -> None:
        raise OSError("the disk is full")

    broken = Client(URL, tokens=client.tokens, transport=house.transport, on_tokens=fail)
    for _ in range(2):
        with pytest.raises(OSError, match="full"):
            broken.refresh()
    assert broken.user_info().phone == PHONE


def test_a_renewal_that_is_interrupted_is_over() -> None:
    house, client = logged_in()
    asked, go_on = Event(), Event()

    def interrupt(request: Request) -> Response | None:
        asked.set()
        go_on.wait(60)
        raise KeyboardInterrupt

    house.transport.before = at(REFRESH, interrupt)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(client.refresh)
        assert asked.wait(60)
        go_on.set()
        assert isinstance(first.exception(60), KeyboardInterrupt)
    house.transport.before = lambda request: None
    assert client.refresh() == client.tokens


# What is sent again.


def test_a_503_that_says_when_is_asked_again_once() -> None:
    house, client = logged_in()
    house.transport.before = once(LOGOUT, answer(503, reason="busy", headers={"retry-after": "2"}))
    client.logout()
    assert (house.transport.paths, house.slept) == ([LOGOUT, LOGOUT], [2.0])


def test_a_second_503_is_told() -> None:
    house, client = logged_in()
    house.transport.before = lambda request: answer(503, reason="store_unavailable", headers={"retry-after": "1"})
    with pytest.raises(StoreUnavailable) as told:
        client.user_info()
    assert told.value.retry_after == 1
    assert (house.transport.paths, house.slept) == ([USER_INFO] * 2, [1.0])


@for_each(
    "headers", [{}, {"retry-after": "6"}, {"retry-after": "-1"}, {"retry-after": "Mon, 23 Nov 2026 09:45:11 GMT"}]
)
def test_a_503_that_says_nothing_or_too_long_is_told_at_once(headers: dict[str, str]) -> None:
    house, client = logged_in()
    house.transport.before = lambda request: answer(503, reason="busy", headers=headers)
    with pytest.raises(Unavailable):
        client.user_info()
    assert (len(house.transport.seen), house.slept) == (1, [])


def test_what_reads_and_a_renewal_are_sent_again_when_the_answer_was_lost() -> None:
    house, client = logged_in()
    house.transport.before = once(USER_INFO, LOST)
    client.user_info()
    house.transport.before = once(REFRESH, LOST)
    client.refresh()
    assert house.transport.paths == [USER_INFO] * 2 + [REFRESH] * 2


def test_a_renewal_whose_answer_was_lost_brings_the_same_tokens() -> None:
    house, client = logged_in()
    lost: list[Request] = []

    def answered_into_the_void(request: Request) -> Response | None:
        if lost:
            return None
        lost.append(request)
        house.http.refresh((request.body or {})["refresh_token"])
        raise LOST

    house.transport.before = at(REFRESH, answered_into_the_void)
    client.refresh()
    client.refresh()
    assert client.user_info().phone == PHONE


@for_each(
    "ask",
    [
        lambda client: client.login(PHONE, PASSWORD),
        lambda client: client.change_password(PASSWORD, "another password"),
        lambda client: client.logout(),
    ],
)
def test_what_acts_is_not_sent_again_when_the_answer_was_lost(ask: Callable[[Client], object]) -> None:
    house, client = logged_in()
    tokens = client.tokens

    def lose(request: Request) -> Response | None:
        raise LOST

    house.transport.before = lose
    with pytest.raises(NoAnswer):
        ask(client)
    assert len(house.transport.seen) == 1
    assert client.tokens == tokens


def test_after_a_silence_nothing_is_sent_again() -> None:
    house, client = logged_in()
    house.transport.before = once(USER_INFO, NoAnswer("no answer came in time"))
    with pytest.raises(NoAnswer):
        client.user_info()
    assert len(house.transport.seen) == 1


# Why one was signed out.


def test_a_client_that_was_signed_out_says_why_and_by_which_device() -> None:
    house, client = logged_in()
    other = house.client()
    other.login(PHONE, PASSWORD, device=Device("phone", name="小明的手机"))
    other.end_other_sessions()
    with pytest.raises(SessionKicked):
        client.user_info()
    told = client.signed_out
    assert told is not None
    assert (told.reason, told.msg, told.by) == ("session_kicked", "token过期", EndedBy("phone", "小明的手机"))
    assert told.ended_at is not None
    assert house.told == [told]
    assert client.tokens is None
    assert house.saved[-1] is None
    asked = len(house.transport.seen)
    with pytest.raises(SessionKicked) as again:
        client.user_info()
    assert again.value.by == told.by
    assert len(house.transport.seen) == asked
    assert house.told == [told]


def test_it_is_told_at_a_renewal_as_well() -> None:
    house, client = logged_in()
    house.admin().freeze(1, reason="a reason")
    house.now = WEEK
    with pytest.raises(UserNotActive):
        client.user_info()
    assert [told.reason for told in house.told] == ["user_not_active"]


def test_a_new_login_forgets_why() -> None:
    house, client = logged_in()
    house.transport.before = once(REFRESH, answer(401, reason="refresh_token_invalid"))
    with pytest.raises(RefreshTokenInvalid):
        client.refresh()
    assert client.signed_out == SignedOut("refresh_token_invalid", "a message", None, None)
    client.login(PHONE, PASSWORD)
    assert client.signed_out is None
    client.user_info()


def test_the_end_of_a_session_before_is_not_the_end_of_this_one() -> None:
    house, client = logged_in()
    asked, go_on = Event(), Event()
    old = client.access_token()

    def wait(request: Request) -> Response | None:
        if request.token != old:
            return None
        asked.set()
        go_on.wait(60)
        return answer(401, reason="session_replaced")

    house.transport.before = at(USER_INFO, wait)
    with ThreadPoolExecutor(1) as threads:
        late = threads.submit(client.user_info)
        assert asked.wait(60)
        client.login(PHONE, PASSWORD)
        go_on.set()
        assert isinstance(late.exception(60), SessionReplaced)
    assert (client.signed_out, house.told) == (None, [])
    assert client.user_info().phone == PHONE


def test_a_request_that_lost_its_token_on_the_way_ends_nothing() -> None:
    house, client = logged_in()
    house.transport.before = once(USER_INFO, answer(401, reason="token_missing"))
    with pytest.raises(TokenMissing):
        client.user_info()
    assert client.user_info().phone == PHONE


@for_each("end", [lambda client: client.logout(), lambda client: client.close_account(PASSWORD)])
def test_who_ends_the_session_is_not_told_why(end: Callable[[Client], object]) -> None:
    house, client = logged_in()
    end(client)
    assert (client.tokens, client.signed_out, house.saved[-1], house.told) == (None, None, None, [])
    with pytest.raises(NotLoggedIn):
        client.user_info()


def test_who_kicks_everybody_is_signed_out_as_well() -> None:
    house = ClientHouse()
    admin = house.admin()
    assert admin.kick_everybody(PASSWORD) >= 2
    assert (admin.tokens, admin.signed_out) == (None, None)


def test_a_logout_of_a_session_that_is_over_succeeds() -> None:
    house, client = logged_in()
    house.admin().kick_user(1)
    client.logout()
    assert client.tokens is None
    with pytest.raises(SessionKicked):
        client.user_info()


@for_each("reason", ["token_missing", "token_expired"])
def test_a_logout_that_the_service_did_not_carry_out_is_none(reason: str) -> None:
    house, client = logged_in()
    house.transport.before = at(LOGOUT, lambda request: answer(401, reason=reason))
    with pytest.raises((TokenMissing, TokenExpired)):
        client.logout()
    house.transport.before = lambda request: None
    assert client.user_info().phone == PHONE


@for_each("data", [{"ended_at": 1}, {"by": "x"}, {"by": {}}, {"by": None, "ended_at": None}])
def test_an_end_that_is_told_in_another_form_is_an_end(data: object) -> None:
    house, client = logged_in()
    house.transport.before = lambda request: answer(401, reason="session_kicked", data=data)
    with pytest.raises(SessionKicked):
        client.user_info()
    assert house.told == [SignedOut("session_kicked", "a message", None, None)]


# Secrets.


@for_each("text", ["", "{}", "[]", "null", '{"access_token": 1}', '{"access_token": "SECRET\\n"', "SECRET", "\ud800"])
def test_what_is_no_saved_tokens_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="no tokens") as told:
        Tokens.from_text(text)
    assert "SECRET" not in repr(told.value)


@for_each("odd", ["", "a b", "a\r\nb", "é", "x" * 9_000])
def test_a_token_that_fits_into_no_header_is_none(odd: str) -> None:
    with pytest.raises(ValueError, match="no tokens") as told:
        Tokens(access_token=odd, refresh_token="r", session_id="s")
    assert not odd or odd not in str(told.value)
    house = ClientHouse()
    data = {"expires_in": 20, "refresh_token": odd, "session_id": "s"}
    house.transport.before = lambda request: answer(token="t", data=data)
    with pytest.raises(AnswerUnreadable):
        house.client().login(PHONE, PASSWORD)


def test_no_token_and_no_password_is_shown() -> None:
    house, client = logged_in()
    tokens = client.tokens
    assert tokens is not None
    client.change_password(PASSWORD, "another password")
    client.refresh()
    house.transport.before = lambda request: answer(401, reason="session_kicked")
    with pytest.raises(SessionKicked) as told:
        client.user_info()
    shown = "\n".join(map(repr, [client, tokens, told.value, client.signed_out, *house.transport.seen]))
    for secret in (tokens.access_token, tokens.refresh_token, PASSWORD, "another password"):
        assert secret not in shown


def test_closing_it_closes_the_connections_and_not_the_session() -> None:
    house, client = logged_in()
    with client:
        pass
    assert house.transport.closed == 1
    assert client.user_info().phone == PHONE
