"""An app that knows its routes: which are open, and the methods of each."""

from collections.abc import Iterable
from typing import Any

import falcon
from attrs import field, frozen
from falcon.routing import CompiledRouter, map_http_methods


@frozen
class Routes:
    """The known routes, by their URI templates."""

    methods: dict[str, set[str]] = field(factory=dict)
    """The methods with a responder. Falcon itself answers the rest: OPTIONS, and unsupported methods."""
    opened: set[str] = field(factory=set)
    """The routes that require no token."""


class RoutesApp(falcon.App[falcon.Request, falcon.Response]):
    """A Falcon app that records its routes in *routes*. A route is guarded unless it is added as an open one."""

    def __init__(self, routes: Routes, *, router: CompiledRouter | None, middleware: Iterable[Any]) -> None:
        super().__init__(router=router, middleware=middleware)
        self._routes = routes

    def add_route(self, uri_template: str, resource: object, **options: Any) -> None:
        super().add_route(uri_template, resource, **options)
        mapped = map_http_methods(resource, options.get("suffix"))
        self._routes.methods.setdefault(uri_template, set()).update(mapped)

    def add_open_route(self, uri_template: str, resource: object, **options: Any) -> None:
        """Add a route that requires no token."""
        self._routes.opened.add(uri_template)
        self.add_route(uri_template, resource, **options)
