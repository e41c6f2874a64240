"""What clients say that they accept, and what they are sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.aggregator.negotiation import openmetrics, wants_gzip

V1 = "application/openmetrics-text; version=1.0.0; charset=utf-8"
V0 = "application/openmetrics-text; version=0.0.1; charset=utf-8"

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
TEXT_FIRST = (
    "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, V1),
        (PROMETHEUS_3, V1),
        (TEXT_FIRST, None),
        ("application/openmetrics-text", V1),
        ("Application/OpenMetrics-Text; Version=1.0.0", V1),
        ('application/openmetrics-text; version="1.0.0"', V1),
        ("application/openmetrics-text; version=0.0.1", V0),
        ("application/openmetrics-text; version=2.0.0", None),
        ("application/openmetrics-text; q=0", None),
        ("application/openmetrics-text; q=0.5, text/plain", None),
        ("application/openmetrics-text, text/plain", V1),
        ("application/openmetrics-text; q=much", None),
        ("*/*", None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", None),
        ("", None),
    ],
)
def test_openmetrics_when_it_is_preferred(accept: str, expected: str | None) -> None:
    """Who names OpenMetrics and likes nothing better gets the version that was asked for."""
    assert openmetrics(accept) == expected


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("GZip", True),
        ("identity", False),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, br", False),
        ("x-gzip-not", False),
    ],
)
def test_gzip_when_it_is_named(accepted: str, expected: bool) -> None:
    """Compression is for who asks for it and does not refuse it."""
    assert wants_gzip(accepted) is expected


@given(st.text())
def test_any_header_is_survived(header: str) -> None:
    """Whatever a client sends, it gets an answer."""
    assert openmetrics(header) in (None, V0, V1)
    assert wants_gzip(header) in (True, False)
