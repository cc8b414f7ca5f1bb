"""The same clients for asyncio: each call runs in a thread of the loop's own executor, with the caller's context."""

from asyncio import to_thread
from datetime import datetime
from types import TracebackType
from typing import Generic, Self, TypeVar, Unpack

from .account import Client
from .admin import AdminClient
from .answers import AuditPage, Device, Explanation, OwnSession, SessionRecord, User, UserPage, UserRecord
from .keeping import SignedOut
from .options import Options, SessionClient
from .tokens import Tokens

S = TypeVar("S", bound=SessionClient)


class AsyncSessionClient(Generic[S]):
    """What both have in common. A call that is cancelled is carried out to its end all the same, like a renewal.

    *on_tokens* and *on_signed_out* are called in that thread.
    """

    def __init__(self, client: S) -> None:
        self._client = client

    @property
    def tokens(self) -> Tokens | None:
        return self._client.tokens

    @property
    def signed_out(self) -> SignedOut | None:
        return self._client.signed_out

    async def access_token(self) -> str:
        return await to_thread(self._client.access_token)

    async def refresh(self, worn: str | None = None) -> Tokens:
        return await to_thread(self._client.refresh, worn)

    async def logout(self) -> None:
        await to_thread(self._client.logout)

    async def close(self) -> None:
        await to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class AsyncClient(AsyncSessionClient[Client]):
    """Client, for asyncio."""

    def __init__(self, base_url: str, **options: Unpack[Options]) -> None:
        super().__init__(Client(base_url, **options))

    async def register(
        self,
        phone: str,
        password: str,
        *,
        user_name: str | None = None,
        invited_by: int | None = None,
        device: Device | None = None,
        remember: bool = False,
    ) -> Tokens:
        return await to_thread(
            self._client.register,
            phone,
            password,
            user_name=user_name,
            invited_by=invited_by,
            device=device,
            remember=remember,
        )

    async def login(
        self,
        phone: str,
        password: str,
        *,
        device: Device | None = None,
        remember: bool = False,
        replace: str | None = None,
    ) -> Tokens:
        return await to_thread(self._client.login, phone, password, device=device, remember=remember, replace=replace)

    async def user_info(self) -> User:
        return await to_thread(self._client.user_info)

    async def sessions(self) -> tuple[OwnSession, ...]:
        return await to_thread(self._client.sessions)

    async def end_session(self, session_id: str, *, password: str | None = None) -> None:
        await to_thread(self._client.end_session, session_id, password=password)

    async def end_other_sessions(self, *, password: str | None = None) -> int:
        return await to_thread(self._client.end_other_sessions, password=password)

    async def change_password(self, old: str, new: str) -> None:
        await to_thread(self._client.change_password, old, new)

    async def rename(self, user_name: str | None) -> User:
        return await to_thread(self._client.rename, user_name)

    async def close_account(self, password: str) -> str:
        return await to_thread(self._client.close_account, password)


class AsyncAdminClient(AsyncSessionClient[AdminClient]):
    """AdminClient, for asyncio."""

    def __init__(self, base_url: str, **options: Unpack[Options]) -> None:
        super().__init__(AdminClient(base_url, **options))

    async def login(
        self,
        phone: str,
        password: str,
        *,
        device: Device | None = None,
        remember: bool = False,
        replace: str | None = None,
    ) -> Tokens:
        return await to_thread(self._client.login, phone, password, device=device, remember=remember, replace=replace)

    async def users(
        self,
        *,
        user_id: int | None = None,
        phone: str | None = None,
        name: str | None = None,
        state: str | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> UserPage:
        return await to_thread(
            self._client.users, user_id=user_id, phone=phone, name=name, state=state, after=after, limit=limit
        )

    async def user(self, user_id: int) -> UserRecord:
        return await to_thread(self._client.user, user_id)

    async def freeze(self, user_id: int, *, reason: str, until: datetime | None = None) -> UserRecord:
        return await to_thread(self._client.freeze, user_id, reason=reason, until=until)

    async def unfreeze(self, user_id: int) -> UserRecord:
        return await to_thread(self._client.unfreeze, user_id)

    async def set_fee(self, user_id: int, percentage: int) -> UserRecord:
        return await to_thread(self._client.set_fee, user_id, percentage)

    async def user_sessions(self, user_id: int) -> tuple[SessionRecord, ...]:
        return await to_thread(self._client.user_sessions, user_id)

    async def kick_session(self, user_id: int, session_id: str) -> int:
        return await to_thread(self._client.kick_session, user_id, session_id)

    async def kick_user(self, user_id: int) -> int:
        return await to_thread(self._client.kick_user, user_id)

    async def kick_everybody(self, password: str) -> int:
        return await to_thread(self._client.kick_everybody, password)

    async def audit(
        self,
        *,
        user: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        kind: str | None = None,
    ) -> AuditPage:
        return await to_thread(self._client.audit, user=user, before=before, limit=limit, kind=kind)

    async def explain(self, token: str) -> Explanation:
        return await to_thread(self._client.explain, token)
