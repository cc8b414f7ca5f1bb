"""The client before a real server: every method, why sessions end, and many callers at the end of a token."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from attrs import define, field

from menshen.client import (
    AdminClient,
    AsyncAdminClient,
    AsyncClient,
    Client,
    Device,
    EndedBy,
    LoginNotAllowed,
    NotAnAdmin,
    PasswordWasChanged,
    RefreshTokenWasReused,
    SessionKicked,
    SessionLoggedOut,
    SessionReplaced,
    SignedOut,
    Tokens,
    Unauthenticated,
    UserNotActive,
)

from .servers import PASSWORD, Server, clean_environment, serving

ADMIN = "13700137000"
THREADS = 32


@pytest.fixture(scope="module")
def admin(server: Server) -> Iterator[AdminClient]:
    with Client(server.url) as user:
        user.register(ADMIN, PASSWORD)
    server.menshen("user", "grant-admin", ADMIN)
    with AdminClient(server.url) as client:
        client.login(ADMIN, PASSWORD)
        yield client


# Every method.


def test_everything_that_a_user_can_do(server: Server) -> None:
    phone = "13800138001"
    with Client(server.url, language="en", user_agent="the app") as client, Client(server.url) as other:
        first = client.register(phone, PASSWORD, user_name="小明", device=Device("pc", "an-id", "my desk"))
        user = client.user_info()
        assert (user.phone, user.user_name, user.account_balance) == (phone, "小明", Decimal("0.0000"))
        assert client.rename("小红").user_name == "小红"
        other.login(phone, PASSWORD, device=Device("phone", name="小明的手机"), remember=True)
        mine, theirs = sorted(client.sessions(), key=lambda session: not session.current)
        assert (mine.device.name, mine.user_agent, theirs.device.type) == ("my desk", "the app", "phone")
        client.end_session(theirs.id, password=PASSWORD)
        other.login(phone, PASSWORD)
        assert client.end_other_sessions(password=PASSWORD) == 1
        client.change_password(PASSWORD, "another password")
        second = client.refresh()
        assert second.session_id == first.session_id
        client.logout()
        client.login(phone, "another password")
        assert client.close_account("another password")
        client.login(phone, "another password")


def test_everything_that_an_admin_can_do(server: Server, admin: AdminClient) -> None:
    phone = "13800138002"
    with Client(server.url) as user, AdminClient(server.url) as another:
        tokens = user.register(phone, PASSWORD)
        [found] = admin.users(phone=phone).users
        assert admin.user(found.id) == found
        assert admin.set_fee(found.id, 7).fee_percentage == 7
        [session] = admin.user_sessions(found.id)
        assert (session.id, session.kind, session.end) == (tokens.session_id, "user", None)
        assert admin.explain(tokens.access_token).verdict == "valid"
        assert admin.kick_session(found.id, session.id) == 1
        assert admin.kick_user(found.id) == 0
        until = datetime.now(UTC) + timedelta(days=1)
        assert admin.freeze(found.id, reason="a reason", until=until).standing == "frozen"
        assert admin.unfreeze(found.id).standing == "active"
        assert admin.audit(user=found.id, kind="all", limit=1).next is not None
        another.login(ADMIN, PASSWORD)
        another.refresh()
        another.logout()


def test_an_admin_ends_every_session_of_everybody(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as server, Client(server.url) as user, AdminClient(server.url) as admin:
        user.register(ADMIN, PASSWORD)
        server.menshen("user", "grant-admin", ADMIN)
        admin.login(ADMIN, PASSWORD)
        assert admin.kick_everybody(PASSWORD) == 2
        with pytest.raises(SessionKicked):
            user.user_info()

        async def once_more() -> int:
            async with AsyncAdminClient(server.url) as desk:
                await desk.login(ADMIN, PASSWORD)
                return await desk.kick_everybody(PASSWORD)

        assert asyncio.run(once_more()) == 1


def test_the_same_for_asyncio(server: Server, admin: AdminClient) -> None:
    phone = "13800138003"

    async def journey() -> None:
        async with AsyncClient(server.url) as client, AsyncAdminClient(server.url) as desk:
            await client.register(phone, PASSWORD)
            assert (await client.user_info()).phone == phone
            assert (await client.rename(None)).user_name is None
            assert len(await client.sessions()) == 1
            assert await client.end_other_sessions() == 0
            await client.change_password(PASSWORD, "another password")
            await client.end_session((await client.login(phone, "another password")).session_id)
            await client.login(phone, "another password")
            assert await client.access_token() == (client.tokens and client.tokens.access_token)
            await desk.login(ADMIN, PASSWORD)
            [user] = (await desk.users(phone=phone)).users
            assert await desk.user(user.id) == user
            assert (await desk.set_fee(user.id, 7)).fee_percentage == 7
            sessions = await desk.user_sessions(user.id)
            assert await desk.kick_session(user.id, sessions[0].id) == 1
            assert (await desk.freeze(user.id, reason="a reason")).standing == "frozen"
            assert (await desk.unfreeze(user.id)).standing == "active"
            assert await desk.kick_user(user.id) == 0
            assert (await desk.audit(user=user.id)).entries
            assert (await desk.explain("x")).verdict == "token_invalid"
            await desk.refresh()
            await desk.logout()
            await client.login(phone, "another password")
            await client.refresh()
            assert await client.close_account("another password")
            assert client.signed_out is None

    asyncio.run(journey())


# Why a session ends.


def ended(client: Client, kind: type[Unauthenticated]) -> SignedOut:
    with pytest.raises(kind):
        client.user_info()
    assert client.signed_out is not None
    assert client.tokens is None
    return client.signed_out


def test_who_is_signed_out_is_told_why(server: Server, admin: AdminClient) -> None:
    phone = "13800138004"
    told: list[SignedOut] = []
    with Client(server.url, on_signed_out=told.append) as client, Client(server.url) as other:
        other.register(phone, PASSWORD, device=Device("phone", name="小明的手机"))
        client.login(phone, PASSWORD)
        other.end_other_sessions()
        kicked = ended(client, SessionKicked)
        assert (kicked.by, kicked.ended_at is not None) == (EndedBy("phone", "小明的手机"), True)
        client.login(phone, PASSWORD)
        other.change_password(PASSWORD, "another password")
        assert ended(client, PasswordWasChanged).by == EndedBy("phone", "小明的手机")
        tokens = client.login(phone, "another password")
        Client(server.url, tokens=tokens).logout()
        ended(client, SessionLoggedOut)
        client.login(phone, "another password")
        [user] = admin.users(phone=phone).users
        admin.freeze(user.id, reason="a reason")
        assert ended(client, UserNotActive).by is None
        with pytest.raises(LoginNotAllowed):
            client.login(phone, "another password")
    assert [each.reason for each in told] == [
        "session_kicked",
        "password_changed",
        "session_logged_out",
        "user_not_active",
    ]


def test_who_is_replaced_by_another_login_is_told_by_which_device(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "server", DEVICE_POLICY="single") as server,
        Client(server.url) as client,
        Client(server.url) as other,
    ):
        client.register("13800138000", PASSWORD)
        other.login("13800138000", PASSWORD, device=Device("web", name="a browser"))
        assert ended(client, SessionReplaced).by == EndedBy("web", "a browser")
        assert other.user_info().phone == "13800138000"


def test_an_admin_who_is_none_any_more_is_told(server: Server) -> None:
    phone = "13800138005"
    with Client(server.url) as user, AdminClient(server.url) as client:
        user.register(phone, PASSWORD)
        server.menshen("user", "grant-admin", phone)
        client.login(phone, PASSWORD)
        server.menshen("user", "revoke-admin", phone)
        with pytest.raises(Unauthenticated) as told:
            client.users()
        assert isinstance(told.value, NotAnAdmin | SessionKicked)
        assert client.signed_out is not None


# The end of a token.


@define
class Crowd:
    """Tokens of one session that run out for many at the same moment."""

    server: Server
    tokens: Tokens
    saved: list[Tokens | None] = field(factory=list)

    def rotations(self) -> int:
        [[count]] = self.server.rows("SELECT refresh_rotations FROM x_session WHERE id = ?", self.tokens.session_id)
        assert isinstance(count, int)
        return count


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    """The access token has just expired, and the next one lasts."""
    server = Server(tmp_path / "server", {"MENSHEN_ACCESS_TOKEN_TTL": "1"})
    try:
        server.start()
        with Client(server.url) as client:
            tokens = client.register("13800138000", PASSWORD)
        expired_at = time.monotonic() + 1.1
        server.stop()
        server.settings = {}
        server.start()
        time.sleep(max(0.0, expired_at - time.monotonic()))
        yield Crowd(server, tokens)
    finally:
        server.stop()


def test_many_threads_find_their_token_expired_and_renew_it_once(crowd: Crowd) -> None:
    together = Barrier(THREADS)
    with Client(crowd.server.url, tokens=crowd.tokens, on_tokens=crowd.saved.append) as client:

        def ask() -> str | None:
            together.wait(60)
            return client.user_info().phone

        with ThreadPoolExecutor(THREADS) as threads:
            found = [each.result(60) for each in [threads.submit(ask) for _ in range(THREADS)]]
        assert found == ["13800138000"] * THREADS
        assert (crowd.rotations(), len(crowd.saved), client.signed_out) == (1, 1, None)
        assert client.user_info().phone == "13800138000"


def test_many_tasks_find_their_token_expired_and_renew_it_once(crowd: Crowd) -> None:
    who = ContextVar("who", default="nobody")
    seen: list[str] = []

    def saved(tokens: Tokens | None) -> None:
        crowd.saved.append(tokens)
        seen.append(who.get())

    async def together() -> list[Any]:
        who.set("the caller")
        async with AsyncClient(crowd.server.url, tokens=crowd.tokens, on_tokens=saved) as client:
            return await asyncio.gather(*(client.user_info() for _ in range(THREADS)))

    found = asyncio.run(together())
    assert [user.phone for user in found] == ["13800138000"] * THREADS
    assert (crowd.rotations(), len(crowd.saved), seen) == (1, 1, ["the caller"])


def test_many_threads_renew_a_token_once_before_its_end(server: Server) -> None:
    now, saved = [0.0], list[Tokens | None]()
    with Client(server.url, clock=lambda: now[0], on_tokens=saved.append) as client:
        tokens = client.register("13800138006", PASSWORD)
        now[0] = 7 * 24 * 60 * 60
        together = Barrier(THREADS)

        def ask() -> str | None:
            together.wait(60)
            return client.user_info().phone

        with ThreadPoolExecutor(THREADS) as threads:
            found = [each.result(60) for each in [threads.submit(ask) for _ in range(THREADS)]]
    assert found == ["13800138006"] * THREADS
    assert len(saved) == 2
    assert Crowd(server, tokens).rotations() == 1


def test_tokens_that_two_programs_use_one_after_the_other_end_the_session(tmp_path: Path) -> None:
    """What docs/clients says not to do."""
    with serving(tmp_path / "server", REFRESH_RETRY="10") as server, Client(server.url) as client:
        tokens = client.register("13800138000", PASSWORD)
        for _ in range(40):
            client.refresh()
        with Client(server.url, tokens=tokens) as other, pytest.raises(RefreshTokenWasReused):
            other.refresh()
        ended(client, RefreshTokenWasReused)


# What importing it takes.


def test_importing_the_client_loads_nothing_of_the_service() -> None:
    script = (
        "import sys, menshen.client;"
        "heavy = {'falcon', 'sqlalchemy', 'alembic', 'attrs', 'attr', 'msgspec', 'jwt', 'argon2', 'granian'};"
        "print(sorted(heavy & set(sys.modules)));"
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'menshen'"
        " and not name.startswith('menshen.entrypoints.client')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=clean_environment({})
    )
    assert done.stdout.splitlines() == ["[]", "['menshen', 'menshen.client', 'menshen.entrypoints']"]
