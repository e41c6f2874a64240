"""Broker certificate: the administrator's own, or a generated one.

The CA's key is discarded after signing, so that no second certificate can be signed
with it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twin.compose import MAKES_SECRETS
from twin.errors import ConfigError, not_installed

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    raise not_installed("making a certificate", *MAKES_SECRETS) from None

__all__ = ["Certificate", "is_fresh", "make_certificate", "read_certificate"]

_VALID = timedelta(days=397)
"""Apple's limit for certificates of servers, which other clients follow."""
_SLACK = timedelta(hours=1)
"""For clients whose clock is slow."""
_RENEW = timedelta(days=30)
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
        ConfigError: a name can't stand in a certificate.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name = _common_name("datacenter twin")
    authority = (
        _builder(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CERT_SIGN, critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    try:
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = _builder(_common_name(names[0]), authority_name, key)
    except ValueError as error:
        raise ConfigError(
            f"--tls {','.join(names)}: {error}; give host names and addresses"
        ) from error
    certificate = (
        builder.add_extension(alternatives, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(  # Python 3.13 refuses a certificate without it
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    return Certificate(
        ca=authority.public_bytes(serialization.Encoding.PEM),
        chain=certificate.public_bytes(serialization.Encoding.PEM),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def is_fresh(certificate: Path, names: Sequence[str]) -> bool:
    """Return whether a certificate is for all these names and good for another 30 days."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        own = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    good = found.not_valid_after_utc - datetime.now(UTC) > _RENEW
    return good and {_general_name(name) for name in names} <= set(own)


_CERT_SIGN = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=False,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
