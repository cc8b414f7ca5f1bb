"""Each refusal's HTTP code and message, on one page; and the refusals that only HTTP knows."""

from attrs import frozen

from ...domain import errors as domain
from ...domain.errors import Refusal
from .languages import Text


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


class RequestInvalid(Refusal):
    """The request cannot be understood, in another way than those above."""

    reason = "request_invalid"


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


@frozen
class Answer:
    """How a refusal looks on the wire. ``{names}`` in the message are the refusal's attributes."""

    code: int
    msg: Text


_TOKEN_INVALID = Text("token无效", "The token is invalid.")
_TOKEN_EXPIRED = Text("token过期", "The token has expired.")
_BUSY = Text("服务繁忙,请稍后再试", "The service is busy, please try again.")

ANSWERS: dict[type[Refusal], Answer] = {
    domain.PhoneInvalid: Answer(
        403, Text("注册失败,请输入11位手机号", "Registration failed: enter a mobile number of 11 digits.")
    ),
    domain.UserNameInvalid: Answer(
        403,
        Text(
            "注册失败,用户名不能超过80个字符,且不能含有控制字符",
            "Registration failed: a user name has at most 80 characters and no control characters.",
        ),
    ),
    domain.PasswordLengthInvalid: Answer(
        403,
        Text(
            "注册失败,密码长度请大于{minimum}位,小于{maximum}位",
            "Registration failed: a password has {minimum} to {maximum} characters.",
        ),
    ),
    domain.PasswordTextInvalid: Answer(
        403, Text("注册失败,密码含有无效字符", "Registration failed: the password holds an invalid character.")
    ),
    domain.PasswordTooCommon: Answer(
        403, Text("注册失败,密码过于常见,请更换", "Registration failed: this password is too common, choose another.")
    ),
    domain.PasswordHoldsIdentifier: Answer(
        403,
        Text(
            "注册失败,密码不能包含手机号或用户名",
            "Registration failed: the password must not hold the phone number or the user name.",
        ),
    ),
    domain.PhoneTaken: Answer(
        403,
        Text(
            "注册失败,该手机已经注册,请直接登陆或更换手机后注册",
            "Registration failed: this number is registered already; log in, or use another number.",
        ),
    ),
    domain.ReferrerUnknown: Answer(
        403, Text("注册失败,邀请人不存在", "Registration failed: the inviting user does not exist.")
    ),
    domain.InvalidCredentials: Answer(403, Text("用户账号或密码错误", "The phone number or the password is wrong.")),
    domain.LoginNotAllowed: Answer(
        403, Text("该用户状态不允许登陆", "The state of this user does not allow to log in.")
    ),
    domain.TokenMissing: Answer(401, Text("token不存在", "There is no token.")),
    domain.TokenInvalid: Answer(401, _TOKEN_INVALID),
    domain.TokenExpired: Answer(401, _TOKEN_EXPIRED),
    domain.SessionUnknown: Answer(401, _TOKEN_EXPIRED),
    domain.SessionExpired: Answer(401, _TOKEN_EXPIRED),
    domain.SessionReplaced: Answer(401, _TOKEN_EXPIRED),
    domain.SessionLoggedOut: Answer(401, _TOKEN_EXPIRED),
    domain.UserNotFound: Answer(401, Text("用户不存在", "The user does not exist.")),
    domain.UserNotActive: Answer(
        401, Text("该用户状态异常,请联系客服", "The state of this user is not normal; please contact support.")
    ),
    domain.StoreUnavailable: Answer(503, _BUSY),
    domain.HasherBusy: Answer(503, _BUSY),
    BodyInvalid: Answer(400, Text("请求体必须是一个JSON对象", "The body must be one JSON object.")),
    BodyIncomplete: Answer(400, Text("请求体不完整", "The body is not complete.")),
    LengthRequired: Answer(400, Text("请求缺少Content-Length", "The request lacks a Content-Length.")),
    BodyTooLarge: Answer(413, Text("请求体过大", "The body is too large.")),
    MediaTypeUnsupported: Answer(415, Text("请使用application/json", "The body must be application/json in UTF-8.")),
    MemberMissing: Answer(400, Text("缺少参数{member}", "The member {member} is missing.")),
    MemberInvalid: Answer(400, Text("参数{member}类型错误", "The member {member} has a wrong type.")),
    RequestInvalid: Answer(400, Text("请求无效", "The request is invalid.")),
    RouteNotFound: Answer(404, Text("接口不存在", "There is nothing at this path.")),
    MethodNotAllowed: Answer(405, Text("不支持该请求方法", "This method is not allowed here.")),
    InternalError: Answer(500, Text("服务器内部错误,事件编号{incident}", "Internal error, incident {incident}.")),
}


def answer_to(refusal: Refusal, language: str) -> tuple[int, str]:
    """The code and the message of *refusal*."""
    answer = ANSWERS[type(refusal)]
    return answer.code, answer.msg.in_language(language).format(**vars(refusal))
