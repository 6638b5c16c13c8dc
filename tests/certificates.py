"""A certificate authority made for one test, with the openssl command line."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


def has_openssl() -> bool:
    return shutil.which("openssl") is not None


@dataclass(frozen=True, slots=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    def __init__(self, directory: Path, name: str = "test authority") -> None:
        self._directory = directory
        directory.mkdir(exist_ok=True)
        self.certificate = directory / "ca.crt"
        self._key = directory / "ca.key"
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self._key, "-out", self.certificate, "-days", "2", "-subj", f"/CN={name}",
        )  # fmt: skip

    def issue(self, name: str, *, san: str = "", dates: tuple[str, str] | None = None) -> Pair:
        """A certificate for `name`; `dates` (YYYYMMDDHHMMSSZ) may lie in the past."""
        pair = Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")
        request = self._directory / f"{name}.csr"
        _openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}",
        )  # fmt: skip
        database = self._directory / f"{name}.db"
        database.write_text("")
        serial = self._directory / f"{name}.serial"
        serial.write_text(f"{len(list(self._directory.glob('*.csr'))):04d}")
        settings = self._directory / f"{name}.cnf"
        settings.write_text(
            "[ca]\ndefault_ca=own\n[own]\n"
            f"database={database}\nserial={serial}\nnew_certs_dir={self._directory}\n"
            "default_md=sha256\npolicy=any\nx509_extensions=extensions\n"
            "[any]\ncommonName=supplied\n"
            f"[extensions]\nsubjectAltName={san or 'DNS:' + name}\n"
        )
        begin, end = dates or ("20200101000000Z", "20400101000000Z")
        _openssl(
            "ca", "-batch", "-notext", "-config", settings, "-cert", self.certificate,
            "-keyfile", self._key, "-in", request, "-out", pair.certificate,
            "-startdate", begin, "-enddate", end,
        )  # fmt: skip
        return pair


def _openssl(*arguments: object) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
