"""What docs/clients/README.md shows, done."""

import re
from pathlib import Path

import pytest

from menshen.client import Client, InvalidCredentials, SessionReplaced

from .servers import PASSWORD, Server, serving

PAGE = (Path(__file__).parents[2] / "docs" / "clients" / "README.md").read_text(encoding="utf-8")
FIRST, KEEPING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
URL, PHONE = "https://accounts.example.com", "13800138000"


def run(code: str, server: Server) -> dict[str, object]:
    assert URL in code
    names: dict[str, object] = {}
    exec(code.replace(URL, server.url), names)
    return names


def test_the_page_logs_in_and_says_what_came(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path / "server", DEVICE_POLICY="single") as server, Client(server.url) as other:
        with pytest.raises(Exception, match="log in first"):
            run(FIRST, server)
        assert capsys.readouterr().out == "invalid_credentials The phone number or the password is wrong.\n"
        other.register(PHONE, PASSWORD)
        names = run(FIRST, server)
        assert capsys.readouterr().out == "0.0000\n"
        other.login(PHONE, PASSWORD)
        client = names["client"]
        assert isinstance(client, Client)
        with pytest.raises(SessionReplaced) as over:
            client.sessions()
        assert (over.value.by, over.value.ended_at is not None) != (None, False)
        with pytest.raises(InvalidCredentials):
            client.login(PHONE, "a wrong one")


def test_the_page_keeps_the_tokens_for_the_next_run(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = run(KEEPING, server)["client"]
    assert isinstance(first, Client)
    first.register(PHONE, PASSWORD)
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
    second = run(KEEPING, server)["client"]
    assert isinstance(second, Client)
    assert second.user_info().phone == PHONE
    second.logout()
    assert not (tmp_path / "tokens.json").exists()
