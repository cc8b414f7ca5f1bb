"""What is pinned is installed as pinned, whatever the registry has by then: from an index of made-up wheels."""

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .servers import clean_environment

ROOT = Path(__file__).parents[2]
LATER = "9999.1"

OUR_OWN = '''
"""Builds menshen without what builds it: no module, and the requirements of the real one."""
import base64, hashlib, zipfile
NAME = "menshen-0.1.0-py3-none-any.whl"
def build_editable(folder, config_settings=None, metadata_directory=None):
    exec(open("making.py").read(), globals())
    make_wheel(folder + "/" + NAME, "menshen", "0.1.0", REQUIRES)
    return NAME
'''


def make_wheel(path: str | Path, name: str, version: str, needs: list[str]) -> None:
    """A wheel with nothing in it but what it is and needs."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    extras = sorted({extra for need in needs for extra in re.findall(r"extra == ['\"]([^'\"]+)", need)})
    lines = [*head, *(f"Provides-Extra: {extra}" for extra in extras), *(f"Requires-Dist: {need}" for need in needs)]
    files = {
        f"{info}/METADATA": "\n".join([*lines, ""]),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: made-up\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{file},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in files.items():
            wheel.writestr(file, text)


class Checkout:
    """A checkout of menshen whose pins are made-up wheels of the same names, versions and requirements."""

    def __init__(self, folder: Path, pins: str) -> None:
        self.folder, self.index = folder, folder / "index"
        self.index.mkdir(parents=True)
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "venv", folder / ".ci" / "venv")
        self.pins = folder / "pins.txt"
        self.expected: dict[str, str] = {}
        lines = re.findall(r"^([A-Za-z0-9].*?)(?: \\)?$", (ROOT / "requirements" / pins).read_text(), re.MULTILINE)
        self.pins.write_text("".join(self._made_up(Requirement(line)) for line in lines))
        (folder / "pyproject.toml").write_text(
            '[project]\nname = "menshen"\nversion = "0.1.0"\n'
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        needs = [need for need in requires("menshen") or [] if "extra ==" not in need]
        (folder / "backend.py").write_text(OUR_OWN + f"import re\nfrom pathlib import Path\nREQUIRES = {needs!r}\n")
        source = Path(__file__).read_text()
        (folder / "making.py").write_text(source[source.index("def make_wheel") : source.index("class Checkout")])

    def _made_up(self, pin: Requirement) -> str:
        """Its line in the file of pins; the pinned version and a later one are in the index then."""
        name, version = canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")
        try:
            needs = requires(name) or []
        except PackageNotFoundError:
            needs = []  # not for this machine
        for number in (version, LATER):
            path = self.index / f"{name.replace('-', '_')}-{number}-py3-none-any.whl"
            make_wheel(path, name, number, needs)
            if number == version:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if pin.marker is None or pin.marker.evaluate():
            self.expected[name] = version
        return f"{pin} --hash=sha256:{digest}\n"

    def install(self) -> subprocess.CompletedProcess[str]:
        """As `make` does it, with that index alone."""
        environment = clean_environment({}) | {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.index),
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_CACHE_DIR": "1",
        }
        return subprocess.run(
            [self.folder / ".ci" / "venv", self.pins], capture_output=True, text=True, env=environment, check=False
        )

    def installed(self) -> dict[str, str]:
        infos = (self.folder / ".venv").glob("lib/*/site-packages/*.dist-info")
        found = dict(info.name.removesuffix(".dist-info").rsplit("-", 1) for info in infos)
        return {canonicalize_name(name): version for name, version in found.items()}


def test_exactly_the_pins_are_installed_though_each_has_a_later_version(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout", "dev.txt")
    done = checkout.install()
    assert (done.returncode, done.stderr) == (0, "")
    found = checkout.installed()
    assert {name: found.get(name) for name in checkout.expected} == checkout.expected
    assert set(found) - set(checkout.expected) <= {"menshen", "pip", "setuptools"}


def test_a_pin_that_is_missing_is_told(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path / "checkout", "runtime.txt")
    lines = checkout.pins.read_text().splitlines(keepends=True)
    checkout.pins.write_text("".join(line for line in lines if not line.startswith("mako==")))
    holed = checkout.install()
    assert holed.returncode != 0
    assert "requires mako, which is not installed" in holed.stderr.lower(), holed.stderr
