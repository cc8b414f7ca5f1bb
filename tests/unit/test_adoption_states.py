"""What the states of a tutorial's users become when they are adopted."""

from menshen.adapters.sql.adoption.states import AS_IT_IS, Meant, decided
from menshen.domain.users import Standing
from menshen.entrypoints.cli.adoption_report import meant_by, visible

from .cases import for_each

BLANKS = (" ", "\t", "\r\n", "\u3000", "\u00a0", "\u200b", "\ufeff", "\u202d", "\0", "\u3000 \u200b")


@for_each("text", ["正常", "冻结", "已注销"])
@for_each("blanks", BLANKS)
def test_a_state_with_blanks_around_it_is_what_it_says(text: str, blanks: str) -> None:
    states = decided({})
    for spelled in (text + blanks, blanks + text, blanks + text + blanks):
        assert states.meant(spelled) == Meant(text)
    assert states.meant(text) == AS_IT_IS


@for_each("state", [None, "", " ", "禁用", "正 常", "注销中", "注销中 ", "NULL", b"x", 7])
def test_what_nobody_has_decided_on_stays_as_it_is(state: object) -> None:
    assert decided({}).meant(state) == AS_IT_IS


def test_a_decision_holds_whatever_blanks_are_around_the_text_on_either_side() -> None:
    states = decided({"封禁\u3000": Standing.FROZEN, " 停用": Standing.ACTIVE})
    for blanks in ("", *BLANKS):
        assert states.meant(f"{blanks}封禁{blanks}") == Meant("冻结", "封禁")
        assert states.meant(f"停用{blanks}") == Meant("正常")
    assert states.meant("禁用") == AS_IT_IS


def test_null_and_an_empty_text_are_decided_on_apart() -> None:
    states = decided({None: Standing.ACTIVE, "": Standing.FROZEN})
    assert states.meant(None) == Meant("正常")
    assert states.meant("") == states.meant("\u3000") == Meant("冻结")


def test_a_state_of_ours_can_be_decided_on_too() -> None:
    states = decided({"已注销": Standing.FROZEN, "冻结": Standing.FROZEN, "正常": Standing.FROZEN})
    assert states.meant("已注销") == Meant("冻结", "已注销")
    assert states.meant("正常") == Meant("冻结", "正常")
    assert states.meant("冻结") == AS_IT_IS
    assert states.meant("冻结 ") == Meant("冻结")


@for_each("text", ["x" * 201, "a\nb"])
def test_a_text_that_could_be_no_reason_is_none(text: str) -> None:
    assert decided({text: Standing.FROZEN}).meant(text) == Meant("冻结")


TEXTS = (
    None,
    "",
    " ",
    "NULL",
    '"NULL"',
    "正常",
    "正常 ",
    " 正常",
    "正\u200b常",
    "正常\u3000",
    "a b",
    'a"b',
    "\\u200b",
    "\x1b[31m",
)


def test_no_two_texts_are_shown_alike_and_each_can_be_said_as_it_is_shown() -> None:
    shown = [visible(text) for text in TEXTS]
    assert len(set(shown)) == len(TEXTS)
    assert all(each.isprintable() for each in shown)
    assert [meant_by(each) for each in shown] == list(TEXTS)
    assert visible("正常") == "正常"
