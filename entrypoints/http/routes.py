"""An app that can say for which methods each of its routes has a responder."""

from collections.abc import Iterable
from typing import Any

import falcon
from falcon.routing import CompiledRouter, map_http_methods


class RoutesApp(falcon.App[falcon.Request, falcon.Response]):
    """A Falcon app that writes into *methods* which of them each route has, by its URI template.

    All else Falcon answers by itself: OPTIONS, and that there is no such method.
    """

    def __init__(
        self, methods: dict[str, set[str]], *, router: CompiledRouter | None, middleware: Iterable[Any]
    ) -> None:
        super().__init__(router=router, middleware=middleware)
        self._methods = methods

    def add_route(self, uri_template: str, resource: object, **options: Any) -> None:
        super().add_route(uri_template, resource, **options)
        mapped = map_http_methods(resource, options.get("suffix"))
        self._methods.setdefault(uri_template, set()).update(mapped)
