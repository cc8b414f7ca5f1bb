"""Certificates for tests: a private authority, and what it signs."""

import subprocess
from pathlib import Path

from attrs import frozen

from .databases import program_of


@frozen
class Signed:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


@frozen
class Authority:
    """An authority that is not trusted by default."""

    root: Signed

    @classmethod
    def new(cls, folder: Path) -> "Authority":
        folder.mkdir(parents=True)
        return cls(_made(folder / "authority", "an authority", "basicConstraints=critical,CA:true"))

    def sign(self, name: str) -> Signed:
        """For a server with this *name*, or for a client."""
        return _made(
            self.root.certificate.parent / name,
            name,
            "basicConstraints=critical,CA:false",
            *("-addext", f"subjectAltName=DNS:{name}"),
            *("-CA", str(self.root.certificate), "-CAkey", str(self.root.key)),
        )


def _made(path: Path, name: str, extension: str, *more: str) -> Signed:
    made = Signed(path.with_name(f"{path.name}.crt"), path.with_name(f"{path.name}.key"))
    subprocess.run(
        [
            *(str(program_of("openssl")), "req", "-x509", "-days", "2", "-subj", f"/CN={name}", "-addext", extension),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"),
            *("-out", str(made.certificate), "-keyout", str(made.key)),
            *more,
        ],
        capture_output=True,
        check=True,
    )
    return made
