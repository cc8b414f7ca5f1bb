"""The contract suite as it ships: complete, without shadowed tests, and documented in its docstrings."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from inspect import getsourcefile, isfunction
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from menshen.adapters.conformance import stores
from menshen.adapters.conformance.steps import AuditSteps, SessionSteps, UserSteps
from menshen.adapters.conformance.stores import StoreContract
from menshen.domain import ports
from menshen.domain.ports.writing import Personal, UnitOfWork

from .cases import for_each

SOURCE = Path(getsourcefile(stores) or "").parent
MODULES = sorted(path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__")
TREES = {name: ast.parse((SOURCE / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES}
NODES = {name: [*ast.walk(tree)] for name, tree in TREES.items()}
PARTS = [each for each in StoreContract.__mro__ if each is not object]

PORT_MODULES = [
    import_module(f"{ports.__name__}.{path.stem}")
    for path in sorted(Path(ports.__path__[0]).glob("*.py"))
    if path.stem != "__init__"
]

# By what name a test calls each port.
PORTS: dict[str, type] = {"users": UserSteps, "sessions": SessionSteps, "audit": AuditSteps, "work": UnitOfWork}
GIVEN_BY_PYTEST = {"request", "tmp_path"}


def contracts() -> list[type]:
    """Every class of the suite that others subclass."""
    found = [
        each
        for name in MODULES
        for each in vars(import_module(f"menshen.adapters.conformance.{name}")).values()
        if isinstance(each, type) and each.__module__.endswith(f"conformance.{name}") and _functions(each)
    ]
    return [each for each in found if not each.__name__.startswith("_") and _is_of_tests(each)]


def _is_of_tests(kind: type) -> bool:
    return any(name.startswith("test_") or _is_fixture(body) for name, body in _functions(kind).items())


@cache
def _functions(kind: type) -> dict[str, ast.FunctionDef]:
    """The functions that the body of a class defines itself."""
    tree = TREES.get(kind.__module__.rpartition(".")[2], ast.Module([], []))
    bodies = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    return {node.name: node for body in bodies for node in body.body if isinstance(node, ast.FunctionDef)}


def _is_fixture(function: ast.FunctionDef) -> bool:
    return any("pytest.fixture" in ast.unparse(decorator) for decorator in function.decorator_list)


def _parameters(function: ast.FunctionDef) -> set[str]:
    """What a test or fixture asks for and is not given by its own decorators."""
    given = {"self"}
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parametrize":
            names = ast.literal_eval(decorator.args[0])
            given |= {names} if isinstance(names, str) else set(names)
    return {argument.arg for argument in function.args.args} - given


def _asked_for(kind: type) -> set[str]:
    """The fixtures that a subclass of *kind* must give."""
    functions = {name: body for each in reversed(kind.__mro__) for name, body in _functions(each).items()}
    asking = [body for name, body in functions.items() if name.startswith("test_") or _is_fixture(body)]
    given = {name for name, body in functions.items() if _is_fixture(body)}
    return set(chain.from_iterable(map(_parameters, asking))) - given - GIVEN_BY_PYTEST


def test_the_suite_was_read() -> None:
    assert {"stores", "users", "sessions", "audit", "units_of_work", "reopening"} <= set(MODULES)
    assert len(PARTS) > 12
    names = {name for part in PARTS for name in _functions(part)}
    assert len([name for name in names if name.startswith("test_")]) > 100
    # Python sees the same tests as the source has.
    assert {name for name in dir(StoreContract) if name.startswith("test_")} <= names


def test_no_part_of_the_contract_hides_something_of_another() -> None:
    by_name: dict[str, dict[str, str]] = {}
    for part in PARTS:
        for name, body in _functions(part).items():
            by_name.setdefault(name, {})[part.__name__] = ast.unparse(body)
    assert by_name.keys() >= {"users", "sessions", "audit", "work"}
    hidden = {name: sorted(bodies) for name, bodies in by_name.items() if len(set(bodies.values())) > 1}
    assert hidden == {}


def test_no_class_defines_a_name_twice() -> None:
    for nodes in NODES.values():
        for node in nodes:
            if isinstance(node, ast.ClassDef | ast.Module):
                names = [each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.ClassDef)]
                assert len(names) == len(set(names)), names


def test_every_contract_of_a_storage_port_is_part_of_that_of_a_store() -> None:
    storing = [each for each in contracts() if _asked_for(each) & {"store", "users", "sessions", "audit", "work"}]
    assert len(storing) > 12
    # LastSeen is a separate port, over those of a store.
    assert {each.__name__ for each in storing if not issubclass(StoreContract, each)} == {"LastSeenContract"}


def _calls() -> Iterator[tuple[str, str]]:
    """Each method that the suite calls, with the name of what it is called on: ``tx.users.add()`` is users, add."""
    for nodes in NODES.values():
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                on = node.func.value
                name = on.attr if isinstance(on, ast.Attribute) else on.id if isinstance(on, ast.Name) else ""
                yield name, node.func.attr


@for_each("name", PORTS)
def test_every_method_of_a_storage_port_is_called(name: str) -> None:
    methods = {each for each, body in vars(PORTS[name]).items() if not each.startswith("_") and isfunction(body)}
    assert len(methods) >= (1 if name == "work" else 3)
    called = {method for on, method in _calls() if on == name}
    assert methods - called == set()


def test_every_contract_says_which_fixtures_it_wants() -> None:
    found = contracts()
    assert len(found) > 18
    for kind in found:
        text = kind.__doc__ or ""
        assert "Subclasses give" in text, kind
        assert _asked_for(kind) <= set(re.findall(r"``(\w+)``", text)), kind


def test_a_store_is_all_that_its_contract_wants() -> None:
    assert _asked_for(StoreContract) == {"store"}


def test_every_port_has_a_contract() -> None:
    protocols = [each for module in PORT_MODULES for each in vars(module).values() if _is_port(each)]
    assert len(set(protocols)) > 17
    text = "\n".join((SOURCE / f"{name}.py").read_text(encoding="utf-8") for name in MODULES)
    for each in protocols:
        assert re.search(rf"The contract of [^\n]*\b{each.__name__}\b", text), each


def _is_port(value: Any) -> bool:
    return (
        isinstance(value, type) and Protocol in value.__bases__ and value.__module__.startswith("menshen.domain.ports.")
    )


STORED = sorted(
    {
        each
        for module in PORT_MODULES
        for each in vars(module).values()
        if _is_port(each) and not each.__module__.endswith(".outside")
    },
    key=lambda port: port.__name__,
)


@for_each("port", STORED)
def test_the_suite_calls_every_method_of_what_reads_and_writes(port: type) -> None:
    called = {method for _, method in _calls()}
    assert {name for name, body in vars(port).items() if not name.startswith("_") and isfunction(body)} <= called


@for_each("port", [port for port in STORED if hasattr(port, "erase_of")])
def test_what_can_be_erased_of_a_user_is_told_when_the_account_is(port: type) -> None:
    assert Personal in port.__mro__


def test_the_suite_needs_menshen_attrs_and_pytest() -> None:
    for name, nodes in NODES.items():
        for node in nodes:
            if isinstance(node, ast.Import):
                tops = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                tops = {(node.module or "").partition(".")[0]}
            elif isinstance(node, ast.ImportFrom):
                is_of_domain = node.level == 3 and (node.module or "").startswith("domain")
                is_for_adapters = node.level == 2 and node.module in {"boot_clock", "word_of_changes"}
                assert node.level == 1 or is_of_domain or is_for_adapters, name
                continue
            else:
                continue
            assert tops <= sys.stdlib_module_names | {"attrs", "pytest"}, name
