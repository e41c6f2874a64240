"""TLS of the HTTP interface: a certificate that is renewed without a restart."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from twin.aggregator.certificate_dates import validity
from twin.errors import ConfigError

__all__ = ["CertificateFiles", "ServerCertificate"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where a certificate stands.

    Attributes:
        certificate: PEM file of the certificate, with those that lead to its CA.
        key: PEM file of its private key, without a pass phrase.
    """

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: Path | None, key: Path | None) -> CertificateFiles | None:
        """Return both files, None for neither.

        Raises:
            ConfigError: only one of them is given.
        """
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            missing = "--tls-cert" if certificate is None else "--tls-key"
            raise ConfigError(f"TLS needs a certificate and its key: {missing} is missing")
        return cls(certificate, key)


class ServerCertificate:
    """A certificate in use.

    Args:
        files: where it stands.

    Attributes:
        context: for the server; TLS 1.2 or newer.

    Raises:
        ConfigError: the files cannot be read, do not belong together, or the certificate is not
            valid now.
    """

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._stamp = self._stamped()
        try:
            self._load(self.context)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"TLS certificate {files.certificate} with key {files.key}: {_reason(error)}; "
                "give two PEM files that belong together, the key without a pass phrase"
            ) from error
        if (fault := _expired(files.certificate)) is not None:
            raise ConfigError(f"TLS certificate {files.certificate} {fault}; renew it")

    def renew(self) -> None:
        """Take over files that were replaced; connections that stand keep what they began with."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        try:
            # First into another context: a failure half way must leave this one whole.
            self._load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
            if (fault := _expired(self._files.certificate)) is not None:
                raise ValueError(f"the new one {fault}")  # noqa: TRY301 - as any that is of no use
            self._load(self.context)
        except (OSError, ValueError) as error:
            # One file was replaced and the other not yet, perhaps: the next look tells.
            _log.error("certificate not renewed, the last one stays", error=_reason(error))
        else:
            self._stamp = stamp
            _log.info("certificate renewed", file=str(self._files.certificate))

    def _load(self, context: ssl.SSLContext) -> None:
        def no_pass_phrase() -> str:
            raise ValueError("the key has a pass phrase")

        context.load_cert_chain(self._files.certificate, self._files.key, no_pass_phrase)

    def _stamped(self) -> tuple[int, int] | None:
        try:
            return (
                self._files.certificate.stat().st_mtime_ns,
                self._files.key.stat().st_mtime_ns,
            )
        except OSError:
            return None


def _expired(file: Path) -> str | None:
    """Return why the certificate in a file is not valid now, None when it is."""
    dates = validity(file.read_text(encoding="ascii", errors="replace"))
    if dates is None:
        return None  # OpenSSL, which reads it for use, takes more than is in the standard
    start, end = dates
    now = datetime.now(UTC)
    if now > end:
        return f"expired on {end:%Y-%m-%d %H:%M} UTC"
    if now < start:
        return f"is valid only from {start:%Y-%m-%d %H:%M} UTC on"
    return None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
