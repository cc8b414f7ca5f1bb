"""The other refusals: what the service does not do, and what it cannot do now."""

from .refused import Refused, Unavailable


class InvalidCredentials(Refused, reason="invalid_credentials"):
    """No user has this phone number, or the password is wrong; which of the two is not told."""


class LoginNotAllowed(Refused, reason="user_not_active"):
    """The password is right, but the state of the user does not allow to log in."""


class AdminLoginNotAllowed(Refused, reason="not_an_admin"):
    """The password is right, but the user is no admin."""


class DeviceInvalid(Refused, reason="device_invalid"):
    """The device has an unknown type, or an id or a name that cannot be kept."""


class ReauthenticationFailed(Refused, reason="password_wrong"):
    """The password that was to prove who one is is wrong."""


class ReauthenticationNeeded(Refused, reason="password_needed"):
    """The password is needed, as the login was too long ago."""


class PhoneInvalid(Refused, reason="phone_invalid"):
    """The phone number is no mainland mobile number."""


class PhoneTaken(Refused, reason="phone_taken"):
    """The phone number is registered already."""


class ReferrerUnknown(Refused, reason="referrer_unknown"):
    """The inviting user does not exist."""


class UserNameInvalid(Refused, reason="user_name_invalid"):
    """The user name is too long, or has control characters."""


class PasswordLengthInvalid(Refused, reason="password_length"):
    """The password is too short or too long."""


class PasswordTextInvalid(Refused, reason="password_text"):
    """The password has a character that is none."""


class PasswordTooCommon(Refused, reason="password_common"):
    """The password is among the most common ones."""


class PasswordHoldsIdentifier(Refused, reason="password_holds_identifier"):
    """The password has the phone number or the user name in it."""


class NoSuchUser(Refused, reason="no_such_user"):
    """No user has this id."""


class NoSuchSession(Refused, reason="no_such_session"):
    """The user has no such live session."""


class StateConflict(Refused, reason="state_conflict"):
    """The state of the user does not allow this."""


class FreezeInvalid(Refused, reason="freeze_invalid"):
    """A freeze ends in the future, within ten years, or not at all."""


class FeeInvalid(Refused, reason="fee_invalid"):
    """A fee percentage is a whole number from 0 to 100."""


class TextInvalid(Refused, reason="text_invalid"):
    """The text is empty, too long, or has control characters."""


class StoreUnavailable(Unavailable, reason="store_unavailable"):
    """The database cannot be asked now, or whether it has done it is unknown; asking again is safe."""


class HasherBusy(Unavailable, reason="busy"):
    """More passwords wait to be checked than can be checked in time."""


class ClockInDoubt(Unavailable, reason="clock_in_doubt"):
    """The clock of the service may have jumped; only the command line says so."""


class BodyInvalid(Refused, reason="body_invalid"):
    """The body is not one strict JSON object."""


class BodyIncomplete(Refused, reason="body_incomplete"):
    """The body was shorter than announced, or late."""


class BodyTooLarge(Refused, reason="body_too_large"):
    """The body is too long."""


class LengthRequired(Refused, reason="length_required"):
    """The body does not say its length."""


class ContentEncodingUnsupported(Refused, reason="content_encoding_unsupported"):
    """The body is compressed."""


class MediaTypeUnsupported(Refused, reason="media_type_unsupported"):
    """The body is not JSON in UTF-8."""


class HostInvalid(Refused, reason="host_invalid"):
    """The request has no Host, or two."""


class TargetTooLong(Refused, reason="target_too_long"):
    """The path and the query are too long."""


class HeadTooLarge(Refused, reason="head_too_large"):
    """The headers are too large."""


class MemberMissing(Refused, reason="member_missing"):
    """A member of the body is missing."""


class MemberInvalid(Refused, reason="member_invalid"):
    """A member of the body has a wrong type."""


class QueryInvalid(Refused, reason="query_invalid"):
    """A parameter of the query cannot be used."""


class RequestInvalid(Refused, reason="request_invalid"):
    """The request cannot be understood."""


class RouteNotFound(Refused, reason="not_found"):
    """The service has nothing at this path: it may be older than this client."""


class MethodNotAllowed(Refused, reason="method_not_allowed"):
    """The service does not know this method at this path."""


class InternalError(Refused, reason="internal_error"):
    """A fault of the service; the incident in *msg* is in its log as well."""


class CrossSite(Refused, reason="cross_site"):
    """A browser sent its cookie because of a page of another site."""


class CallerNotTrusted(Refused, reason="caller_not_trusted"):
    """Only the proxies in front of the service may ask this."""


class ProxyHeadersInvalid(Refused, reason="proxy_headers_invalid"):
    """The proxy does not say which request it asks about, or says it in two ways."""


class TargetAmbiguous(Refused, reason="target_ambiguous"):
    """The path or the host behind the proxy is not spelled in the one way there is."""


class RouteNotAllowed(Refused, reason="route_not_allowed"):
    """No rule lets anybody go there."""


class ReturnInvalid(Refused, reason="return_invalid"):
    """The address to go back to after the login is none that the service has given."""
