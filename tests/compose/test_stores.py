"""Stores of the stack: each is given to its service, once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twin.compose.stores import give_stores
from twin.errors import ConfigError

Given = list[tuple[str, int, int]]


def notes(given: Given, folder: Path) -> object:
    """Return what takes the place of ``os.chown`` and notes who gets what."""
    return lambda path, uid, gid: given.append((str(path.relative_to(folder)), uid, gid))


def test_a_store_is_given_from_the_inside_out(tmp_path: Path) -> None:
    """All that is in a store changes hands and the folder last, so a start cut short goes on."""
    (tmp_path / "prometheus/wal").mkdir(parents=True)
    (tmp_path / "prometheus/wal/000").touch()
    (tmp_path / "prometheus/link").symlink_to("/etc/passwd")
    given: Given = []
    give_stores(tmp_path, {"prometheus": 7}, notes(given, tmp_path))  # type: ignore[arg-type]  # stands in for os.chown
    assert given == [
        ("prometheus/wal/000", 7, 7), ("prometheus/wal", 7, 7), ("prometheus", 7, 7)
    ]  # fmt: skip


def test_what_is_given_already_is_not_walked(tmp_path: Path) -> None:
    """A store that belongs to its service stays as it is."""
    (tmp_path / "prometheus/wal").mkdir(parents=True)
    given: Given = []
    give_stores(tmp_path, {"prometheus": os.getuid()}, notes(given, tmp_path))  # type: ignore[arg-type]  # as above
    assert given == []


def test_a_store_of_nobody_is_refused(tmp_path: Path) -> None:
    """A folder that is named after no service is an error that names those there are."""
    (tmp_path / "thanos").mkdir()
    with pytest.raises(
        ConfigError, match="thanos: there is no service of this name; there are prometheus"
    ):
        give_stores(tmp_path, {"prometheus": 7})


def test_a_store_that_cannot_be_given_is_named(tmp_path: Path) -> None:
    """The error names the place and what it must be."""
    with pytest.raises(ConfigError, match=r"absent: No such file.*root's to give away"):
        give_stores(tmp_path / "absent", {})
