"""The contracts of all the storage ports at once, for one store."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ...domain.ports.stores import Store
from .part import PartOfContract


def _parts() -> Iterator[type]:
    """Every part of the contract in the modules of this folder, so that none can be forgotten."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in {"__init__", "part", "stores"}:
            module = import_module(f".{path.stem}", __package__)
            for kind in vars(module).values():
                is_part = isinstance(kind, type) and issubclass(kind, PartOfContract)
                if is_part and kind.__module__ == module.__name__ and kind.__name__.endswith("Contract"):
                    yield kind


class StoreContract(*_parts()):  # type: ignore[misc] # mypy reads no list of bases
    """What a store must do while it is open. Subclasses give the fixture ``store``: an empty Store for each test.

    It may be called by 16 threads at once. Ids need not start again for each test.
    """

    def test_a_store_that_is_there_says_so(self, store: Store) -> None:
        store.ping()

    def test_a_weakness_is_a_line_for_people(self, store: Store) -> None:
        for line in (*store.weaknesses(), *store.exposures):
            assert line == line.strip() != ""
            assert line.isprintable()
