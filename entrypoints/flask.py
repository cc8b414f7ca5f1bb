"""The guard and the account routes in Flask."""

import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from io import BytesIO
from typing import Any, TypeAlias
from weakref import WeakSet

from flask import Blueprint, Flask, Response, current_app, g, request
from werkzeug.exceptions import ClientDisconnected
from werkzeug.routing import Rule
from werkzeug.wrappers import Response as AnyResponse

from ..domain.presences import Principal
from .accounts import Accounts, GuardMissing
from .exemptions import list_of_texts
from .guarding.envelopes import Refused
from .guarding.guard import Guard
from .http.json_body import MAX_BODY_BYTES
from .http.preflights import allowed_by_preflight

View: TypeAlias = Callable[..., Any]

_EXTENSION = "menshen"
_USER_INFO = "user_info"
_BARE = "_menshen_is_bare"
"""Marks a function for which there is a guarded one, and which is no view itself."""
_ANSWERS = "_menshen_answers"
"""Marks the view of the account routes."""

_apps: "WeakSet[Flask]" = WeakSet()
"""The apps that have accounts."""

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_RULES = ("/api/user", "/api/user/", "/api/user/<path:rest>", "/api/admin", "/api/admin/", "/api/admin/<path:rest>")


def user_token_required(view: View) -> View:
    """Let only requests with a valid token through to *view*, which gets the user as ``user_info``.

    That is a dict with the members of the tutorial's ``user_info``. It is passed by its name where *view* has a parameter
    of this name, otherwise as a positional argument after those that there are. ``g.principal`` and ``g.user`` are set as
    well. Everybody else gets the contract's 401.

    The accounts are those mounted in the app, otherwise those that the process has opened last. Raises GuardMissing where no
    accounts have been opened; TypeError if *view* takes no ``user_info``.

    A decorator above ``@app.route`` instead of below guards nothing. An app with ``mount`` or ``default_deny`` does not start
    then; if the view is in a blueprint that is registered later, it answers nothing. Without either nobody can tell.
    """
    return _required(view, Accounts.opened(), is_strict=False)


def strict_user_token_required(view: View) -> View:
    """The same, and user and session are read at each request, whatever is remembered."""
    return _required(view, Accounts.opened(), is_strict=True)


def _required(view: View, opened: Accounts, *, is_strict: bool) -> View:
    is_named = _takes_user_info_by_name(view)

    @wraps(view)
    def guarded(*arguments: Any, **named: Any) -> Any:
        accounts: Accounts = current_app.extensions.get(_EXTENSION, opened)
        found = _judged(accounts.strict_judge if is_strict else accounts.judge)
        if not isinstance(found, Principal):
            return found
        user_info = accounts.user_info(found)
        if is_named:
            named[_USER_INFO] = user_info
        else:
            arguments = (*arguments, user_info)
        return current_app.ensure_sync(view)(*arguments, **named)

    # After wraps(), which copies attributes.
    with suppress(AttributeError):
        setattr(view, _BARE, True)
    for app in _apps:
        _check_views(app)
    return guarded


def _check_views(app: Flask) -> None:
    """Raises GuardMissing if a view that is to be guarded stands there without its guard."""
    for endpoint, view in app.view_functions.items():
        if getattr(view, _BARE, False):
            raise GuardMissing(
                f"{endpoint} is open: put user_token_required below the route decorator, next to the view"
            )


def _takes_user_info_by_name(view: View) -> bool:
    """Raises TypeError if *view* can be given none."""
    parameters = inspect.signature(view).parameters.values()
    by_position = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    if any(each.name == _USER_INFO and each.kind is not inspect.Parameter.POSITIONAL_ONLY for each in parameters):
        return True
    if any(each.kind in {*by_position, inspect.Parameter.VAR_POSITIONAL} for each in parameters):
        return False
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return True
    raise TypeError(f"{view.__qualname__} is to be guarded, and takes no user_info")


def _judged(judge: Guard) -> Principal | Response:
    """Who asks; or the answer to them."""
    environ = request.environ
    allowed = allowed_by_preflight(environ)
    if allowed is not None:
        return Response(headers={"Allow": allowed})
    found = judge(environ.get("HTTP_TOKEN"), environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_ACCEPT_LANGUAGE"))
    if isinstance(found, Refused):
        # Returned, not raised: no error handler of the app can change it.
        return Response(found.body, found.code, found.headers)
    g.principal, g.user = found, found.user
    return found


def default_deny(app: Flask, accounts: Accounts, *, exempt: Iterable[str] = ()) -> None:
    """Guard everything in *app*, unknown paths and static files as well, but its account routes and the *exempt* rules.

    *exempt* has rules, spelled as in ``@app.route``; one with a subdomain or a host has that before it, ``admin|/news``. A
    rule without is exempt only where there is none. A view finds in ``g.principal`` who was let in, and in ``g.user`` the
    user. A preflight is answered here, before any view. Call this before anything else asks for ``before_request``.
    """
    rules, judge = frozenset(list_of_texts(exempt)), accounts.judge
    _use(app, accounts)

    def guard() -> Response | None:
        rule = request.url_rule
        if rule is not None and (_spelled(rule) in rules or _is_ours(accounts, rule.endpoint)):
            return None
        found = _judged(judge)
        return None if isinstance(found, Principal) else found

    app.before_request(guard)


def _spelled(rule: Rule) -> str:
    """The same text may be a rule of several hosts, of which one is not to open the others."""
    domain = rule.host if rule.map.host_matching else rule.subdomain
    return f"{domain}|{rule.rule}" if domain else rule.rule


def _is_ours(accounts: Accounts, endpoint: str) -> bool:
    """Whether it is an account route, which has its own guard, and the account API answers it."""
    view = current_app.view_functions.get(endpoint)
    return getattr(view, _ANSWERS, None) is accounts and accounts.is_account_path(request.path)


def _answering(accounts: Accounts) -> Callable[..., AnyResponse]:
    """A view that lets the account API answer."""

    def accounts_view(rest: str = "") -> AnyResponse:
        environ = request.environ
        if (request.content_length or MAX_BODY_BYTES + 1) <= MAX_BODY_BYTES:
            # A hook of the app may have read the body. One that did not come whole is refused by the account API.
            with suppress(ClientDisconnected):
                environ = {**environ, "wsgi.input": BytesIO(request.get_data())}
        return Response.from_app(accounts.wsgi, environ)

    setattr(accounts_view, _ANSWERS, accounts)
    return accounts_view


def blueprint(accounts: Accounts) -> Blueprint:
    """The account routes: everything below ``/api/user`` and ``/api/admin`` for which the app itself has no rule.

    They answer as they do alone, with their own errors, and exactly there: it takes no ``url_prefix``.
    """
    found = Blueprint("menshen", __name__)
    view = _answering(accounts)
    for rule in _RULES:
        found.add_url_rule(rule, "accounts", view, methods=_METHODS, provide_automatic_options=False)

    def set_up(state: Any) -> None:
        if state.url_prefix:
            raise ValueError("the account routes stand where they are: no url_prefix")
        _use(state.app, accounts)

    found.record(set_up)
    return found


def mount(app: Flask, accounts: Accounts) -> None:
    """Add the account routes to *app*, and let its decorators ask these accounts."""
    app.register_blueprint(blueprint(accounts))


def _use(app: Flask, accounts: Accounts) -> None:
    """Raises GuardMissing if other accounts guard the app already."""
    if app.extensions.setdefault(_EXTENSION, accounts) is not accounts:
        raise GuardMissing("the app is guarded by other accounts already")
    if app not in _apps:
        _apps.add(app)
        # Blueprints may come later.
        app.before_request_funcs.setdefault(None, []).insert(0, _checking())
    _check_views(app)


def _checking() -> Callable[[], None]:
    """Checks the views of the current app again whenever there are others than before."""
    checked = 0

    def check() -> None:
        nonlocal checked
        if len(current_app.view_functions) != checked:
            _check_views(current_app)
            checked = len(current_app.view_functions)

    return check
