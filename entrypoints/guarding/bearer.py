"""Where a request carries its token."""

from ...domain.tokens import TokenInvalid, TokenMissing


def token_of(header: str | None, authorization: str | None) -> str:
    """The token, from one of its two places only (RFC 9700, 4.3.2): the headers ``token`` and ``Authorization``.

    Takes their values, or None. Raises TokenMissing, TokenInvalid.
    """
    header = header or None
    scheme, _, credentials = (authorization or "").partition(" ")
    bearer = credentials.strip(" ") if scheme.lower() == "bearer" else None
    # Two different credentials in one request are refused, so that no two readers can disagree about which one counts.
    if header is not None and bearer is not None and header != bearer:
        raise TokenInvalid
    token = header if header is not None else bearer
    if token is None:
        raise TokenMissing
    return token
