"""How hypothesis makes journeys: from few users, numbers and passwords, so that the steps have to do with each other."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from hypothesis import strategies as st

from menshen.adapters.memory.fakes import FakeClock
from menshen.domain.device_policy import DevicePolicy
from menshen.domain.devices import Client, Device, DeviceType
from menshen.domain.users import Standing, UserState
from menshen.entrypoints.settings import Settings

from .journey_operations import (
    CloseByOperator,
    FindUser,
    FindUsers,
    Freeze,
    Kick,
    KickEverybody,
    KickEverybodyAsAdmin,
    Move,
    Prune,
    ReadAudit,
    SessionsOf,
    SetAdmin,
    SetFee,
    SetPassword,
    SetPhone,
    SetPolicy,
    Unfreeze,
)
from .journey_steps import (
    SPELLINGS,
    Adopt,
    Authenticate,
    AuthenticateAdmin,
    ChangePassword,
    Close,
    EndOtherSessions,
    EndSession,
    Explain,
    ListSessions,
    LogIn,
    LogInAsAdmin,
    LogOut,
    Refresh,
    RefreshAnother,
    Register,
    RegisterWithoutLogin,
    Rename,
)
from .journeys import COMMON_PASSWORD, Journey, Step

T = TypeVar("T")

MOST_STEPS = 80

MOMENT, SECOND, HOUR, DAY = timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def mostly(usual: Sequence[T], rare: Sequence[T]) -> st.SearchStrategy[T]:
    """One of *usual*; one of *rare* in a case out of six or more."""
    return st.sampled_from([*usual] * -(-5 * len(rare) // len(usual)) + [*rare])


PASSWORD, OTHER_PASSWORD = "a good password", "another good one"

_GOOD_PHONES = [
    "13800138000",
    "+86 138-0013-8000",
    "１３８００１３８０００",
    "13900139000",
    "0086 13900139000",
    "13700137000",
]
PHONES = mostly(_GOOD_PHONES, ["13600136000", "12800138000", "1380013800", "", "13800138000 ", "😀", "138001380\x0000"])
PASSWORDS = mostly([PASSWORD] * 4 + [OTHER_PASSWORD], ["short", "x" * 33, COMMON_PASSWORD, "a good\0one"])
NEW_PASSWORDS = mostly(
    [OTHER_PASSWORD, PASSWORD, "trailing blanks  ", "密码密码密码😀😀"],
    ["12345", "y" * 129, COMMON_PASSWORD, "it is 13800138000", "\ud800" * 9, "Menshen"],
)
# What collations make equal, patterns read as wildcards, and columns cut; and what nobody can keep.
_TEXTS = [
    "a",
    "A",
    "a ",
    " a",
    "á",
    "a\u0301",
    "ａ",
    "ß",
    "ss",
    "%",
    "_",
    "a%",
    "\\",
    "'",
    "张三",
    "😀",
    "😀😀",
    "ﬀ",
    "0",
]
NAMES = mostly([None, "", *_TEXTS, "😀" * 80, "张" * 79 + " "], ["x" * 81, "a line\nand another", "\ud800"])
PREFIXES = st.sampled_from(["", *_TEXTS, "😀" * 81, "张" * 79, "\0", "\udcff"])
SPELLED = st.sampled_from(list(SPELLINGS))
REASONS = mostly(["spam", "张三😀 ", "A"], ["", "  ", "x" * 201, "two\nlines"])

USERS = st.integers(0, 3)
USERS_OR_NOBODY = mostly([0, 0, 1, 1, 2, 3], [None])
# The last ones most, so that steps go on with what has just been opened.
SESSIONS = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5])
TOKENS = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5, 9])
RARELY = mostly([False], [True])

CLIENTS = mostly(
    [
        Client(),
        Client(device=Device(DeviceType.PHONE)),
        Client(device=Device(DeviceType.PHONE, "d1", "Pixel "), address="198.51.100.7", user_agent="Mozilla/5.0 "),
        Client(device=Device(DeviceType.PHONE, "D1", "张三的手机😀"), remember=True),
        Client(device=Device(DeviceType.PC, "d1 "), address="2001:db8::1", user_agent="😀" * 256),
        Client(device=Device(DeviceType.PC, None, "😀" * 64)),
        Client(device=Device(DeviceType.TABLET, "😀" * 128), remember=True),
        Client(device=Device(DeviceType.WEB)),
    ],
    [Client(device=Device(id="")), Client(device=Device(id="x" * 129)), Client(device=Device(name="a\nb"))],
)

# The times at which something changes, and the moments before and after.
_BORDERS = [
    timedelta(minutes=1),
    timedelta(seconds=10),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=12),
    7 * DAY,
    14 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
]
TIMES = st.one_of(
    st.sampled_from([MOMENT, SECOND, timedelta(seconds=11), timedelta(seconds=70), DAY, 5 * DAY, 13 * DAY]),
    st.sampled_from([border + by * MOMENT for border in _BORDERS for by in (-1, 0, 1)]),
    # An hour back is allowed for; further is not.
    st.sampled_from([-MOMENT, -SECOND, -HOUR, -HOUR - MOMENT, -DAY]),
    st.timedeltas(timedelta(0), 100 * DAY),
)
FREEZES = mostly([None, timedelta(hours=1), DAY, 3 * DAY + MOMENT, 3650 * DAY], [-SECOND, timedelta(0), 3651 * DAY])

POLICIES = [
    DevicePolicy(),
    DevicePolicy.single(),
    DevicePolicy.from_table({"phone": 1, "pc": 1}),
    DevicePolicy.from_table({"total": 2, "overflow": "evict_idle"}),
    DevicePolicy.from_table({"phone+pc": 1, "total": 2, "overflow": "reject_new"}),
    DevicePolicy.from_table({"other": 0}),
]
STATES = st.sampled_from(
    [
        UserState(),
        UserState("休眠"),
        UserState.frozen(until=None, reason="before"),
        UserState.frozen(until=FakeClock().time + 3 * DAY, reason="before"),
        UserState.closing(FakeClock().time + 3 * DAY),
    ]
)

_PHONES_AND_PASSWORDS = {"phone": PHONES, "password": PASSWORDS}

_COMING: list[st.SearchStrategy[Step]] = [
    st.builds(Register, phone=st.sampled_from(_GOOD_PHONES), password=st.just(PASSWORD), client=CLIENTS),
    st.builds(LogIn, phone=st.sampled_from(_GOOD_PHONES), password=st.just(PASSWORD), client=CLIENTS),
]
_OFTEN: list[st.SearchStrategy[Step]] = [
    *_COMING,
    st.builds(Register, **_PHONES_AND_PASSWORDS, name=NAMES, invited_by=mostly([None], [0, 1]), client=CLIENTS),
    st.builds(LogIn, **_PHONES_AND_PASSWORDS, client=CLIENTS, replacing=mostly([None], [0, 1])),
    st.builds(Refresh, token=TOKENS),
    st.builds(Authenticate, token=TOKENS),
    st.builds(Move, by=TIMES),
]
_AT_TIMES: list[st.SearchStrategy[Step]] = [
    st.builds(RegisterWithoutLogin, **_PHONES_AND_PASSWORDS, invited_by=USERS, is_nobody=st.booleans()),
    st.builds(Adopt, phone=PHONES, password=st.just("a good password"), state=STATES),
    st.builds(LogInAsAdmin, **_PHONES_AND_PASSWORDS, client=CLIENTS),
    st.builds(LogInAsAdmin, phone=st.sampled_from(_GOOD_PHONES), password=st.just(PASSWORD)),
    st.builds(RefreshAnother, token=TOKENS, spelling=SPELLED),
    st.builds(AuthenticateAdmin, token=TOKENS),
    st.builds(Explain, token=TOKENS),
    st.builds(LogOut, session=SESSIONS, is_late=RARELY),
    st.builds(ListSessions, session=SESSIONS),
    st.builds(EndSession, session=SESSIONS, other=SESSIONS, is_late=RARELY),
    st.builds(EndSession, session=SESSIONS, other=SESSIONS, spelling=SPELLED),
    st.builds(EndOtherSessions, session=SESSIONS),
    st.builds(ChangePassword, session=SESSIONS, old=PASSWORDS, new=NEW_PASSWORDS, is_late=RARELY),
    st.builds(Rename, session=SESSIONS, name=NAMES, is_late=RARELY),
    st.builds(Close, session=SESSIONS, password=PASSWORDS, is_late=RARELY),
    st.builds(CloseByOperator, user=USERS_OR_NOBODY),
    st.builds(Freeze, user=USERS_OR_NOBODY, reason=REASONS, lasts=FREEZES),
    st.builds(Unfreeze, user=USERS_OR_NOBODY),
    st.builds(SetPhone, user=USERS_OR_NOBODY, phone=PHONES),
    st.builds(SetPassword, user=USERS_OR_NOBODY, password=NEW_PASSWORDS),
    st.builds(SetFee, user=USERS_OR_NOBODY, percentage=st.sampled_from([0, 4, 100, 101, -1])),
    st.builds(SetPolicy, user=USERS_OR_NOBODY, policy=st.sampled_from([None, *POLICIES])),
    st.builds(SetAdmin, user=USERS_OR_NOBODY, is_admin=mostly([True], [False])),
    st.builds(Kick, user=USERS_OR_NOBODY, session=st.none() | SESSIONS),
    st.builds(Kick, user=USERS, session=SESSIONS, spelling=SPELLED),
    st.builds(KickEverybody),
    st.builds(KickEverybodyAsAdmin, token=TOKENS, password=st.none() | PASSWORDS),
    st.builds(FindUser, identifier=PHONES | st.sampled_from(["0", "2147483647", "2147483648", "9" * 20, "١"])),
    st.builds(FindUsers, name_prefix=st.none() | PREFIXES, standing=st.none() | st.sampled_from(Standing)),
    st.builds(FindUsers, user=USERS, after=st.none() | USERS, limit=st.sampled_from([0, 1, 2, 1000])),
    st.builds(FindUsers, phone=PHONES.filter(lambda phone: phone.endswith("000")), after=st.none() | USERS),
    st.builds(SessionsOf, user=USERS_OR_NOBODY),
    st.builds(
        ReadAudit,
        subject=st.none() | USERS,
        before=st.none() | st.integers(0, 20),
        limit=st.sampled_from([1, 5, 100, 0]),
    ),
    st.builds(Prune, is_vouched_for=st.booleans()),
    # What needs something to have happened before happens too rarely by chance.
    st.builds(Refresh, token=st.sampled_from([1, 2, 3])),
    st.builds(Refresh, token=st.sampled_from([0, 1])),
    st.builds(ChangePassword, session=SESSIONS, old=st.just(PASSWORD), new=NEW_PASSWORDS, is_late=RARELY),
    st.builds(ChangePassword, session=SESSIONS, old=st.just(OTHER_PASSWORD), new=st.just(PASSWORD)),
    st.builds(Freeze, user=USERS, reason=REASONS, lasts=FREEZES),
    st.builds(Unfreeze, user=USERS),
    st.builds(LogIn, phone=PHONES, password=st.just(OTHER_PASSWORD)),
]
_KINDS = [*_OFTEN * 3, *_AT_TIMES]


def steps(kinds: Sequence[st.SearchStrategy[Step]], most: int) -> st.SearchStrategy[list[Step | None]]:
    """That many steps. None shrinks away, so every step of a failing journey can be omitted separately."""
    step: st.SearchStrategy[Step | None] = st.sampled_from([st.none(), *kinds]).flatmap(lambda kind: kind)
    return st.lists(step, min_size=most, max_size=most)


SETTINGS = st.sampled_from(
    [
        Settings(),
        Settings(device_policy=DevicePolicy.single(), account_closing_grace=timedelta(hours=1)),
        Settings(device_policy=POLICIES[2], session_ttl=10 * DAY, session_idle_ttl=3 * DAY),
        Settings(device_policy=POLICIES[4], password_policy="strict", refresh_token_ttl=DAY, session_idle_ttl=DAY),
        Settings(device_policy=POLICIES[3], audit_retention=30 * DAY, account_closing_grace=DAY),
    ]
)
BEGINNINGS: st.SearchStrategy[datetime] = st.sampled_from(
    [
        FakeClock().time,
        FakeClock().time + timedelta(microseconds=999_999),
        FakeClock().time + timedelta(microseconds=10),
    ]
)


@st.composite
def journeys(draw: st.DrawFn, most_steps: int = MOST_STEPS) -> Journey:
    """Journeys of up to *most_steps*, at the beginning of which somebody comes."""
    found = draw(steps(_COMING, 3)) + draw(steps(_KINDS, most_steps - 3))
    return Journey(tuple(step for step in found if step is not None), draw(SETTINGS), draw(BEGINNINGS))
