"""Logins in the addresses of Prometheus and Alertmanager."""

from __future__ import annotations

import base64

import pytest

from twin.clients.login import split_login


@pytest.mark.parametrize(
    ("url", "address", "login"),
    [
        ("http://127.0.0.1:9090/x", "http://127.0.0.1:9090/x", None),
        ("http://guest:pw@127.0.0.1:9090/x?q=1", "http://127.0.0.1:9090/x?q=1", "guest:pw"),
        ("https://a%40b:p%3Aw@[::1]:9090", "https://[::1]:9090", "a@b:p:w"),
        ("http://guest@host", "http://host", "guest:"),
    ],
)
def test_a_login_becomes_a_header(url: str, address: str, login: str | None) -> None:
    """The address that is shown has no password, and the header has it decoded."""
    shown, headers = split_login(url)
    assert shown == address
    expected = None if login is None else f"Basic {base64.b64encode(login.encode()).decode()}"
    assert headers.get("Authorization") == expected
