"""What a flood of logins leaves of user_info, and of the memory of an idle worker.

user_info is asked with and without 16 callers who log in without pause, in turns in one run. Server and load share this
machine: read the ratios, not the numbers.
"""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .load import http_get, http_post, measured
    from .results import Said
    from .serving import MENSHEN, PASSWORD, PHONE, free_port, menshen_environment, register, running
    from .start_and_memory import memory
else:
    from load import http_get, http_post, measured
    from results import Said
    from serving import MENSHEN, PASSWORD, PHONE, free_port, menshen_environment, register, running
    from start_and_memory import memory

ROUNDS = 5
SECONDS = 3.0
CALLERS, FLOOD = 4, 16
IDLE_SECONDS = 5.0


def main() -> None:
    say = Said("flood")
    with ExitStack() as stack:
        data_dir = stack.enter_context(tempfile.TemporaryDirectory())
        port = free_port()
        server = stack.enter_context(running(MENSHEN, port, menshen_environment(data_dir, port)))
        look = http_get("/api/user/user_info", token=register(port, "13900139000"))
        # Another user: the policy ends the oldest of too many sessions.
        register(port)
        login = http_post("/api/user/login", json.dumps({"phone": PHONE, "password": PASSWORD}).encode())
        pool = stack.enter_context(ThreadPoolExecutor(1))
        measured(port, look, connections=CALLERS, seconds=1)
        before = memory(server.pid)

        quiet, flooded, logins = [], [], []
        for _ in range(ROUNDS):
            quiet.append(measured(port, look, connections=CALLERS, seconds=SECONDS))
            flood = pool.submit(measured, port, login, connections=FLOOD, seconds=SECONDS + 1)
            # The flood has begun by then, and has not ended when the other is over.
            time.sleep(0.5)
            flooded.append(measured(port, look, connections=CALLERS, seconds=SECONDS))
            logins.append(flood.result().rate)
        during = memory(server.pid)
        time.sleep(IDLE_SECONDS)
        after = memory(server.pid)

    ratio = median(mine.rate / alone.rate for mine, alone in zip(flooded, quiet, strict=True))
    say(f"user_info, {CALLERS} callers                 {median(each.rate for each in quiet):>8.0f} /s")
    say(f"user_info, while {FLOOD} callers log in    {median(each.rate for each in flooded):>8.0f} /s")
    say(f"    99 of 100 answers within           {median(each.p99 for each in flooded):>8.1f} ms")
    say(f"    and logins                         {median(logins):>8.1f} /s")
    say(f"ratio: user_info in the flood to without {ratio:>6.2f}")
    say(
        f"memory (RSS): {before['Rss']:.0f} MiB before, {during['Rss']:.0f} after the last login, {after['Rss']:.0f} when idle"
    )


if __name__ == "__main__":
    main()
