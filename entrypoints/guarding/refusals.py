"""Refusals because of the form of a request; those because of what it asks for are in the domain."""

from ...domain.errors import Refusal


class BodyInvalid(Refusal):
    """The body is not one strict JSON object."""

    reason = "body_invalid"


class BodyIncomplete(Refusal):
    """The body was shorter than announced, or late."""

    reason = "body_incomplete"


class LengthRequired(Refusal):
    """The body does not say its length."""

    reason = "length_required"


class BodyTooLarge(Refusal):
    """The body is longer than the limit."""

    reason = "body_too_large"


class ContentEncodingUnsupported(Refusal):
    """The body is compressed."""

    reason = "content_encoding_unsupported"


class MediaTypeUnsupported(Refusal):
    """The body is not ``application/json`` in UTF-8."""

    reason = "media_type_unsupported"


class MemberMissing(Refusal):
    """A member of the body that must be there is not."""

    reason = "member_missing"

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member


class MemberInvalid(Refusal):
    """A member of the body has a value of the wrong type."""

    reason = "member_invalid"

    def __init__(self, member: str) -> None:
        super().__init__(member)
        self.member = member


class QueryInvalid(Refusal):
    """A parameter of the query has a value that cannot be used."""

    reason = "query_invalid"

    def __init__(self, parameter: str) -> None:
        super().__init__(parameter)
        self.parameter = parameter


class RequestInvalid(Refusal):
    """The request cannot be understood, for a reason other than those above."""

    reason = "request_invalid"


class HostInvalid(Refusal):
    """The request has no Host, or two (RFC 9112, 3.2)."""

    reason = "host_invalid"


class TargetTooLong(Refusal):
    """The path and the query are longer than the limit."""

    reason = "target_too_long"


class HeadTooLarge(Refusal):
    """The headers are longer than the limit."""

    reason = "head_too_large"


class RouteNotFound(Refusal):
    """There is no route for this path."""

    reason = "not_found"


class MethodNotAllowed(Refusal):
    """The path does not support this method."""

    reason = "method_not_allowed"


class ProxyHeadersInvalid(Refusal):
    """A proxy asks who somebody is, and one of its headers is missing, or another family's is there as well."""

    reason = "proxy_headers_invalid"


class CallerNotTrusted(Refusal):
    """Only the operator's own proxies may ask this."""

    reason = "caller_not_trusted"


class TargetAmbiguous(Refusal):
    """The method, the host or the path could be read in two ways, so no rule applies to it."""

    reason = "target_ambiguous"


class RouteNotAllowed(Refusal):
    """No rule lets anybody get there."""

    reason = "route_not_allowed"


class CrossSite(Refusal):
    """A cookie says who it is, and the page that sends the request is of another origin, or of none."""

    reason = "cross_site"


class ReturnInvalid(Refusal):
    """The address to come back to after a login was not made by us, or is not allowed any more."""

    reason = "return_invalid"


class InternalError(Refusal):
    """An internal fault, with the incident id that is also in the log."""

    reason = "internal_error"

    def __init__(self, incident: str) -> None:
        super().__init__(incident)
        self.incident = incident
