"""Telling an app behind a proxy who is asking."""

from attrs import frozen

from ..host_tokens import HostTokenClaims
from ..ports.outside import Clock, HostTokenCodec, RandomIds
from ..presences import Principal


@frozen
class IssueHostToken:
    """Sign for one host who was let in."""

    codec: HostTokenCodec
    ids: RandomIds
    clock: Clock

    def __call__(self, principal: Principal, host: str) -> str:
        claims = HostTokenClaims.about(principal, host=host, token_id=self.ids.new_id(), now=self.clock.now())
        return self.codec.encode(claims)

    def key(self, host: str) -> str:
        """The key by which the app on *host* verifies its tokens, and no others."""
        return self.codec.key(host)
