"""Paths that need no token, by URI templates."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from falcon.routing import BaseConverter, CompiledRouter
from falcon.routing.converters import FloatConverter, IntConverter, UUIDConverter

# Falcon's own take whatever Python does: int() also reads +5, 1_0 and digits of other scripts.
_CONVERTED: dict[str, tuple[type[Any], re.Pattern[str]]] = {
    "int": (IntConverter, re.compile(r"[0-9]+", re.ASCII)),
    "float": (FloatConverter, re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)),
    "uuid": (UUIDConverter, re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)),
}

_USUAL_LENGTH = 128
"""Longer paths are not remembered, which whoever asks for many could fill the memory with."""

# An app, or what is behind it, may read such a path as another one.
_SECOND_SPELLING = re.compile(r"//|/\.{1,2}(/|$)|[\\;\x00]")


class Exemptions:
    """The *templates* that are exempt from a guard, spelled as Falcon's ``add_route`` takes them: ``/news/{number:int}``.

    One is exempt for every method, and whatever else the app has at such a path.

    Raises TypeError for a text instead of a list of them, and ValueError for what is no template.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        # Apart, since /news/{number} would match /news/ as well, with an empty number, which may be another route.
        self._plain, self._slashed = _router(), _router()
        for template in list_of_texts(templates):
            if not template.startswith("/"):
                raise ValueError(f"an exempt template begins with a slash: {template!r}")
            self._router_for(template).add_route(template, _Exempt())
        # Compiled now, not at the first request: an error in a template shows at the start.
        for router in (self._plain, self._slashed):
            router.find("/")
        # Most requests are for few paths.
        self._is_exempt_as_before = lru_cache(maxsize=1024)(self._is_exempt)

    def __contains__(self, path: str) -> bool:
        return self._is_exempt_as_before(path) if len(path) <= _USUAL_LENGTH else self._is_exempt(path)

    def _is_exempt(self, path: str) -> bool:
        return self._router_for(path).find(path) is not None and _SECOND_SPELLING.search(path) is None

    def _router_for(self, path: str) -> CompiledRouter:
        return self._slashed if path.endswith("/") else self._plain


def _router() -> CompiledRouter:
    found = CompiledRouter()
    for name, (usual, form) in _CONVERTED.items():
        found.options.converters[name] = _strict(usual, form)
    return found


def _strict(usual: type[Any], form: re.Pattern[str]) -> type[BaseConverter]:
    """A converter that takes only what every framework takes for a value of this kind."""

    def convert(self: Any, value: str) -> Any:
        return usual.convert(self, value) if form.fullmatch(value) else None

    return type(usual.__name__, (usual,), {"convert": convert})


def list_of_texts(texts: Iterable[str]) -> list[str]:
    """Raises TypeError for anything else: a single text would be taken for the list of its characters."""
    found = [] if isinstance(texts, str | bytes) else list(texts)
    if isinstance(texts, str | bytes) or not all(isinstance(each, str) for each in found):
        raise TypeError(f"what is exempt is a list of texts, not {texts!r}")
    return found


class _Exempt:
    """Stands in the router for an exempt template; it is never called."""

    def on_get(self, req: object, resp: object) -> None:
        raise AssertionError("never called")
