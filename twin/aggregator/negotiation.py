"""Content negotiation: format and compression of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["PLAIN", "openmetrics", "wants_gzip"]

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of the Prometheus text format."""

_OPENMETRICS = "application/openmetrics-text; version={}; charset=utf-8"
_VERSIONS = ("1.0.0", "0.0.1")
"""Versions of OpenMetrics that we write; our pages are the same in both."""

_PLAIN_RANGES = frozenset({"text/plain", "text/*", "*/*"})


def openmetrics(accept: str) -> str | None:
    """Return the content type of the OpenMetrics that the client prefers to the text format.

    Args:
        accept: the header ``Accept``; Prometheus names OpenMetrics first by default.

    Returns:
        None where the text format is as good or better, and where the client has no preference.
    """
    wanted = dict.fromkeys(_VERSIONS, 0.0)
    plain = 0.0
    for name, parameters in _ranges(accept):
        quality = _quality(parameters)
        version = parameters.get("version", _VERSIONS[0])
        if name == "application/openmetrics-text" and version in wanted:
            wanted[version] = max(wanted[version], quality)
        elif name in _PLAIN_RANGES:
            plain = max(plain, quality)
    best = max(_VERSIONS, key=wanted.__getitem__)
    return _OPENMETRICS.format(best) if 0.0 < wanted[best] >= plain else None


def wants_gzip(accept_encoding: str) -> bool:
    """Whether the header ``Accept-Encoding`` names gzip and does not refuse it."""
    codings = {name: _quality(parameters) for name, parameters in _ranges(accept_encoding)}
    return codings.get("gzip", 0.0) > 0.0


def _ranges(header: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the elements of such a header with their parameters."""
    for element in header.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield name, {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return min(max(0.0, float(parameters.get("q", "1"))), 1.0)
    except ValueError:
        return 0.0
