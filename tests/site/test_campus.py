"""Campuses: sites that stand together, and what public sources say of each."""

from __future__ import annotations

import json
import sys

import pytest

from twin.cli import main
from twin.errors import ConfigError
from twin.site import campus_names, campus_of, load_site

Capture = pytest.CaptureFixture[str]


def shown(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Let ``twin`` describe the campus, and end without an error."""
    monkeypatch.setattr(sys, "argv", ["twin", "sites", "show", "campus-memphis", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def test_every_campus_is_made_of_presets() -> None:
    """Each block names a shipped site, and each of its figures a source."""
    assert campus_names() == ("campus-memphis",)
    for name in campus_names():
        campus = campus_of(name)
        assert campus is not None
        assert campus.name == name
        for block in campus.blocks:
            assert load_site(block.site).gpus > 0
            assert block.figures
            assert all(figure.source for figure in block.figures)


def test_memphis_has_racks_of_both_builds() -> None:
    """Colossus 1 has HGX servers, Colossus 2 NVL72; claims and what was seen are told apart."""
    campus = campus_of("campus-memphis")
    assert campus is not None
    assert [load_site(block.site).rack for block in campus.blocks] == ["", "nvl72"]
    bases = {figure.basis for block in campus.blocks for figure in block.figures}
    assert bases == {"claimed", "reported", "filed", "seen"}
    claims = [own for block in campus.blocks for own in block.figures if own.basis == "claimed"]
    assert {own.confidence for own in claims} == {"low"}


def test_campus_is_no_site() -> None:
    """Where a site is wanted, a campus is refused with the names of its sites."""
    with pytest.raises(ConfigError, match="choose one of them, colossus-200k and colossus-2"):
        load_site("campus-memphis")
    assert campus_of("demo") is None


def test_campus_is_shown_with_its_sites_and_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """``twin sites show`` adds up what is modelled, and gives each figure its date and basis."""
    shown(monkeypatch)
    text = capsys.readouterr().out
    assert "together    310,144  4,655" in text
    assert "2026-01  seen      medium      Cooling: about 350 MW" in text
    shown(monkeypatch, "--json")
    found = json.loads(capsys.readouterr().out)
    assert [block["modelled"]["gpus"] for block in found["blocks"]] == [200_128, 110_016]
