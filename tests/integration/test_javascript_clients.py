"""The clients in docs/clients, under node, before a real server: attached tokens, renewals, retries, ends of sessions.

Neither axios nor WeChat is there: shims have as much of them as their documentation says. Who has axios can run the
same journey with it, with its path in AXIOS.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .databases import program_of
from .servers import Server, clean_environment

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "docs" / "clients"
SCRIPTS = Path(__file__).parent / "javascript"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The journeys, and beside them the clients, under names that tell node which kind of module each is."""
    folder = tmp_path / "scripts"
    shutil.copytree(SCRIPTS, folder)
    shutil.copy(CLIENTS / "axios.js", folder / "axios.mjs")
    shutil.copy(CLIENTS / "mini-program.js", folder / "mini-program.cjs")
    return folder


@pytest.mark.parametrize("journey", ["axios_journey.mjs", "mini_program_journey.mjs"])
def test_the_client_keeps_its_user_signed_in(server: Server, scripts: Path, journey: str) -> None:
    given = {name: os.environ[name] for name in ("AXIOS",) if name in os.environ}
    done = subprocess.run(
        [program_of("node"), scripts / journey, str(server.port)],
        capture_output=True,
        text=True,
        env=clean_environment(given),
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
