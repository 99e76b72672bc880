"""Certificates for tests of TLS, made by the openssl command."""

import hashlib
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """As the AE book has it."""
        encoded = ssl.PEM_cert_to_DER_cert(self.certificate.read_text())
        return "sha256:" + hashlib.sha256(encoded).hexdigest()


class Authority:
    """Who signs certificates."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("needs the openssl command")
        self._folder = folder
        self.own = Identity(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            "req", "-x509", *KEY, "-keyout", self.own.key, "-out", self.own.certificate,
            "-days", "2", "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, name: str, *others: str) -> Identity:
        """A certificate for a name, and for other names (``DNS:…``, ``IP:…``)."""
        made = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        wish, more = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        more.write_text("subjectAltName=" + ",".join((f"DNS:{name}", *others)))
        _openssl("req", *KEY, "-keyout", made.key, "-out", wish, "-subj", f"/CN={name}")
        _openssl(
            "x509", "-req", "-in", wish, "-out", made.certificate, "-days", "2", "-extfile", more,
            "-CA", self.own.certificate, "-CAkey", self.own.key, "-CAcreateserial",
        )  # fmt: skip
        return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
