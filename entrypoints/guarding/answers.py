"""The code and the message of each refusal, on one page."""

from attrs import frozen

from ...domain import (
    admission,
    clocks,
    devices,
    errors,
    passwords,
    proofs,
    realms,
    refresh_tokens,
    sessions,
    texts,
    tokens,
    users,
)
from ...domain.errors import Refusal
from .languages import Text
from .refusals import (
    BodyIncomplete,
    BodyInvalid,
    BodyTooLarge,
    CallerNotTrusted,
    ContentEncodingUnsupported,
    CrossSite,
    HeadTooLarge,
    HostInvalid,
    InternalError,
    LengthRequired,
    MediaTypeUnsupported,
    MemberInvalid,
    MemberMissing,
    MethodNotAllowed,
    ProxyHeadersInvalid,
    QueryInvalid,
    RequestInvalid,
    ReturnInvalid,
    RouteNotAllowed,
    RouteNotFound,
    TargetAmbiguous,
    TargetTooLong,
)


@frozen
class Answer:
    """The answer to a refusal.

    ``{names}`` in the message are the refusal's attributes; ``{failed}`` says what was not done, if a rule applies to
    several routes.
    """

    code: int
    msg: Text


_TOKEN_INVALID = Text("token无效", "The token is invalid.")
_TOKEN_EXPIRED = Text("token过期", "The token has expired.")
_BUSY = Text("服务繁忙,请稍后再试", "The service is busy, please try again.")

ANSWERS: dict[type[Refusal], Answer] = {
    users.PhoneInvalid: Answer(
        403, Text("注册失败,请输入11位手机号", "Registration failed: enter a mobile number of 11 digits.")
    ),
    users.UserNameInvalid: Answer(
        403,
        Text(
            "{failed},用户名不能超过80个字符,且不能含有控制字符",
            "{failed}: a user name has at most 80 characters and no control characters.",
        ),
    ),
    passwords.PasswordLengthInvalid: Answer(
        403,
        Text(
            "{failed},密码长度请大于{minimum}位,小于{maximum}位",
            "{failed}: a password has {minimum} to {maximum} characters.",
        ),
    ),
    passwords.PasswordTextInvalid: Answer(
        403, Text("{failed},密码含有无效字符", "{failed}: the password holds an invalid character.")
    ),
    passwords.PasswordTooCommon: Answer(
        403, Text("{failed},密码过于常见,请更换", "{failed}: this password is too common, choose another.")
    ),
    passwords.PasswordHoldsIdentifier: Answer(
        403,
        Text(
            "{failed},密码不能包含手机号或用户名",
            "{failed}: the password must not hold the phone number or the user name.",
        ),
    ),
    users.PhoneTaken: Answer(
        403,
        Text(
            "注册失败,该手机已经注册,请直接登陆或更换手机后注册",
            "Registration failed: this number is registered already; log in, or use another number.",
        ),
    ),
    users.ReferrerUnknown: Answer(
        403, Text("注册失败,邀请人不存在", "Registration failed: the inviting user does not exist.")
    ),
    proofs.InvalidCredentials: Answer(403, Text("用户账号或密码错误", "The phone number or the password is wrong.")),
    users.LoginNotAllowed: Answer(
        403, Text("该用户状态不允许登陆", "The state of this user does not allow to log in.")
    ),
    realms.AdminLoginNotAllowed: Answer(403, Text("该用户不是管理员", "This user is no admin.")),
    admission.TooManyDevices: Answer(
        403, Text("登陆设备数量已达上限", "No more devices may log in; sign one of them out first.")
    ),
    devices.DeviceInvalid: Answer(400, Text("设备信息无效", "The device cannot be understood.")),
    proofs.ReauthenticationFailed: Answer(403, Text("密码错误", "The password is wrong.")),
    proofs.ReauthenticationNeeded: Answer(
        403, Text("请输入密码或重新登陆", "Give the password, or log in anew within the last ten minutes.")
    ),
    tokens.TokenMissing: Answer(401, Text("token不存在", "There is no token.")),
    tokens.TokenInvalid: Answer(401, _TOKEN_INVALID),
    tokens.TokenExpired: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionUnknown: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionExpired: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionReplaced: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionLoggedOut: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionIdle: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionKicked: Answer(401, _TOKEN_EXPIRED),
    sessions.PasswordWasChanged: Answer(401, _TOKEN_EXPIRED),
    sessions.UserWasFrozen: Answer(401, _TOKEN_EXPIRED),
    sessions.UserWasClosed: Answer(401, _TOKEN_EXPIRED),
    sessions.RefreshTokenWasReused: Answer(401, _TOKEN_EXPIRED),
    sessions.SessionEnded: Answer(401, _TOKEN_EXPIRED),
    refresh_tokens.RefreshTokenInvalid: Answer(401, _TOKEN_INVALID),
    refresh_tokens.RefreshTokenExpired: Answer(401, _TOKEN_EXPIRED),
    realms.NotAnAdmin: Answer(401, Text("该用户不是管理员", "This user is no admin.")),
    users.NoSuchUser: Answer(404, Text("用户不存在", "The user does not exist.")),
    sessions.NoSuchSession: Answer(404, Text("会话不存在", "There is no such session.")),
    users.StateConflict: Answer(403, Text("该用户当前状态不允许此操作", "The state of the user does not allow this.")),
    users.FreezeInvalid: Answer(
        403, Text("冻结期限须在将来十年之内", "A freeze ends in the future, within ten years, or not at all.")
    ),
    users.FeeInvalid: Answer(403, Text("费率须为0到100的整数", "A fee percentage is a whole number from 0 to 100.")),
    texts.TextInvalid: Answer(
        403, Text("文字为空、过长或含有控制字符", "The text is empty, too long, or holds control characters.")
    ),
    users.UserNotFound: Answer(401, Text("用户不存在", "The user does not exist.")),
    users.UserNotActive: Answer(
        401, Text("该用户状态异常,请联系客服", "The state of this user is not normal; please contact support.")
    ),
    errors.StoreUnavailable: Answer(503, _BUSY),
    passwords.HasherBusy: Answer(503, _BUSY),
    # Only seen on the command line and in the log.
    clocks.ClockInDoubt: Answer(
        503,
        Text(
            "时钟显示{clock},但在{gap_ends}之前的{days}天内没有任何记录,时钟可能有误,未删除任何内容。请校准时钟;若时钟无误,请运行 menshen prune --clock-is-right",
            "The clock says {clock}, and of the {days} days before {gap_ends} the store knows nothing: it may have jumped. "
            "Nothing was deleted. Set the clock right; where it is right, say so: menshen prune --clock-is-right",
        ),
    ),
    BodyInvalid: Answer(400, Text("请求体必须是一个JSON对象", "The body must be one JSON object.")),
    BodyIncomplete: Answer(400, Text("请求体不完整", "The body is not complete.")),
    LengthRequired: Answer(400, Text("请求缺少Content-Length", "The request lacks a Content-Length.")),
    ContentEncodingUnsupported: Answer(
        415, Text("请勿压缩请求体(Content-Encoding)", "The body must not be compressed: leave out Content-Encoding.")
    ),
    HostInvalid: Answer(400, Text("请求须有且仅有一个Host", "The request must have one Host, and no second.")),
    TargetTooLong: Answer(414, Text("请求地址过长", "The path and the query are too long.")),
    HeadTooLarge: Answer(431, Text("请求头过大", "The headers are too large.")),
    BodyTooLarge: Answer(413, Text("请求体过大", "The body is too large.")),
    MediaTypeUnsupported: Answer(415, Text("请使用application/json", "The body must be application/json in UTF-8.")),
    MemberMissing: Answer(400, Text("缺少参数{member}", "The member {member} is missing.")),
    MemberInvalid: Answer(400, Text("参数{member}类型错误", "The member {member} has a wrong type.")),
    QueryInvalid: Answer(400, Text("查询参数{parameter}无效", "The query parameter {parameter} is invalid.")),
    RequestInvalid: Answer(400, Text("请求无效", "The request is invalid.")),
    RouteNotFound: Answer(404, Text("接口不存在", "There is nothing at this path.")),
    MethodNotAllowed: Answer(405, Text("不支持该请求方法", "This method is not allowed here; see Allow.")),
    ProxyHeadersInvalid: Answer(
        400, Text("代理请求头缺失或混用", "The headers of the proxy are incomplete, or of two kinds.")
    ),
    CallerNotTrusted: Answer(403, Text("仅受信任的代理可用", "Only a trusted proxy may ask this.")),
    TargetAmbiguous: Answer(403, Text("请求地址写法有歧义", "The address can be read in two ways.")),
    RouteNotAllowed: Answer(403, Text("该地址未开放", "Nobody is let in at this address.")),
    CrossSite: Answer(403, Text("请求来自其他网站", "The request comes from another site.")),
    ReturnInvalid: Answer(400, Text("返回地址无效", "The address to come back to is invalid.")),
    InternalError: Answer(500, Text("服务器内部错误,事件编号{incident}", "Internal error, incident {incident}.")),
}


NOT_REGISTERED = Text("注册失败", "Registration failed")
PASSWORD_NOT_CHANGED = Text("修改密码失败", "The password was not changed")
PROFILE_NOT_CHANGED = Text("修改资料失败", "The profile was not changed")


def answer_to(refusal: Refusal, language: str, failed: Text = NOT_REGISTERED) -> tuple[int, str]:
    """The code and the message of *refusal*; *failed* says what was not done."""
    answer = ANSWERS[type(refusal)]
    members = {"failed": failed.in_language(language), **vars(refusal)}
    return answer.code, answer.msg.in_language(language).format(**members)
