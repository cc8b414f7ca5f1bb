"""What the unit tests share."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from .http_service import HttpService
    from .memory_house import House


@pytest.fixture
def http() -> HttpService:
    """The HTTP API over memory, in Shanghai's time, with the settings' defaults."""
    from .http_service import serve  # here, so that only tests that ask for it depend on it

    return serve()


@pytest.fixture
def house() -> House:
    """The use cases over memory, with the settings' defaults."""
    from .memory_house import House  # here, so that only tests that ask for it depend on it

    return House()


def pytest_collection_finish() -> None:
    """What was collected stays until the end, so each full garbage collection need not scan it."""
    gc.freeze()


# Fewer examples for `make unit`, which people wait for; `make test` has all of them.
hypothesis.settings.register_profile("waited for", max_examples=10)
