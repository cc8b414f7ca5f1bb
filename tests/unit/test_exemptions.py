"""Which paths are exempt: those that every framework takes for what a template says, and no others."""

from menshen.entrypoints.exemptions import Exemptions

from .cases import for_each

EXEMPT = Exemptions(
    ["/news/{number:int}", "/rates/{rate:float}", "/ids/{id:uuid}", "/files/{name:path}", "/shops/{shop}"]
)
ID = "5f0c9d7e-4b1a-4c55-9a52-0f3f5f0c9d7e"


@for_each("path", ["/news/5", "/news/007", "/rates/1.5", "/rates/2", f"/ids/{ID}", f"/ids/{ID.upper()}", "/files/a/b"])
def test_a_value_of_the_kind_is_exempt(path: str) -> None:
    assert path in EXEMPT


@for_each(
    "path",
    [
        *("/news/-5", "/news/+5", "/news/1_0", "/news/ 5", "/news/٥", "/news/5.0", "/news/"),
        *("/rates/1e3", "/rates/nan", "/rates/-1", "/rates/.5", f"/ids/{{{ID}}}", f"/ids/{ID.replace('-', '')}"),
        *("/files/../x", "/files//x", "/files/a;b", "/shops/", "/shops/a/b"),
    ],
)
def test_what_some_framework_takes_for_another_route_is_not(path: str) -> None:
    assert path not in EXEMPT
