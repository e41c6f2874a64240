"""Broker certificate: the administrator's own, or a generated one.

The openssl program makes it; Python's own library can only use certificates. The key of the
CA is thrown away once it has signed, so that nobody can sign a second certificate with it.
"""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twin.errors import ConfigError

__all__ = ["Certificate", "is_fresh", "make_certificate", "read_certificate"]

_DAYS = 397
_RENEW_SECONDS = 30 * 86_400
_FILES = ("ca.pem", "server.pem", "server.key")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate in PEM.

    Attributes:
        ca: what clients check it against.
        chain: the certificate, and those between it and the CA.
        key: its private key.
    """

    ca: bytes
    chain: bytes
    key: bytes


def read_certificate(folder: Path) -> Certificate | None:
    """Return the certificate that an administrator put into ``folder``, None when it is empty.

    Raises:
        ConfigError: a part is missing or cannot be read.
    """
    there = [name for name in _FILES if (folder / name).is_file()]
    if not there:
        return None
    if missing := [name for name in _FILES if name not in there]:
        raise ConfigError(f"{folder}: {', '.join(missing)} is missing beside {', '.join(there)}")
    try:
        return Certificate(*((folder / name).read_bytes() for name in _FILES))
    except OSError as error:
        raise ConfigError(f"{folder}: {error.filename} cannot be read: {error.strerror}") from error


def make_certificate(names: Sequence[str]) -> Certificate:
    """Return a certificate of a new CA for these host names and addresses, for 397 days.

    Raises:
        ConfigError: openssl is not there or refuses a name.
    """
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "server.ext").write_text(
            f"subjectAltName={','.join(map(_alternative, names))}\n"
            "extendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n",
            encoding="ascii",
        )
        curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
        _openssl(
            here,
            f"req -x509 {curve} -days {_DAYS} -keyout ca.key -out ca.pem"
            " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
            "-subj", "/CN=datacenter twin",
        )  # fmt: skip
        _openssl(
            here, f"req {curve} -keyout server.key -out server.csr", "-subj", f"/CN={names[0]}"
        )
        _openssl(
            here,
            f"x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {_DAYS}"
            " -extfile server.ext -out server.pem",
        )
        return Certificate(*((here / name).read_bytes() for name in _FILES))


def is_fresh(certificate: Path, names: Sequence[str]) -> bool:
    """Return whether a certificate is for all these names and good for another 30 days."""
    if not certificate.is_file():
        return False
    checks = [f"-checkend {_RENEW_SECONDS}", *(f"{_check(name)} {name}" for name in names)]
    return all(_says_yes(certificate, check) for check in checks)


def _says_yes(certificate: Path, check: str) -> bool:
    done = _run(certificate.parent, ["x509", "-in", certificate.name, "-noout", *check.split()])
    # A wrong name is told in words only, with exit status 0.
    return done.returncode == 0 and b"does NOT match" not in done.stdout


def _check(name: str) -> str:
    return "-checkip" if _is_address(name) else "-checkhost"


def _alternative(name: str) -> str:
    return f"IP:{name}" if _is_address(name) else f"DNS:{name}"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _openssl(folder: Path, words: str, *more: str) -> None:
    done = _run(folder, [*words.split(), *more])
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(f"openssl could not make the certificate: {said[-1] if said else words}")


def _run(folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("openssl")
    if program is None:
        raise ConfigError("a certificate needs the program openssl; install it or give your own")
    return subprocess.run(  # noqa: S603 - our own arguments, no shell
        [program, *arguments], cwd=folder, capture_output=True, check=False
    )
