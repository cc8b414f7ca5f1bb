"""Why a token is accepted or not, for operators."""

from attrs import frozen

from ..errors import Refusal
from ..ports.outside import TokenCodec
from ..ports.reading import Presences
from ..sessions import SessionKind, SessionOverview, SessionUnknown
from ..tokens import AccessTokenClaims, TokenInvalid
from ..users import Profile
from .authentication import Authenticate

VALID = "valid"


@frozen(kw_only=True)
class Explanation:
    """What the guard says about a token, and what is known about it: each passed check adds to it."""

    verdict: str
    kind: SessionKind | None = None
    claims: AccessTokenClaims | None = None
    user: Profile | None = None
    session: SessionOverview | None = None


@frozen
class ExplainToken:
    """Say which check a token fails, or that it passes, and whose it is. It asks the guard itself."""

    guards: tuple[Authenticate, ...]
    presences: Presences

    def __call__(self, token: str) -> Explanation:
        for guard in self.guards:
            claims = _claims_of(guard.codec, token)
            if claims is not None:
                return self._explained(guard, claims, token)
        return Explanation(verdict=TokenInvalid.reason)

    def _explained(self, guard: Authenticate, claims: AccessTokenClaims, token: str) -> Explanation:
        presence = self.presences.by_session(claims.subject, claims.session_id)
        try:
            guard.judge(token)
            verdict = VALID
        except Refusal as refusal:
            verdict = refusal.reason
        is_unknown = verdict == SessionUnknown.reason
        return Explanation(
            verdict=verdict,
            kind=guard.realm.kind,
            claims=claims,
            user=None if presence is None else presence.user.profile,
            session=None if is_unknown or presence is None or presence.session is None else presence.session.overview,
        )


def _claims_of(codec: TokenCodec, token: str) -> AccessTokenClaims | None:
    try:
        return codec.decode(token)
    except TokenInvalid:
        return None
