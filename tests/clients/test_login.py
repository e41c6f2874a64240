"""Logins in the addresses of Prometheus and Alertmanager."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from twin.clients.login import credentials, split_login
from twin.errors import ConfigError


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


@pytest.mark.parametrize(
    ("text", "header"),
    [("guest:se:cret\n", "Basic Z3Vlc3Q6c2U6Y3JldA=="), (" abc.def\n", "Bearer abc.def")],
)
def test_credentials_by_file_or_environment(tmp_path: Path, text: str, header: str) -> None:
    """A line with a colon is a login, one without is a token; the file comes first."""
    file = tmp_path / "credentials"
    file.write_text(text)
    assert credentials(file, {"X": "other"}, "X") == {"Authorization": header}
    assert credentials(None, {"X": text}, "X") == {"Authorization": header}
    assert credentials(None, {}, "X") == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; write user:password or a token"),
        (b"secret\x00", "is not one line of ASCII"),
        (b"secret\nsecond", "is not one line of ASCII"),
        (b"\xff\xfe", "the credentials cannot be read: it is not text"),
        (None, "the credentials cannot be read: No such file"),
    ],
)
def test_useless_credentials_are_refused_and_not_shown(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """The error names the file and the remedy, never what stands in it."""
    file = tmp_path / "credentials"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        credentials(file, {}, "X")
    assert str(error.value).startswith(f"{file}: {words}")
    assert "secret" not in str(error.value)
