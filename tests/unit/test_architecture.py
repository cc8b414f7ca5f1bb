"""The rules of the architecture that import-linter cannot check, read from the source."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from attrs import frozen

from menshen.domain.errors import Refusal, Unauthenticated, Unavailable
from menshen.domain.sessions import SessionOver
from menshen.entrypoints.guarding.answers import ANSWERS

from .cases import for_each

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "adapters", "entrypoints")
# Alembic runs the files of the migrations as programs; they are not imported.
MODULES = sorted(
    path.relative_to(ROOT)
    for room in ROOMS
    for path in (ROOT / room).rglob("*.py")
    if "migrations" not in path.parent.parts
)

DOMAIN_MAY_IMPORT = (sys.stdlib_module_names | {"attrs"}) - {
    *("asyncio", "builtins", "ctypes", "email", "fcntl", "getpass", "glob", "http", "importlib", "io", "json"),
    *("locale", "logging", "multiprocessing", "os", "pathlib", "pickle", "queue", "random", "secrets", "shutil"),
    *("signal", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
    *("urllib", "zoneinfo"),
}


@frozen
class Import:
    """One name that a module imports, spelled from the root of the package: ``domain.users``, or ``/attrs``."""

    module: str
    name: str
    dots: int
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.name}"

    @property
    def is_ours(self) -> bool:
        return self.dots > 0

    @property
    def top(self) -> str:
        return self.name.split(".")[0]


@cache
def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


def statements_in(node: ast.AST) -> Iterator[ast.stmt]:
    """Every statement in *node*, however deep. Expressions, which are most of it, contain none."""
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        for each in getattr(node, name, ()):
            if isinstance(each, ast.stmt):
                yield each
            yield from statements_in(each)


def imports_of(path: Path) -> Iterator[Import]:
    """Everything that the module at *path* imports, wherever in it."""
    for node in statements_in(tree_of(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(str(path), alias.name, 0, node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(str(path), node.module or "", 0, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= len(path.parts), f"{path}:{node.lineno} leaves the package"
            base = path.parts[: len(path.parts) - node.level]
            target = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            for alias in node.names:
                yield Import(str(path), f"{target}.{alias.name}" if target else alias.name, node.level, node.lineno)


IMPORTS = [found for path in MODULES for found in imports_of(path)]


def of_room(room: str) -> list[Import]:
    return [found for found in IMPORTS if found.module.startswith(f"{room}/")]


def test_the_rooms_were_read() -> None:
    assert len(MODULES) > 70
    assert len(of_room("domain")) > 100
    assert {found.top for found in IMPORTS if found.is_ours} == set(ROOMS)


def test_the_domain_imports_itself_attrs_and_what_of_the_standard_library_touches_nothing_outside() -> None:
    for found in of_room("domain"):
        allowed = {"domain"} if found.is_ours else DOMAIN_MAY_IMPORT
        assert found.top in allowed, found


def test_http_knows_no_command_line() -> None:
    for found in of_room("entrypoints/http"):
        assert not found.name.startswith("entrypoints.cli"), found


def test_the_environment_is_read_in_two_places_alone() -> None:
    reading = {
        str(path)
        for path in MODULES
        if re.search(r"\benviron|\bgetenv", text_of(path))
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}
        if isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    assert reading == {"entrypoints/accounts.py", "entrypoints/cli/main.py"}


def test_http_reaches_no_store_and_no_technology_of_one() -> None:
    for found in of_room("entrypoints/http"):
        assert found.top not in {"adapters", "sqlalchemy", "jwt", "argon2", "bcrypt", "sqlite3"}, found


def test_a_resource_parses_calls_and_renders() -> None:
    """It catches nothing and passes nothing to others in the request's context, from which it only reads the caller."""
    resources = [
        (path, node)
        for path in MODULES
        if path.parts[:2] == ("entrypoints", "http")
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and (node.name.endswith("Resource") or node.name == "Desk")
    ]
    assert len(resources) > 20
    for path, resource in resources:
        assert not [node for node in statements_in(resource) if isinstance(node, ast.Try)], resource.name
        assert not [
            node for node in ast.walk(resource) if isinstance(node, ast.Attribute) and node.attr == "context"
        ], f"{path}: {resource.name}"


def test_an_import_inside_the_house_is_relative_and_has_at_most_four_dots() -> None:
    for found in IMPORTS:
        assert found.dots <= 4, found
        assert found.is_ours or found.top not in {"menshen", *ROOMS, "tests", "benchmarks"}, found


def test_no_folder_is_deeper_than_three_under_the_root() -> None:
    assert max(len(path.parts) for path in MODULES) <= 4


@for_each("path", [path for path in MODULES if path.name == "__init__.py"])
def test_a_package_begins_with_one_sentence_and_nothing_else(path: Path) -> None:
    tree = tree_of(path)
    assert len(tree.body) == 1
    docstring = ast.get_docstring(tree)
    assert docstring
    assert len(docstring.splitlines()) == 1


LONGER = {
    "adapters/conformance/sessions.py": "tests, though they ship",
    "adapters/conformance/units_of_work.py": "tests, though they ship",
    "adapters/conformance/users.py": "tests, though they ship",
}
"""Why a module may have more than 300 lines, up to 400."""


@for_each("path", MODULES)
def test_a_module_says_what_it_is_for_in_at_most_300_lines(path: Path) -> None:
    assert len(text_of(path).splitlines()) <= (400 if str(path) in LONGER else 300)
    assert ast.get_docstring(tree_of(path))


def test_a_module_that_may_be_longer_is() -> None:
    assert {str(path) for path in MODULES if len(text_of(path).splitlines()) > 300} == LONGER.keys()


def test_no_port_has_more_than_six_methods() -> None:
    ports = {
        node.name: [each for each in node.body if isinstance(each, ast.FunctionDef)]
        for path in MODULES
        if path.parts[:2] == ("domain", "ports")
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases)
    }
    assert len(ports) > 17
    for name, methods in ports.items():
        assert 1 <= len(methods) <= 6, name


def all_refusals() -> list[type[Refusal]]:
    found, waiting = [], [Refusal]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("menshen.")]


GROUPS = {Refusal, Unauthenticated, SessionOver, Unavailable}
"""They only group others, and are never raised themselves."""

REFUSALS = sorted(set(all_refusals()) - GROUPS, key=lambda kind: kind.__name__)


def test_the_refusals_were_found() -> None:
    assert len(REFUSALS) > 50


def test_every_refusal_has_an_answer_and_every_answer_a_refusal() -> None:
    assert set(ANSWERS) == set(REFUSALS)


@for_each("kind", REFUSALS)
def test_a_reason_is_snake_case(kind: type[Refusal]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.reason, re.ASCII)


@for_each("kind", REFUSALS)
def test_a_refusal_says_what_happened_in_its_docstring(kind: type[Refusal]) -> None:
    assert (kind.__doc__ or "").strip().endswith((".", ").", ")"))


def test_a_reason_means_one_thing() -> None:
    reasons = [kind.reason for kind in REFUSALS]
    shared = {reason for reason in reasons if reasons.count(reason) > 1}
    # At login and at the guard: the same state of the same user, the same lack of a role.
    assert shared == {"user_not_active", "not_an_admin"}
    assert [kind.__name__ for kind in REFUSALS if kind.reason in shared] == [
        *("AdminLoginNotAllowed", "LoginNotAllowed", "NotAnAdmin", "UserNotActive")
    ]


def test_every_answer_is_in_both_languages() -> None:
    for kind, answer in ANSWERS.items():
        assert answer.msg.zh, kind
        assert answer.msg.en.isascii(), kind
        assert 400 <= answer.code < 600, kind


def test_what_only_groups_others_has_no_reason_and_each_other_one_of_its_own() -> None:
    for kind in GROUPS:
        assert "reason" not in vars(kind)
    for kind in REFUSALS:
        assert "reason" in vars(kind)


@for_each("kind", [kind for kind in REFUSALS if kind.reason.startswith(("session_", "token_", "refresh_token_"))])
def test_what_is_wrong_with_a_token_or_a_session_leaves_the_request_unauthenticated(kind: type[Refusal]) -> None:
    assert issubclass(kind, Unauthenticated)
