"""What a framework's own module needs: that framework, and none of another."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from menshen.entrypoints import accounts

from .cases import for_each

ROOT = Path(__file__).parents[2]
FRAMEWORKS = {"django", "fastapi", "flask", "litestar", "starlette", "werkzeug"}
THEIR_OWN = {
    "django": {"django"},
    "fastapi": {"fastapi", "starlette"},
    "flask": {"flask", "werkzeug"},
    "litestar": {"litestar"},
    "starlette": {"starlette"},
}


def imported(module: Path) -> set[str]:
    """The packages that a module imports, wherever in it, and the modules beside it, which begin with a dot."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").partition(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {f".{name.partition('.')[0]}" for name in names}
    return found


MODULES = sorted((ROOT / "entrypoints").rglob("*.py"))


@for_each("module", MODULES)
def test_no_module_imports_a_framework_that_is_not_its_own(module: Path) -> None:
    name = module.relative_to(ROOT / "entrypoints").parts[0].removesuffix(".py")
    own = THEIR_OWN.get(name, set())
    assert imported(module) & FRAMEWORKS <= own
    # FastAPI is Starlette with more.
    assert {each.removeprefix(".") for each in imported(module)} & set(THEIR_OWN) <= own | {name}


def test_the_middleware_for_any_app_comes_without_any_framework() -> None:
    code = f"""
import sys
for name in {sorted(FRAMEWORKS)}:
    sys.modules[name] = None  # whoever imports it gets an ImportError
import menshen.entrypoints.asgi, menshen.entrypoints.falcon_asgi
try:
    import menshen.entrypoints.starlette
except ImportError:
    print("as it should be")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("as it should be\n", 0), done.stderr


def test_what_no_framework_made_cannot_be_mounted_in() -> None:
    with pytest.raises(TypeError, match="cannot be mounted"):
        accounts.Accounts.mount(object.__new__(accounts.Accounts), object())
