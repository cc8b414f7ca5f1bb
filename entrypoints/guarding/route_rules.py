"""Which routes of the apps behind a proxy are open, for users, or for admins; all others are for nobody.

A rule is a line: ``user GET,POST app.example.com/orders/**``. The methods and the host may be left out, and the rule is then
for all of them. In the path ``*`` stands for one part, and ``**`` at its end for any number of them, also none. The first
rule that fits decides.
"""

import re
from enum import StrEnum
from urllib.parse import quote

from attrs import field, frozen

from .one_spelling import plain_host, plain_path
from .refusals import RouteNotAllowed, TargetAmbiguous


class Access(StrEnum):
    """Who gets in."""

    OPEN = "open"
    """Everybody; nobody is asked who they are."""
    USER = "user"
    ADMIN = "admin"


_ONE, _REST = "*", "**"
_METHOD = re.compile(r"[A-Z]{1,32}", re.ASCII)
_IN_URLS = "/%:@!$&'()*+,=~"
_MAX_RULES = 1000


@frozen
class Rule:
    """One line."""

    access: Access
    methods: frozenset[str]
    """Empty for all."""
    host: str | None
    parts: tuple[str, ...]
    """The parts of the path, decoded; a path that ends with a slash has an empty last part."""
    loose: tuple[str, ...]
    """The same for those who do not mind upper and lower case, or a slash at the end."""
    text: str = field(eq=False)

    @classmethod
    def parse(cls, line: str) -> "Rule":
        """Raises ValueError that says what is wrong."""
        words = line.split()
        if not 2 <= len(words) <= 3 or words[0] not in set(Access):
            raise ValueError("it must be open, user or admin, optionally methods, and a path")
        methods = words[1].split(",") if len(words) == 3 else []
        if not all(map(_METHOD.fullmatch, methods)):
            raise ValueError("methods must be in upper case, such as GET,POST")
        # Who may read by GET may ask for the head of it (RFC 9110, 9.3.2).
        also = {"HEAD"} if "GET" in methods else set()
        host, slash, path = words[-1].partition("/")
        try:
            name = plain_host(host) if host else None
            parts = _parts(plain_path(slash + quote(path, safe=_IN_URLS)))
        except (TargetAmbiguous, UnicodeEncodeError):
            raise ValueError("the path, or the host before it, is not spelled in the one way there is") from None
        if any(_ONE in part and part != _ONE for part in parts[:-1]) or (
            _ONE in parts[-1] and parts[-1] not in {_ONE, _REST}
        ):
            raise ValueError("* must be a whole part of the path, and ** the last one")
        if name != (host or None):
            raise ValueError("the host must be in lower case, and without a port")
        return cls(Access(words[0]), frozenset(methods) | also, name, parts, _loosely(parts), " ".join(words))

    def hides(self, later: "Rule") -> bool:
        """Whether *later* never decides because this one always does."""
        return (
            (not self.methods or (bool(later.methods) and later.methods <= self.methods))
            and self.host in {None, later.host}
            and _fit(self.loose, later.loose)
        )

    def is_for(self, method: str, host: str) -> bool:
        return (not self.methods or method in self.methods) and self.host in {None, host}


def _fit(own: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Whether *parts*, of a path or of another rule, are among those that *own* stands for."""
    if own[-1] == _REST:
        own = own[:-1]
        parts = parts[: len(own)]
    # No star stands for an empty part: only the last can be empty, after a slash at the end.
    return len(own) == len(parts) and all(
        mine == part or (mine == _ONE and part not in {"", _REST}) for mine, part in zip(own, parts, strict=True)
    )


def _loosely(parts: tuple[str, ...]) -> tuple[str, ...]:
    folded = tuple(part.casefold() for part in parts)
    return folded[:-1] if len(folded) > 1 and not folded[-1] else folded


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[1:])


@frozen
class Rules:
    """All rules, in their order. Without any, nobody gets anywhere."""

    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return "; ".join(rule.text for rule in self.rules)

    @property
    def has_admins(self) -> bool:
        return any(rule.access is Access.ADMIN for rule in self.rules)

    def access(self, method: str, host: str, path: str) -> Access:
        """Who may do this. *host* is a plain host, *path* is spelled as it was sent, without its query.

        Raises TargetAmbiguous, and RouteNotAllowed where no rule fits.
        """
        if _METHOD.fullmatch(method) is None:
            raise TargetAmbiguous
        parts = _parts(plain_path(path))
        loose = _loosely(parts)
        for rule in self.rules:
            if not rule.is_for(method, host):
                continue
            if _fit(rule.parts, parts):
                return rule.access
            # To many apps upper and lower case, or a slash at the end, are the same route: such a path must not slip
            # through to a later rule that is meant for others.
            if _fit(rule.loose, loose):
                raise TargetAmbiguous
        raise RouteNotAllowed


def parse_rules(text: str) -> Rules:
    """The rules in *text*: one a line, or with ``;`` between them; after ``#`` comes a comment.

    Raises ValueError that names the line.
    """
    rules: list[Rule] = []
    for number, line in enumerate(text.split("\n"), 1):
        for stated in re.sub(r"(^|\s)#.*", "", line).split(";"):
            if stated.strip():
                try:
                    rules.append(_another(rules, stated))
                except ValueError as error:
                    raise ValueError(f"line {number} ({ascii(stated.strip())[:60]}): {error}") from None
    if not rules:
        raise ValueError("it has no rule")
    if len(rules) > _MAX_RULES:
        raise ValueError(f"it has more than {_MAX_RULES} rules")
    return Rules(tuple(rules))


def _another(rules: list[Rule], stated: str) -> Rule:
    rule = Rule.parse(stated)
    for earlier in rules:
        if earlier.hides(rule):
            raise ValueError(f"it never counts, after {ascii(earlier.text)[:60]}")
    return rule
