"""The certificate, without a socket."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.certificates import self_signed
from twin.aggregator import CertificateFiles
from twin.aggregator.tls import ServerCertificate
from twin.errors import ConfigError

Make = Callable[[str], CertificateFiles]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a certificate of that name, always into the same files."""

    def write(name: str, *options: str) -> CertificateFiles:
        files = CertificateFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
        command += ["ec_paramgen_curve:P-256", "-days", "1", "-subj", f"/CN={name}"]
        command += ["-keyout", str(files.key), "-out", str(files.certificate)]
        subprocess.run([*command, *(options or ("-nodes",))], check=True, capture_output=True)
        return files

    return write


def shown(certificate: ServerCertificate, files: CertificateFiles, text: str) -> bytes | None:
    """Return what a client that trusts only the certificate ``text`` is shown."""
    files.certificate.with_suffix(".trusted").write_text(text)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.load_verify_locations(files.certificate.with_suffix(".trusted"))
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = certificate.context.wrap_bio(there, back, server_side=True)
    client = trust.wrap_bio(back, there)
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert(binary_form=True)


def test_renewed(make: Make) -> None:
    """A certificate that was replaced is shown, and the old one no more."""
    files = make("old")
    old = files.certificate.read_text()
    used = ServerCertificate(files)
    assert shown(used, files, old)
    make("new")
    used.renew()
    assert shown(used, files, files.certificate.read_text())
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(used, files, old)


def test_half_replaced(make: Make) -> None:
    """While only one of the two files is new the old certificate stays, and then changes."""
    files = make("old")
    old, old_key = files.certificate.read_text(), files.key.read_text()
    used = ServerCertificate(files)
    make("new")
    new_key = files.key.read_text()
    files.key.write_text(old_key)
    used.renew()
    assert shown(used, files, old)
    files.key.write_text(new_key)
    used.renew()
    assert shown(used, files, files.certificate.read_text())


def test_of_no_use(make: Make) -> None:
    """Files that are no certificate are named, with what is wanted."""
    files = make("a")
    files.certificate.write_text("not PEM")
    with pytest.raises(ConfigError, match="two PEM files that belong together"):
        ServerCertificate(files)
    files.certificate.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        ServerCertificate(files)


def test_pass_phrase(make: Callable[..., CertificateFiles]) -> None:
    """A key with a pass phrase is refused in a sentence: nobody is there to be asked for it."""
    files = make("a", "-passout", "pass:secret")
    with pytest.raises(ConfigError, match="the key has a pass phrase"):
        ServerCertificate(files)


def test_both_or_neither(tmp_path: Path) -> None:
    """A certificate without its key is an error that names the option."""
    assert CertificateFiles.of(None, None) is None
    with pytest.raises(ConfigError, match="--tls-key is missing"):
        CertificateFiles.of(tmp_path, None)
    with pytest.raises(ConfigError, match="--tls-cert is missing"):
        CertificateFiles.of(None, tmp_path)


@pytest.mark.parametrize(
    ("begin", "end", "words"),
    [(-9, -2, "expired on .*; renew it"), (2, 9, "is valid only from .*; renew it")],
)
def test_a_certificate_of_another_time(make: Make, begin: int, end: int, words: str) -> None:
    """One that has expired, or is not valid yet, is refused at the start and not taken up later."""
    files = make("good")
    good, used = files.certificate.read_text(), ServerCertificate(files)
    certificate, key = self_signed("dated", begin, end)
    files.certificate.write_bytes(certificate)
    files.key.write_bytes(key)
    with pytest.raises(ConfigError, match=words):
        ServerCertificate(files)
    used.renew()
    assert shown(used, files, good)


def test_the_key_of_another_certificate(make: Make) -> None:
    """A key that is not the certificate's is said so at once."""
    files = make("one")
    certificate = files.certificate.read_text()
    make("two")
    files.certificate.write_text(certificate)
    with pytest.raises(ConfigError, match="that belong together"):
        ServerCertificate(files)
