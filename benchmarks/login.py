"""Logins per second over HTTP, beside the bare Argon2 hasher on as many threads as the service hashes on.

Both are measured in turns in one run, so that a busy moment of the machine affects them alike. A login checks the hash
and writes a session that is on the disk before the answer; if the folder for temporary files is kept in memory, set
TMPDIR to one on a disk. Server and load share this machine: read the ratio, not the numbers.
"""

import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

from menshen.adapters.argon2_hasher import Argon2PasswordHasher
from menshen.domain.ports.outside import Verdict

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .load import http_post, requests_per_second
    from .results import Said
    from .serving import MENSHEN, PASSWORD, PHONE, free_port, menshen_environment, register, running
else:
    from load import http_post, requests_per_second
    from results import Said
    from serving import MENSHEN, PASSWORD, PHONE, free_port, menshen_environment, register, running

ROUNDS = 5
SECONDS = 2.5
THREADS = os.cpu_count() or 1
CONNECTIONS = THREADS * 4


def main() -> None:
    say = Said("login")
    hasher = Argon2PasswordHasher()
    password_hash = hasher.hash(PASSWORD)
    with ExitStack() as stack:
        data_dir = stack.enter_context(tempfile.TemporaryDirectory())
        port = free_port()
        stack.enter_context(running(MENSHEN, port, menshen_environment(data_dir, port)))
        register(port)
        request = http_post("/api/user/login", json.dumps({"phone": PHONE, "password": PASSWORD}).encode())
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))

        logins, hashes = [], []
        for turn in range(ROUNDS + 1):
            # The first round only warms up.
            seconds = SECONDS if turn else SECONDS / 5
            bare = _hashes_per_second(hasher, password_hash, pool, seconds)
            over_http = requests_per_second(port, request, connections=CONNECTIONS, seconds=seconds)
            if turn:
                hashes.append(bare)
                logins.append(over_http)

    say(f"bare Argon2id, {THREADS} threads               {median(hashes):>7.1f} /s")
    say(f"logins over HTTP, {CONNECTIONS} connections       {median(logins):>7.1f} /s")
    ratio = median(mine / yours for mine, yours in zip(logins, hashes, strict=True))
    say(f"ratio: logins to bare hashes            {ratio:.2f}")


def _hashes_per_second(
    hasher: Argon2PasswordHasher, password_hash: str, pool: ThreadPoolExecutor, seconds: float
) -> float:
    start = time.perf_counter()

    def judge_until_time_is_up(_thread: int) -> int:
        judged = 0
        while time.perf_counter() < start + seconds:
            if hasher.verify(PASSWORD, password_hash) is not Verdict.MATCH:
                raise RuntimeError("the right password does not match")
            judged += 1
        return judged

    judged = sum(pool.map(judge_until_time_is_up, range(THREADS)))
    return judged / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
