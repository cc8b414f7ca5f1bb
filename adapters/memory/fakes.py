"""Stand-ins that make tests fast and repeatable. They keep their port's contract, and no secret."""

from datetime import UTC, datetime, timedelta
from itertools import count

from attrs import define, field

from ...domain.host_tokens import HostTokenClaims
from ...domain.ports.outside import Verdict
from ...domain.ports.writing import UnitOfWork
from ...domain.refresh_tokens import RefreshToken
from ...domain.sessions import SessionEnd, SessionId
from ...domain.tokens import AccessTokenClaims, TokenInvalid


@define
class FakeClock:
    """A clock that stands still until it is moved."""

    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def timestamp(self) -> float:
        return self.time.timestamp()

    def move(self, by: timedelta) -> None:
        self.time += by


@define
class FakePasswordHasher:
    """Stores the password after a prefix. Hashes with the prefix ``old:`` match, and count as outdated."""

    judged: int = 0

    def hash(self, password: str) -> str:
        return f"fake:{password}"

    def verify(self, password: str, password_hash: str | None) -> Verdict:
        self.judged += 1
        if password_hash == f"fake:{password}":
            return Verdict.MATCH
        if password_hash == f"old:{password}":
            return Verdict.MATCH_OUTDATED
        return Verdict.NO_MATCH


@define
class FakeTokenCodec:
    """Hands out numbered tokens of one audience and remembers what each one says."""

    audience: str = "user"
    issued: dict[str, AccessTokenClaims] = field(factory=dict)

    def encode(self, claims: AccessTokenClaims) -> str:
        token = f"fake-{self.audience}-token-{len(self.issued) + 1}"
        self.issued[token] = claims
        return token

    def decode(self, token: str) -> AccessTokenClaims:
        try:
            return self.issued[token]
        except KeyError:
            raise TokenInvalid from None


@define
class FakeHostTokenCodec:
    """Hands out numbered tokens and remembers what each one says."""

    issued: dict[str, HostTokenClaims] = field(factory=dict)

    def encode(self, claims: HostTokenClaims) -> str:
        token = f"fake-host-token-{len(self.issued) + 1}"
        self.issued[token] = claims
        return token

    def key(self, host: str) -> str:
        return f"fake-key-of-{host}"


@define
class FakeSeal:
    """Numbers what it seals, and remembers it."""

    sealed: dict[str, tuple[str, str]] = field(factory=dict)

    def seal(self, text: str, purpose: str) -> str:
        name = f"fake-seal-{len(self.sealed) + 1}"
        self.sealed[name] = (text, purpose)
        return name

    def open(self, sealed: str, purpose: str) -> str | None:
        text, its_purpose = self.sealed.get(sealed, ("", ""))
        return text if its_purpose == purpose else None


@define
class FakeRefreshTokenCodec:
    """Counts: the secret of a token is the number of rotations that led to it."""

    key_id: str = "fake-key"

    def new(self, session_id: SessionId) -> RefreshToken:
        return RefreshToken(session_id, b"0")

    def successor(self, token: RefreshToken) -> RefreshToken:
        return RefreshToken(token.session_id, str(int(token.secret) + 1).encode())

    def digest(self, token: RefreshToken) -> bytes:
        return f"{token.session_id}#{token.secret.decode()}".encode()

    def encode(self, token: RefreshToken) -> str:
        return f"{token.session_id}/{token.secret.decode()}"

    def decode(self, text: str) -> RefreshToken | None:
        session_id, slash, number = text.partition("/")
        return RefreshToken(SessionId(session_id), number.encode()) if slash and number.isdigit() else None


@define
class FakeLastSeen:
    """Writes what it is told at once."""

    work: UnitOfWork

    def note(self, session_id: SessionId, at: datetime) -> None:
        self.work.transact(lambda tx: tx.sessions.see([(session_id, at)], at))

    def note_end(self, session_id: SessionId, end: SessionEnd) -> None:
        self.work.transact(lambda tx: tx.sessions.end([session_id], end))


@define
class FakeRandomIds:
    """Ids that count up."""

    _numbers: "count[int]" = field(factory=lambda: count(1))

    def new_id(self) -> str:
        return f"fake-id-{next(self._numbers):032}"
