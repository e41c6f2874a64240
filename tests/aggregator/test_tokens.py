"""Tokens: from a file, from a header."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.aggregator import Token
from twin.aggregator.tokens import presented
from twin.errors import ConfigError

GOOD = "0123456789abcdef"


def basic(text: str) -> str:
    """Return the header that a browser sends."""
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        (f"Bearer {GOOD}", GOOD),
        (f"bearer  {GOOD} ", GOOD),
        (basic(f"anybody:{GOOD}"), GOOD),
        (basic("a:b:c"), "b:c"),
        ("Basic ???", None),
        ("Basic \xff\xff", None),
        (" ", None),
        ("Bearer", "Bearer"),
        ("Basic /w==", None),
        (f"Digest {GOOD}", None),
        (GOOD, GOOD),
    ],
)
def test_header(header: str | None, token: str | None) -> None:
    """A token is shown as a bearer's, as a browser's password, or alone as Prometheus 2 does."""
    assert presented(header) == token


@given(st.text())
def test_any_header(header: str) -> None:
    """Whatever a header says, it raises nothing and opens nothing."""
    assert not Token(GOOD).matches(presented(f"{header}x"))


def test_file_is_followed(tmp_path: Path) -> None:
    """A token that is replaced in its file is in force from the next request on."""
    file = tmp_path / "token"
    file.write_text(f"{GOOD}\nthe second line is a comment\n")
    token = Token.of_file(file)
    assert token.matches(GOOD)
    file.write_text("another-token-altogether")
    assert not token.matches(GOOD)
    assert token.matches("another-token-altogether")


@pytest.mark.parametrize("text", [None, "", "short"])
def test_file_that_spoils(tmp_path: Path, text: str | None) -> None:
    """While the file is away or of no use the last token stays: nobody gets in without one."""
    file = tmp_path / "token"
    file.write_text(GOOD)
    token = Token.of_file(file)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    assert token.matches(GOOD)
    assert not token.matches(text or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No such file"),
        ("\n", "its first line is empty"),
        ("0123456789abcde\n", "less than 16 characters"),
        ("0123456789 abcdef\n", "letters, digits and"),
        ("ü123456789abcdefg\n", "letters, digits and"),
    ],
)
def test_file_of_no_use(tmp_path: Path, text: str | None, words: str) -> None:
    """A file without a good token is named, with what makes one."""
    file = tmp_path / "token"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        Token.of_file(file)
    assert f"openssl rand -hex 32 > {file}" in str(caught.value)


def test_random() -> None:
    """Tokens that are made up are long and differ."""
    assert len(Token.random().value) >= 32
    assert Token.random().value != Token.random().value
