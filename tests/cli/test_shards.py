"""The options that make a process a shard."""

from __future__ import annotations

import socket
import sys

import pytest

from twin.cli import main
from twin.cli.options import shard_of
from twin.errors import ConfigError
from twin.site import Shard

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        (None, None, None),
        ("1/3", None, Shard(1, 3)),
        ("1", 3, Shard(1, 3)),
        ("auto", 4, Shard(2, 4)),
        (None, 4, Shard(2, 4)),
        ("auto/4", None, Shard(2, 4)),
    ],
)
def test_shard_options(
    monkeypatch: pytest.MonkeyPatch, text: str | None, count: int | None, expected: Shard | None
) -> None:
    """A shard, or the host's number of so many, or nothing."""
    monkeypatch.setattr(socket, "gethostname", lambda: "twin-emulator-2")
    assert shard_of(text, count) == expected


def test_a_number_without_a_count_is_refused() -> None:
    """Nobody knows of how many."""
    with pytest.raises(ConfigError, match="0/3"):
        shard_of("1", None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("emulate", "--shard", "3/3"), "numbered from 0 to 2"),
        (("emulate", "--shard", "0/9", "--site", "demo"), "only 2 arrays"),
        (("emulate", "--shard", "0/2", "--slow-down"), "--slow-down"),
        (("emulate", "--shard", "facility", "--speed", "2"), "--speed"),
        (("aggregate", "--shard", "facility"), "is an emulator's"),
        (("aggregate", "--shard", "0/2"), "--advertise"),
        (("aggregate", "--shard", "0/2", "--advertise", "agg:9400"), "alike"),
        (("aggregate", "--replica", "2", "--replicas", "2"), "numbered from 0 to 1"),
    ],
)
def test_a_wrong_shard_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    """Exit status 2, and what to write instead."""
    monkeypatch.setattr(sys, "argv", ["twin", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err.replace("\n", " ")
