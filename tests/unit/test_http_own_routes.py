"""The middleware that guards other apps also guards our own routes: forgotten routes are refused."""

from falcon.inspect import inspect_sinks, inspect_static_routes
from falcon.testing import TestClient

from menshen.entrypoints.http.app import create_app

from .cases import for_each
from .http_service import OPEN, HttpService, Mine, call_wsgi, refused, routes_of, serve


def with_new_routes(http: HttpService) -> TestClient:
    """The API, with routes for which somebody forgot a guard."""
    app = create_app(http.service, http.settings)
    for template in ("/new", "/api/new", "/api/user/new/{part}", "/api/admin/new", "/api/admin"):
        app.add_route(template, Mine())
    return TestClient(app)


@for_each("path", ["/new", "/api/new", "/api/user/new/1", "/api/admin/new", "/api/admin"])
def test_a_new_route_is_closed_until_a_token_comes(path: str) -> None:
    http = serve()
    client, admin, user = with_new_routes(http), http.admin(), http.registered()
    opens, other = (admin, user) if path.startswith("/api/admin") else (user, admin)
    for method in ("GET", "HEAD", "POST"):
        for headers, code in (({}, 401), ({"token": other}, 401), ({"token": opens}, 200)):
            assert client.simulate_request(method, path, headers=headers).status_code == code
    refused(client.simulate_get(path), 401, "token_missing")
    refused(client.simulate_get(path, headers={"token": other}), 401, "token_invalid")


def test_which_methods_a_route_has_is_told_without_a_token(http: HttpService) -> None:
    client = with_new_routes(http)
    refused(client.simulate_delete("/new"), 405, "method_not_allowed")
    refused(call_wsgi(client.app, REQUEST_METHOD="BREW", PATH_INFO="/new"), 400, "request_invalid")
    options = client.simulate_options("/new")
    assert (options.status_code, options.headers["allow"]) == (200, "GET, HEAD, POST")


def test_a_path_that_is_not_there_is_told_without_a_token(http: HttpService) -> None:
    for path in ("/nothing", "/api", "/api/admin/nothing", "/api/user/user_info/"):
        refused(http.client.simulate_get(path), 404, "not_found")


def test_the_open_routes_are_those_that_answer_without_a_token(http: HttpService) -> None:
    answering = {
        route.template
        for route in routes_of(http, "/")
        if http.client.simulate_request(route.method, route.path).status_code != 401
    }
    assert answering == OPEN


def test_everything_in_the_app_is_a_route(http: HttpService) -> None:
    """We have no sinks or static files, which a guard of the routes does not see."""
    app = create_app(http.service, http.settings)
    assert not inspect_sinks(app)
    assert not inspect_static_routes(app)
