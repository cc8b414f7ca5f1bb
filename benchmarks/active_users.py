"""user_info for more users than the service remembers: all of them in turn, so that each is forgotten before it comes again.

Compared with as many users as are remembered, and with a service that remembers nothing. Read the ratios.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from menshen.adapters.memory.fakes import FakePasswordHasher
from menshen.entrypoints.secret import find_secret
from menshen.entrypoints.services import open_adapters, open_service
from menshen.entrypoints.settings import Settings
from menshen.entrypoints.stores import open_store
from menshen.entrypoints.wiring import wire

# Run as a script, the folder of this file is on the path, and there is no package.
if TYPE_CHECKING:
    from .pairs import Target, rates, ratio, served
    from .results import keep
    from .serving import MENSHEN, free_port, menshen_environment
else:
    from pairs import Target, rates, ratio, served
    from results import keep
    from serving import MENSHEN, free_port, menshen_environment

ENTRIES, ROUNDS = 300, 7
TIMES = (1, 2, 10)
NOTHING = "nothing remembered"


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tokens = _tokens(folder, ENTRIES * max(TIMES))
        targets = []
        for remembered in (ENTRIES, 0):
            port = free_port()
            environment = {**menshen_environment(str(folder), port), "MENSHEN_REMEMBERED": str(remembered)}
            stack.enter_context(served(MENSHEN, port, environment, pinned=True))
            for times in TIMES if remembered else TIMES[-1:]:
                name = f"{times}x" if remembered else NOTHING
                path = "/api/user/user_info"
                targets.append(Target(name, port, path, tokens=tokens[: ENTRIES * times]))
        found = rates(targets, rounds=ROUNDS, pinned=True)
    for times in TIMES:
        mine = found[f"{times}x"]
        print(f"{times:>2} times as many users as entries, to as many   {ratio(mine, found['1x'])}")
        print(f"                                to nothing remembered {ratio(mine, found[NOTHING])}")
    keep("active_users", {"entries": ENTRIES, "rates": found})


def _tokens(folder: Path, count: int) -> list[str]:
    """Those of *count* new users in a database in *folder*, whose passwords are not hashed."""
    settings = Settings(data_dir=folder)
    open_service(settings).close()
    secret = find_secret(settings)
    assert secret is not None
    service = wire(settings, evolve(open_adapters(settings, secret, open_store(settings)), hasher=FakePasswordHasher()))
    phones = (f"138{number:08}" for number in range(count))
    tokens = [service.register_and_login(phone=phone, password="correct horse").access_token for phone in phones]
    service.close()
    return tokens


if __name__ == "__main__":
    main()
