"""The threads of a process that take turns, and that do not while one of them hashes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(("policy", "meanwhile"), [("SCHED_BATCH", "SCHED_OTHER"), ("SCHED_OTHER", "SCHED_OTHER")])
def test_threads_that_take_turns_do_not_while_a_password_is_hashed(policy: str, meanwhile: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _POLICIES, policy], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == [policy, meanwhile, meanwhile, policy]


_POLICIES = """
import os, sys, time
from menshen.adapters import bounded_hasher
from menshen.adapters.memory.fakes import FakePasswordHasher

def policies():
    found = {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}
    return "+".join(name for name in ("SCHED_OTHER", "SCHED_BATCH") if getattr(os, name) in found)

class Hasher(FakePasswordHasher):
    def hash(self, password):
        print(policies())
        return ""

bounded_hasher.IDLE_SECONDS = 0.05
os.sched_setscheduler(0, getattr(os, sys.argv[1]), os.sched_param(0))
print(policies())
hasher = bounded_hasher.BoundedPasswordHasher(Hasher(), at_once=1, waiting=1)
hasher.hash("one")
hasher.hash("another")
end = time.monotonic() + 20
while policies() != sys.argv[1] and time.monotonic() < end:
    time.sleep(0.01)
print(policies())
"""


@pytest.mark.parametrize(("policy", "afterwards"), [("SCHED_OTHER", "SCHED_BATCH"), ("SCHED_IDLE", "SCHED_IDLE")])
def test_an_app_that_opens_accounts_takes_turns_unless_it_has_chosen_otherwise(
    tmp_path: Path, policy: str, afterwards: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OPENING, policy, tmp_path], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == str(getattr(os, afterwards))


_OPENING = """
import os, sys
from menshen import Accounts

os.sched_setscheduler(0, getattr(os, sys.argv[1]), os.sched_param(0))
Accounts.from_environment({"MENSHEN_DATA_DIR": sys.argv[2]})
print(os.sched_getscheduler(0))
os._exit(0)
"""
