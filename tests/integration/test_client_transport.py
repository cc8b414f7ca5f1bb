"""The client's connections, over real sockets: what is sent, what answers may be like, and how long they may take."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from menshen.client import AnswerUnreadable, Client, InvalidCredentials, NoAnswer, Tokens

from .certificates import Authority
from .servers import free_port

TOKENS = Tokens(access_token="SECRET.access", refresh_token="SECRET.refresh", session_id="s")
USER = {
    "id": 1,
    "mid": None,
    "phone": "13800138000",
    "user_name": None,
    "openid": None,
    "registration_time": None,
    "account_balance": 0,
    "state": "正常",
    "fee_percentage": 4,
}


def answer(data: object = USER, code: int = 200, **members: object) -> bytes:
    body = json.dumps({"code": code, "data": data, "msg": "a message", "time": "", **members}).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (code, len(body)) + body


@contextmanager
def peer(
    *answers: Callable[[socket.socket], object], context: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A server that treats one connection after the other as it is told; its port, and the requests it got."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            for each in answers:
                connection, _ = listener.accept()
                connection.settimeout(60)
                try:
                    with (
                        connection if context is None else context.wrap_socket(connection, server_side=True) as wrapped
                    ):
                        got.append(request_on(wrapped))
                        each(wrapped)
                except OSError:
                    continue  # the client has gone

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], got
        thread.join(60)
        assert not thread.is_alive()


def request_on(connection: socket.socket) -> bytes:
    """A whole request."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += some_of(connection)
    head, _, body = found.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += some_of(connection)
    return head + b"\r\n\r\n" + body


def some_of(connection: socket.socket) -> bytes:
    found = connection.recv(65_536)
    if not found:
        raise ConnectionError("the client has gone")
    return found


def say(data: bytes) -> Callable[[socket.socket], object]:
    return lambda connection: connection.sendall(data)


def client_of(port: int, timeout: float = 10.0) -> Client:
    return Client(f"http://127.0.0.1:{port}", tokens=TOKENS, timeout=timeout)


def test_a_request_says_who_sends_it_and_takes_no_compressed_answer() -> None:
    with peer(say(answer())) as (port, got):
        Client(f"http://127.0.0.1:{port}/", tokens=TOKENS, language="en", user_agent="the app").user_info()
    lines = got[0].decode().split("\r\n")
    assert lines[0] == "GET /api/user/user_info HTTP/1.1"
    assert {"Authorization: Bearer SECRET.access", "Accept-Language: en", "User-Agent: the app"} <= set(lines)
    assert "Accept-Encoding: identity" in lines


def test_a_lost_answer_to_what_reads_is_asked_for_again() -> None:
    with peer(say(b""), say(answer())) as (port, got):
        assert client_of(port).user_info().id == 1
    assert len(got) == 2


def test_a_lost_answer_to_what_acts_is_not() -> None:
    with peer(say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")) as (port, got), pytest.raises(NoAnswer) as told:
        client_of(port).change_password("SECRET", "SECRET2")
    assert len(got) == 1
    assert "SECRET" not in "".join(map(repr, [told.value, told.value.__cause__, told.value.__context__]))


def test_silence_has_an_end() -> None:
    start = time.monotonic()
    with peer(lambda connection: connection.recv(1)) as (port, _), pytest.raises(NoAnswer, match="in time"):
        client_of(port, 0.3).user_info()
    assert time.monotonic() - start < 20


def test_an_answer_that_comes_a_byte_at_a_time_has_an_end() -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(600):
            connection.sendall(b" ")
            time.sleep(0.1)

    start = time.monotonic()
    with peer(drip) as (port, _), pytest.raises(NoAnswer, match="in time"):
        client_of(port, 0.5).user_info()
    assert time.monotonic() - start < 20


def test_an_answer_without_an_end_is_not_read_to_it() -> None:
    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1_000):
            connection.sendall(b" " * 65_536)

    with peer(flood) as (port, _), pytest.raises(AnswerUnreadable, match="too long"):
        client_of(port).user_info()


def test_an_answer_in_chunks_is_read() -> None:
    body = answer().partition(b"\r\n\r\n")[2]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    with peer(say(chunked)) as (port, _):
        assert client_of(port).user_info().id == 1


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_opened_anew() -> None:
    def twice(connection: socket.socket) -> None:
        connection.sendall(answer())
        request_on(connection)
        connection.sendall(answer(code=403, data="", reason="invalid_credentials"))

    with peer(twice, say(answer())) as (port, got):
        client = client_of(port)
        client.user_info()
        with pytest.raises(InvalidCredentials):
            client.login("13800138000", "a password")
        client.user_info()
    assert len(got) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_token_goes_there(status: int) -> None:
    other = free_port()
    redirect = f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n".encode()
    with peer(say(redirect)) as (port, got), pytest.raises(AnswerUnreadable, match=str(status)):
        client_of(port).user_info()
    assert len(got) == 1


def test_a_proxy_out_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with peer(say(answer())) as (port, _):
        assert client_of(port).user_info().id == 1


def test_nobody_there_is_told_without_a_token() -> None:
    with pytest.raises(NoAnswer) as told:
        client_of(free_port()).user_info()
    assert "SECRET" not in repr(told.value) + repr(told.value.__cause__)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "accounts.example.com",
        "ftp://accounts.example.com",
        "http://accounts.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1:8000",
        "https://user:secret@accounts.example.com",
        "https://accounts.example.com?a=b",
        "https://accounts.example.com#a",
        "https://",
        "https://[::1",
    ],
)
def test_an_address_that_is_none_or_would_show_the_tokens_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"service|https"):
        Client(url)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://[::1]:1", "https://accounts.example.com/accounts/"])
def test_an_address_that_shows_them_to_nobody_is_taken(url: str) -> None:
    Client(url).close()


def test_http_to_another_machine_is_allowed_by_whoever_says_so() -> None:
    Client("http://accounts.internal:8000", insecure_http=True).close()


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("certificates") / "ca")


def context_of(authority: Authority, name: str) -> ssl.SSLContext:
    signed = authority.sign(name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    return context


def test_a_certificate_that_nobody_trusts_gets_no_token(authority: Authority) -> None:
    with (
        peer(say(answer()), context=context_of(authority, "localhost")) as (port, got),
        pytest.raises(NoAnswer),
    ):
        Client(f"https://localhost:{port}", tokens=TOKENS, timeout=20).refresh()
    assert got == []


def test_a_certificate_for_another_name_gets_no_token(authority: Authority) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.root.certificate))
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    with (
        peer(say(answer()), context=context_of(authority, "elsewhere.example")) as (port, got),
        pytest.raises(NoAnswer),
    ):
        Client(f"https://localhost:{port}", tokens=TOKENS, ssl_context=trusting).refresh()
    assert got == []


def test_an_authority_of_ones_own_is_trusted_by_whoever_says_so(authority: Authority) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.root.certificate))
    with peer(say(answer()), context=context_of(authority, "localhost")) as (port, _):
        assert Client(f"https://localhost:{port}", tokens=TOKENS, ssl_context=trusting).user_info().id == 1


def test_the_folder_of_a_service_behind_a_proxy_stays_before_the_path() -> None:
    with peer(say(answer())) as (port, got):
        Client(f"http://127.0.0.1:{port}/accounts/", tokens=TOKENS).user_info()
    assert got[0].startswith(b"GET /accounts/api/user/user_info ")


def test_a_file_keeps_the_tokens_between_two_runs(tmp_path: Path) -> None:
    kept = tmp_path / "tokens"
    data = {"expires_in": 60, "refresh_token": "next", "session_id": "s"}
    with peer(say(answer(data, token="new")), say(answer())) as (port, got):
        url = f"http://127.0.0.1:{port}"
        Client(url, tokens=TOKENS, on_tokens=lambda new: kept.write_text(new.to_text() if new else "")).refresh()
        Client(url, tokens=Tokens.from_text(kept.read_text())).user_info()
    assert b"Bearer new" in got[1]
