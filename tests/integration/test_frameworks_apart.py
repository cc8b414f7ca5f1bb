"""Nobody needs a framework for another one's app."""

import subprocess
import sys

from .servers import clean_environment

FRAMEWORKS = ["asgiref", "django", "fastapi", "flask", "litestar", "starlette", "uvicorn", "urllib3", "werkzeug"]
OF_EACH = {
    "judging": set[str](),
    "wsgi": set[str](),
    "django": {"asgiref", "django"},
    "flask": {"asgiref", "flask", "werkzeug"},
}
"""What a module may import of them. Flask imports asgiref where it is there."""

_PROGRAM = """
import sys
from importlib import import_module
from menshen import Accounts
import_module("menshen.entrypoints." + sys.argv[1])
found = sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:]))
assert not found, found
"""


def test_a_module_imports_no_framework_but_its_own() -> None:
    for module, own in OF_EACH.items():
        others = [name for name in FRAMEWORKS if name not in own]
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, module, *others],
            env=clean_environment({}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{module}: {done.stderr}"
