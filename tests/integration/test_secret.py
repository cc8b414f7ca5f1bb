"""The secret that signs the tokens: where it comes from, and which values are refused. On real files."""

import base64
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from menshen.adapters.conformance.codecs import new_claims
from menshen.adapters.jwt_codec import JwtTokenCodec
from menshen.domain.tokens import TokenInvalid
from menshen.entrypoints.secret import FILE_NAME, find_secret, make_secret
from menshen.entrypoints.services import open_service
from menshen.entrypoints.settings import SettingInvalid, Settings

SECRET = "kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0gA"
BODY = base64.b64encode(bytes(range(256))).decode()

GOOD = [
    SECRET,
    "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "correct horse battery staple 我 🔑",
    "my secret key for jwt: 7Qm2xV9pLr4tYz",
]

SHORT = ["X", "XPay", "secret", "kZ3vQ8mT1xW6rB4nY7cJ2hL5pD9sF0g"]

KNOWN = [
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "09D25E094FAA6CA2556C818166B7A9563B93F7099F6F0F4CAA6CF63B88E8D3E7",
    "a-string-secret-at-least-256-bits-long",
    "your-256-bit-secret-your-256-bit-secret",
    "change-me-change-me-change-me-change-me",
]

PLACEHOLDERS = [
    "XPay" * 8,
    "xpay-xpay-xpay-xpay-xpay-xpay-xpay-xpay",
    "this-is-my-super-secret-jwt-key-change-me",
    "CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME",
    "your secret key your secret key your secret key",
    "super.secret.password.super.secret.password",
    "my_very_very_very_secret_jwt_example_key",
    "default-secret-key-default-secret-key",
]

REPEATED = ["x" * 32, "x" * 4096, "ab" * 16, "1234567" * 5, " " * 40, "0" * 64]

KEYS = [
    f"-----BEGIN PUBLIC KEY-----\n{BODY}\n-----END PUBLIC KEY-----\n",
    f"-----BEGIN RSA PUBLIC KEY-----\n{BODY}\n-----END RSA PUBLIC KEY-----\n",
    f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----\n",
    f"-----BEGIN EC PRIVATE KEY-----\n{BODY}\n-----END EC PRIVATE KEY-----\n",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}\n-----END OPENSSH PRIVATE KEY-----\n",
    f"a comment\n-----BEGIN PUBLIC KEY-----\n{BODY}\n-----END PUBLIC KEY-----\n",
    f"ssh-rsa {BODY} somebody@somewhere",
    f"ssh-ed25519 {BODY} somebody@somewhere",
    f"ssh-dss {BODY} somebody@somewhere",
    f"ecdsa-sha2-nistp256 {BODY} somebody@somewhere",
    json.dumps({"kty": "RSA", "n": BODY, "e": "AQAB"}),
    json.dumps({"kty": "oct", "k": BODY}, indent=2),
    json.dumps({"e": "AQAB", "n": BODY, "kty": "RSA"}, indent=2),
    " \n" + json.dumps({"kty": "EC", "crv": "P-256", "x": BODY, "y": BODY}),
    json.dumps({"keys": [{"kty": "RSA", "n": BODY, "e": "AQAB"}]}),
]

REFUSED = [*SHORT, *KNOWN, *PLACEHOLDERS, *REPEATED, *KEYS]


def refusal_of(settings: Settings) -> str:
    with pytest.raises(SettingInvalid) as refusal:
        find_secret(settings)
    return str(refusal.value)


@pytest.fixture
def in_folder(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.mark.parametrize("secret", GOOD)
def test_a_good_secret_is_taken_as_it_is(tmp_path: Path, secret: str) -> None:
    assert find_secret(Settings(data_dir=tmp_path, secret_key=secret)) == secret.encode()
    file = tmp_path / "a file"
    file.write_bytes(secret.encode())
    assert find_secret(Settings(data_dir=tmp_path, secret_key_file=file)) == secret.encode()


@pytest.mark.parametrize("secret", GOOD)
def test_a_good_secret_signs(secret: str) -> None:
    codec = JwtTokenCodec(secret=secret.encode(), issuer="an issuer", audience="an audience")
    assert codec.decode(codec.encode(new_claims())) == new_claims()


@pytest.mark.parametrize("secret", REFUSED, ids=lambda secret: repr(secret[:40]))
def test_a_secret_that_is_none_is_refused_wherever_it_stands(tmp_path: Path, secret: str) -> None:
    file, made = tmp_path / "a file", tmp_path / FILE_NAME
    for path in (file, made):
        path.write_text(secret, encoding="utf-8")
    lines = {
        "MENSHEN_SECRET_KEY": refusal_of(Settings(data_dir=tmp_path / "none", secret_key=secret)),
        "MENSHEN_SECRET_KEY_FILE": refusal_of(Settings(data_dir=tmp_path / "none", secret_key_file=file)),
        str(made): refusal_of(Settings(data_dir=tmp_path)),
    }
    for name, line in lines.items():
        assert line.startswith(f"{name}: ")
        assert len(line.splitlines()) == 1
        assert len(secret) < 10 or secret not in line


@pytest.mark.parametrize("secret", SHORT)
def test_a_short_secret_is_told_how_long_it_must_be(secret: str) -> None:
    line = refusal_of(Settings(secret_key=secret))
    assert f"{len(secret)} bytes" in line
    assert "at least 32" in line


def test_the_length_is_in_bytes() -> None:
    secret = "一乙二十丁厂七卜人入八"
    assert len(secret) == 11
    assert "33 bytes" not in refusal_of(Settings(secret_key=secret[:10]))
    assert "30 bytes" in refusal_of(Settings(secret_key=secret[:10]))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_line_break_at_the_end_of_a_file_does_not_count(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "a file"
    file.write_bytes(f"{SECRET}{ending}".encode())
    assert find_secret(Settings(secret_key_file=file)) == SECRET.encode()
    assert find_secret(Settings(secret_key=f"{SECRET}{ending}")) == SECRET.encode()


# What an editor or a shell adds without showing it.
DISGUISED = {
    "a byte order mark": f"\ufeff{SECRET}".encode(),
    "UTF-16": f"{SECRET}".encode("utf-16"),
    "UTF-16 with a line break": f"{SECRET}\r\n".encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + SECRET.encode("utf-16-be"),
    "UTF-16 without a mark": SECRET.encode("utf-16-le"),
    "a blank before": f" {SECRET}".encode(),
    "a blank behind": f"{SECRET} \n".encode(),
    "a tab behind": f"{SECRET}\t".encode(),
    "a line before": f"\n{SECRET}".encode(),
    "a blank without width": f"{SECRET}\u200b".encode(),
}


@pytest.mark.parametrize("written", DISGUISED.values(), ids=DISGUISED)
def test_one_text_is_one_secret_or_none(tmp_path: Path, written: bytes) -> None:
    """Otherwise a file that looks the same would silently log everybody out."""
    made = tmp_path / FILE_NAME
    made.write_bytes(written)
    for settings in (Settings(secret_key_file=made), Settings(data_dir=tmp_path)):
        line = refusal_of(settings)
        assert any(told in line for told in ("byte order mark", "UTF-16", "blanks around"))
        assert SECRET not in line


def test_random_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    # As `openssl rand` writes them: some begin or end as a text would not.
    for begin, end in ((b" \xc3", b"\t"), (b"\xff\xfe", b"\x01"), (b"\xef\xbb\xbf", b"\xff"), (b"\0\0", b"\xff ")):
        secret = begin + hashlib.sha256(begin).digest() + end
        file.write_bytes(secret)
        assert find_secret(Settings(secret_key_file=file)) == secret


def test_a_link_into_nowhere_is_told_with_where_it_leads(tmp_path: Path) -> None:
    link = tmp_path / FILE_NAME
    link.symlink_to(tmp_path / "gone")
    for settings in (Settings(secret_key_file=link), Settings(data_dir=tmp_path)):
        assert f"{link} (it leads to {tmp_path / 'gone'}) cannot be read" in refusal_of(settings)


@pytest.mark.parametrize("text", ["", "\n", "\r\n", SECRET[:-1] + "\n"])
def test_a_line_break_makes_no_secret_longer(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a file"
    file.write_bytes(text.encode())
    assert "must have at least 32" in refusal_of(Settings(secret_key_file=file))


def test_a_file_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    line = refusal_of(Settings(data_dir=tmp_path, secret_key_file=missing))
    assert line.startswith("MENSHEN_SECRET_KEY_FILE: ")
    assert str(missing) in line
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    below_a_file = tmp_path / "a file" / "key"
    below_a_file.parent.write_text(SECRET)
    for path in (tmp_path, below_a_file):
        line = refusal_of(Settings(secret_key_file=path))
        assert line.startswith("MENSHEN_SECRET_KEY_FILE: ")
        assert "cannot be read" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, in_folder: Settings) -> None:
    file, made = tmp_path / "a file", tmp_path / FILE_NAME
    for path in (file, made):
        path.write_text(SECRET)
        path.chmod(0)
    assert "cannot be read" in refusal_of(Settings(secret_key_file=file))
    assert "cannot be read" in refusal_of(in_folder)


def test_a_secret_that_was_set_comes_before_the_one_that_was_made(tmp_path: Path, in_folder: Settings) -> None:
    made, _ = make_secret(in_folder)
    file = tmp_path / "a file"
    file.write_text(SECRET)
    assert find_secret(in_folder) == made
    assert find_secret(Settings(data_dir=tmp_path, secret_key=SECRET[::-1])) == SECRET[::-1].encode()
    assert find_secret(Settings(data_dir=tmp_path, secret_key_file=file)) == SECRET.encode()


def test_there_is_no_secret_before_one_is_made(in_folder: Settings) -> None:
    assert find_secret(in_folder) is None


def test_a_secret_that_is_made_has_256_bits_and_is_the_owners_alone(in_folder: Settings) -> None:
    before = os.umask(0)
    try:
        secret, path = make_secret(in_folder)
    finally:
        os.umask(before)
    assert path == in_folder.data_dir / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch(rb"[A-Za-z0-9_-]{43}", secret)
    assert path.read_bytes() == secret + b"\n"


def test_a_secret_is_made_once(in_folder: Settings) -> None:
    first, path = make_secret(in_folder)
    assert make_secret(in_folder) == (first, path)
    assert find_secret(in_folder) == first
    assert list(in_folder.data_dir.iterdir()) == [path]


def test_no_two_folders_get_the_same_secret(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(5)]
    for folder in folders:
        folder.mkdir()
    assert len({make_secret(Settings(data_dir=folder))[0] for folder in folders}) == 5


def test_threads_that_make_a_secret_at_once_get_the_same(in_folder: Settings) -> None:
    together = Barrier(8)

    def make() -> bytes:
        together.wait(timeout=30)
        return make_secret(in_folder)[0]

    with ThreadPoolExecutor(8) as pool:
        made = {future.result() for future in [pool.submit(make) for _ in range(8)]}
    assert made == {find_secret(in_folder)}
    assert [path.name for path in in_folder.data_dir.iterdir()] == [FILE_NAME]


MAKE = """
import sys
from pathlib import Path
from menshen.entrypoints.secret import make_secret
from menshen.entrypoints.settings import Settings
print("ready", flush=True)
sys.stdin.readline()
print(make_secret(Settings(data_dir=Path(sys.argv[1])))[0].decode())
"""


def test_processes_that_make_a_secret_at_once_get_the_same(in_folder: Settings) -> None:
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(in_folder.data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    try:
        for maker in makers:
            assert maker.stdout is not None
            assert maker.stdout.readline() == "ready\n"
        for maker in makers:
            assert maker.stdin is not None
            maker.stdin.write("go\n")
            maker.stdin.flush()
        made = {maker.communicate(timeout=60)[0].strip() for maker in makers}
    finally:
        for maker in makers:
            maker.kill()
            maker.communicate()
    found = find_secret(in_folder)
    assert found is not None
    assert made == {found.decode()}
    assert [path.name for path in in_folder.data_dir.iterdir()] == [FILE_NAME]


def test_a_file_that_stands_in_the_way_is_not_written_over(in_folder: Settings) -> None:
    path = in_folder.data_dir / FILE_NAME
    path.write_text("XPay")
    with pytest.raises(SettingInvalid, match="4 bytes"):
        make_secret(in_folder)
    assert path.read_text() == "XPay"
    assert list(in_folder.data_dir.iterdir()) == [path]


def test_a_link_into_nowhere_is_not_followed(in_folder: Settings) -> None:
    target = in_folder.data_dir / "elsewhere"
    (in_folder.data_dir / FILE_NAME).symlink_to(target)
    with pytest.raises(SettingInvalid):
        make_secret(in_folder)
    assert not target.exists()


def test_the_service_makes_its_secret_once_and_says_so_once(tmp_path: Path) -> None:
    said: list[str] = []
    settings = Settings(data_dir=tmp_path / "new" / "data", database_url="memory://")
    token = open_service(settings, say=said.append).authenticate_strictly.codec.encode(new_claims())
    assert said == [
        f"made the folder {settings.data_dir}",
        f"made a secret for the tokens: {settings.data_dir / FILE_NAME}",
    ]
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) & 0o077 == 0
    again = open_service(settings, say=said.append)
    assert len(said) == 2
    assert again.authenticate_strictly.codec.decode(token) == new_claims()
    elsewhere = open_service(Settings(data_dir=tmp_path / "other", database_url="memory://"))
    with pytest.raises(TokenInvalid):
        elsewhere.authenticate_strictly.codec.decode(token)


def test_a_secret_that_was_set_makes_no_file(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    open_service(Settings(data_dir=data_dir, database_url="memory://", secret_key=SECRET)).close()
    assert not data_dir.exists()


def test_a_made_secret_never_looks_like_a_key_of_another_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(
        ["ssh-" + "aBcDeFgHiJ" * 4, "MIIEabcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM", "Q5v8" * 4 + "x7Rk2Lw9" * 4]
    )
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: next(drawn))
    secret, _ = make_secret(Settings(data_dir=tmp_path))
    assert secret == b"Q5v8" * 4 + b"x7Rk2Lw9" * 4
