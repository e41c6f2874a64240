"""Campuses: sites that stand together, and what public sources say of each."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from twin.catalog import SERVERS, UnitKind
from twin.cli import main
from twin.errors import ConfigError, TargetError
from twin.site import (
    DetailPlan,
    Layout,
    Site,
    campus_names,
    campus_of,
    campus_sites,
    find_target,
    load_site,
    parse_site,
    site_text,
)
from twin.site.numbering import numbered_on

Capture = pytest.CaptureFixture[str]


def shown(monkeypatch: pytest.MonkeyPatch, *options: str, name: str = "campus-memphis") -> None:
    """Let ``twin`` describe the campus, and end without an error."""
    monkeypatch.setattr(sys, "argv", ["twin", "sites", "show", name, *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code


def sites_of(name: str) -> tuple[Site, ...]:
    """Return the sites of a campus."""
    campus = campus_of(name)
    assert campus is not None
    return campus_sites(campus)


def written(folder: Path, text: str) -> str:
    """Return the path of a file with a campus."""
    (folder / "campus.yaml").write_text(text, encoding="utf-8")
    return str(folder / "campus.yaml")


def test_every_campus_is_made_of_presets() -> None:
    """Each block names a shipped site, and each of its figures a source."""
    assert campus_names() == ("campus-demo", "campus-memphis")
    for name in campus_names():
        campus = campus_of(name)
        assert campus is not None
        assert campus.name == name
        for block in campus.blocks:
            assert load_site(block.site).gpus > 0
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


def test_campus_is_no_site(tmp_path: Path) -> None:
    """Where a site is wanted, a campus is refused with the names of its sites."""
    both = "one of them, campus-memphis/colossus-200k or campus-memphis/colossus-2, see"
    with pytest.raises(ConfigError, match=both):
        load_site("campus-memphis")
    assert campus_of("demo") is None
    path = written(tmp_path, "{name: c, title: t, blocks: [{name: A, site: demo}]}")
    with pytest.raises(ConfigError, match=r"campus.yaml' is a campus of several sites; .*/demo,"):
        load_site(path)


def test_campus_is_shown_with_its_sites_and_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """``twin sites show`` adds up what is modelled, and gives each figure its date and basis."""
    shown(monkeypatch)
    text = capsys.readouterr().out
    assert "together    310,144  4,655" in text
    assert "r3128 to r4655  campus-memphis/colossus-2" in text
    assert "2026-01  seen      medium      Cooling: about 350 MW" in text
    shown(monkeypatch, "--json")
    found = json.loads(capsys.readouterr().out)
    assert [block["modelled"]["gpus"] for block in found["blocks"]] == [200_128, 110_016]


@pytest.mark.parametrize("name", campus_names())
def test_no_two_units_of_a_campus_share_a_name(name: str) -> None:
    """Racks, arrays, halls and all units but the feed and the jobs count on from site to site."""
    used: set[str] = set()
    for site in sites_of(name):
        layout = Layout(site)
        own = {
            layout.unit_name(kind, unit)
            for kind in UnitKind
            if kind not in (UnitKind.GRID, UnitKind.JOB)
            for unit in range(layout.units(kind))
        } | {layout.hall_name(array) for array in range(site.arrays)}
        assert not own & used, name
        used |= own


def test_a_site_of_a_campus_is_loaded_by_both_names() -> None:
    """``campus-demo/nvl72-rack`` is the preset with other numbers, in targets and detail too."""
    site, plain = load_site("campus-demo/nvl72-rack"), load_site("nvl72-rack")
    assert site == plain.model_copy(update={"numbers": site.numbers})
    layout = Layout(site)
    assert layout.unit_name(UnitKind.RACK, 0) == "r0009"
    assert layout.names.rack(0).hostnames[0] == "r0009-n1"
    assert layout.names.rack(0).gpu_uuids == Layout(plain).names.rack(0).gpu_uuids
    assert find_target(layout, "r0009/n3/gpu1").unit == 0
    with pytest.raises(
        TargetError, match=r"r0001' does not exist .*; its racks are r0009 to r0009"
    ):
        find_target(layout, "r0001")
    assert DetailPlan.of_site(site).changed(["site", "a002=gpu"]).settings == ("gpu",)
    with pytest.raises(ConfigError, match="it has a002 to a002"):
        DetailPlan.of_site(site).changed(["a001=gpu"])
    assert parse_site(site_text("campus-demo/nvl72-rack"), "text") == site
    assert SERVERS.count(site) == 18


def test_a_campus_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """A file names presets and files beside it; a site that gives its numbers keeps them."""
    (tmp_path / "own.yaml").write_text("{name: own, racks: 3, numbers: {racks: 500}}")
    path = written(
        tmp_path,
        "{name: mine, title: Mine, blocks: [{name: A, site: demo}, {name: B, site: ./own.yaml},"
        " {name: C, site: nvl72-rack}]}",
    )
    names = [Layout(site).unit_name(UnitKind.RACK, 0) for site in sites_of(path)]
    assert names == ["r0001", "r0500", "r0503"]
    assert load_site(f"{path}/nvl72-rack").numbers.racks == 503
    shown(monkeypatch, name=path)
    assert f"r0503 to r0503  {path}/nvl72-rack" in capsys.readouterr().out


def test_what_is_wrong_with_a_campus_is_said(tmp_path: Path) -> None:
    """A site that is not there, is there twice or has the numbers of another is refused by name."""
    with pytest.raises(ConfigError, match="has no site 'demo'; its sites are colossus-array, nvl"):
        load_site("campus-demo/demo")
    (tmp_path / "site.yaml").write_text("{name: s, racks: 1}")
    with pytest.raises(ConfigError, match="is a site and no campus, so it has no site 'demo'"):
        load_site(f"{tmp_path}/site.yaml/demo")
    with pytest.raises(ConfigError, match="two of its sites are called 'demo'"):
        numbered_on([load_site("demo")] * 2, "campus c")
    late = parse_site("{name: late, racks: 3, numbers: {halls: 1}}", "late")
    with pytest.raises(ConfigError, match=r"'late': numbers.halls: is 1, .* below 2; leave numb"):
        numbered_on([load_site("demo"), late], "campus c")
    path = written(tmp_path, "{name: c, titel: t, blocks: [{name: A, site: demo}]}")
    with pytest.raises(ConfigError, match="titel"):
        campus_of(path)
