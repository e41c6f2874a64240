"""Mixes of jobs that ship, and a site that names one."""

from __future__ import annotations

import pytest

from twin.errors import ConfigError
from twin.site import load_site, mix_names, mix_title, parse_site

SITE = "name: mine\nracks: 16\nscheduler: {kind: slurm}\n"


@pytest.mark.parametrize("name", mix_names())
def test_each_that_ships_says_what_it_is(name: str) -> None:
    """A mix has a title, a source, and kinds with lengths, sizes and ends."""
    site = parse_site(f"{SITE}job_mix: {name}\n", "mine.yaml")
    assert all(mix_title(name))
    assert len(site.mix) >= 4
    assert all(kind.lengths and kind.ends and kind.gpu_shares for kind in site.mix)


def test_a_mix_like_another_differs_in_what_it_gives() -> None:
    """Kalos's evaluations last and end as Seren's do, and are smaller; jobs are let in."""
    seren = {kind.name: kind for kind in load_site("cluster-acme").mix}
    kalos = {kind.name: kind for kind in parse_site(f"{SITE}job_mix: acme-kalos", "t").mix}
    own, other = kalos["evaluation"], seren["evaluation"]
    assert (own.lengths, own.ends) == (other.lengths, other.ends)
    assert own.gpu_shares != other.gpu_shares
    assert all(kind.admission for kind in kalos.values())
    assert not any(kind.admission for kind in seren.values())
    assert "multimodal" in seren.keys() - kalos.keys()


def test_a_mix_that_does_not_ship_is_refused() -> None:
    """The error names the file, the mix and those that there are."""
    with pytest.raises(ConfigError, match=r"mine.yaml: job_mix: is 'acne'; .*acme-seren"):
        parse_site(f"{SITE}job_mix: acne\n", "mine.yaml")
