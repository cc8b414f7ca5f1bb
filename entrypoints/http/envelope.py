"""Writing the contract's answers into Falcon's responses."""

from typing import Any

import falcon

from ..guarding.envelopes import HEADERS, Envelopes, Refused
from ..guarding.languages import Text


class FalconEnvelopes(Envelopes):
    """Envelopes that are written into Falcon's responses."""

    def write(
        self, req: falcon.Request, resp: falcon.Response, msg: Text, *, data: Any = "", token: str | None = None
    ) -> None:
        """Write a successful answer."""
        resp.status = 200
        resp.data = self.done(req.env.get("HTTP_ACCEPT_LANGUAGE"), msg, data=data, token=token)
        resp.set_headers(HEADERS)


def write_refused(resp: falcon.Response, refused: Refused) -> None:
    resp.status = refused.code
    resp.data = refused.body
    resp.set_headers(refused.headers)
