"""The guard: whose request it is, or a refusal."""

from attrs import frozen

from ...domain.errors import Refusal
from ...domain.presences import Principal
from ...domain.use_cases.authentication import Authenticating
from .bearer import token_of
from .envelopes import Envelopes, Refused


@frozen
class Guard:
    """Judges a request by three of its headers, unchanged; None for a missing one.

    A framework's own guard asks this one, and sends the refusal as it is.
    """

    authenticate: Authenticating
    envelopes: Envelopes

    def __call__(
        self, token: str | None, authorization: str | None, accept_language: str | None
    ) -> Principal | Refused:
        try:
            # Nearly always there is one, in one place.
            return self.authenticate(token if token and not authorization else token_of(token, authorization))
        except Refusal as refusal:
            return self.envelopes.refused(accept_language, refusal)
