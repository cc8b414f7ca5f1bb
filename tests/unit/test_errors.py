"""What a refusal carries besides its reason."""

from datetime import UTC, datetime

from menshen.domain import errors
from menshen.domain.devices import Device, DeviceType
from menshen.domain.errors import (
    HasherBusy,
    PasswordLengthInvalid,
    Refusal,
    SessionOver,
    StoreUnavailable,
    TooManyDevices,
    Unauthenticated,
    Unavailable,
    UserNotActive,
)

from .cases import for_each

NOW = datetime(2026, 1, 1, tzinfo=UTC)

GROUPS = {Refusal, Unauthenticated, SessionOver, Unavailable}
KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, Refusal) and kind not in GROUPS
]


@for_each("kind", SessionOver.__subclasses__())
def test_a_session_that_is_over_tells_when_and_by_which_device(kind: type[SessionOver]) -> None:
    device = Device(DeviceType.PHONE, None, "a phone")
    assert (kind(ended_at=NOW).ended_at, kind(ended_at=NOW).by) == (NOW, None)
    assert kind(ended_at=NOW, by=device).by == device


def test_who_may_not_act_is_told_when_that_ended_the_session_if_it_did() -> None:
    assert UserNotActive().ended_at is None
    assert UserNotActive(NOW).ended_at == NOW


@for_each("kind", [StoreUnavailable, HasherBusy])
def test_what_is_unavailable_says_when_to_come_again(kind: type[Unavailable]) -> None:
    assert kind("why").retry_after == 1
    assert kind("why", retry_after=5).retry_after == 5
    assert str(kind("why")) == "why"


def test_a_wrong_length_tells_the_right_ones() -> None:
    refusal = PasswordLengthInvalid(8, 128)
    assert (refusal.minimum, refusal.maximum) == (8, 128)
    assert str(refusal) == "a password has 8 to 128 characters"


def test_too_many_devices_tells_them() -> None:
    assert TooManyDevices([]).sessions == []
    assert str(TooManyDevices([])) == "0 sessions are in"


def test_what_only_groups_others_has_no_reason() -> None:
    assert len(KINDS) > 30
    for kind in GROUPS:
        assert "reason" not in vars(kind)
    for kind in KINDS:
        assert "reason" in vars(kind)


@for_each("kind", [kind for kind in KINDS if kind.reason.startswith(("session_", "token_", "refresh_token_"))])
def test_what_is_wrong_with_a_token_or_a_session_leaves_the_request_unauthenticated(kind: type[Refusal]) -> None:
    assert issubclass(kind, Unauthenticated)
