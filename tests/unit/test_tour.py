"""The public HTTP contract is unchanged to the byte, unless a commit says so."""

import re
from difflib import unified_diff
from itertools import islice

import pytest

from menshen.entrypoints.guarding.answers import ANSWERS

from . import tour

BESIDE_THE_WAY = {
    "body_incomplete",  # a body that breaks off: test_http_bodies.py
    "clock_in_doubt",  # only pruning is refused for it: test_clock_judging.py
    "password_text",  # the reader of bodies refuses what it would: test_passwords.py
    "refresh_token_expired",  # the session is over before it, by default: test_http_refresh.py
    "request_invalid",  # a header of which Falcon itself says that it is wrong; we read none of those
    "session_ended",  # a way to end that this version does not know: test_sessions.py
    "session_idle",  # no session is idle for so long, by default: test_http_ends.py
    "session_unknown",  # a session that somebody took out of the store: test_http_guard.py
    "user_closed",  # a user who came back, with the token from before: test_http_ends.py
}
"""Reasons that no request of the tour gets, with the tests of each."""


def test_every_answer_is_as_it_was_written_down() -> None:
    """To the byte: status, headers and body. If the change is meant, `make tour` records them again."""
    before, after = tour.ANSWERS.read_text(encoding="utf-8"), tour.written()
    if before != after:
        difference = unified_diff(before.split("\n"), after.split("\n"), "written down", "answered now", lineterm="")
        pytest.fail("\n".join(["make tour, if this is meant:", *islice(difference, 80)]))


def test_every_refusal_is_met_on_the_way() -> None:
    met = set(re.findall(r'"reason":"(\w+)"', tour.ANSWERS.read_text(encoding="utf-8")))
    assert {refusal.reason for refusal in ANSWERS} - met == BESIDE_THE_WAY
