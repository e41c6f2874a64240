"""Dates of a certificate, read from its DER: the standard library shows them to no server."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime

__all__ = ["validity"]

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
"""UTCTime and GeneralizedTime, as RFC 5280 allows them in a certificate."""


def validity(pem: str) -> tuple[datetime, datetime] | None:
    """Return the first and the last moment of the first certificate, None where none can be read.

    Args:
        pem: what a file of certificates holds.
    """
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        ((_, certificate),) = _elements(ssl.PEM_cert_to_DER_cert(found[0]))
        fields = _elements(_elements(certificate)[0][1])
        # Before it stand serial number, algorithm and issuer, and a version unless it is 1.
        place = 4 if fields[0][0] == _VERSION else 3
        start, end = (
            datetime.strptime(text.decode("ascii"), _TIMES[tag]).replace(tzinfo=UTC)
            for tag, text in _elements(fields[place][1])
        )
    except (ValueError, LookupError):
        return None
    return start, end


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of the elements that stand one after the other."""
    found = []
    at = 0
    while at < len(data):
        tag, size = data[at], data[at + 1]
        at += 2
        if size & 0x80:
            digits = size & 0x7F
            size, at = int.from_bytes(data[at : at + digits]), at + digits
        found.append((tag, data[at : at + size]))
        at += size
    return found
