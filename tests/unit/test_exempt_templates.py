"""Paths that need no token."""

from menshen.entrypoints.exemptions import Exemptions


def test_an_empty_part_of_a_path_is_another_route() -> None:
    exempt = Exemptions(["/news/{name}", "/old/{name}/"])
    assert ["/news/x" in exempt, "/news/" in exempt, "/old/x/" in exempt, "/old/x" in exempt] == [
        True,
        False,
        True,
        False,
    ]
