"""The refusals that have to do with a request and not with what it asks for; the domain has the others."""

from ...domain.errors import Refusal


class BodyInvalid(Refusal):
    """The body is not one strict JSON object."""

    reason = "body_invalid"


class BodyIncomplete(Refusal):
    """Less came than was announced, or not in time."""

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
    """The request cannot be understood, in another way than those above."""

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
    """There is nothing at this path."""

    reason = "not_found"


class MethodNotAllowed(Refusal):
    """The path does not know this method."""

    reason = "method_not_allowed"


class InternalError(Refusal):
    """A fault of ours, under the incident id that the log has too."""

    reason = "internal_error"

    def __init__(self, incident: str) -> None:
        super().__init__(incident)
        self.incident = incident
