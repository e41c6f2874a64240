"""Default targets: every fault without a target hits a place of the site."""

from __future__ import annotations

import pytest

from tests.every import every
from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule, default_target, place_of
from twin.site import Layout, load_site, parse_site, preset_names

OTHERS = {
    "mixed": "{name: mixed, racks: 4, blocks: [{racks: 2}, {racks: 2, medium: air}]}",
    "pods": "{name: pods, racks: 2, scheduler: {kind: kubernetes}}",
    "second": "{name: second, racks: 2, numbers: {arrays: 3, racks: 17, megapacks: 3}, "
    "megapacks: {count: 1}}",
    "served": "{name: served, racks: 3, jobs: [{name: a, racks: 1}, "
    "{name: b, racks: 1, workload: llm-serving}]}",
}
"""Sites whose first rack or job is not like the others."""
LAYOUTS = {name: Layout(load_site(name)) for name in preset_names()} | {
    name: Layout(parse_site(text, name)) for name, text in OTHERS.items()
}
NOWHERE = {
    "cooling": lambda site: all(site.air_racks),
    "air": lambda site: not any(site.air_racks),
    "nvl72": lambda site: not site.nvlink.switch_trays,
    "smoothing": lambda site: not site.smoothing.enabled,
    "scheduler": lambda site: not site.scheduled,
    "job": lambda site: not site.job_names,
    "serving": lambda site: not site.job_names,
}
"""By system, the sites on which no place can have its faults."""


def _default(site: str, kind: str) -> str | None:
    """Return the default target, None where the site has none."""
    try:
        return default_target(FAULTS[kind], LAYOUTS[site])
    except ConfigError:
        return None


@every("site, kind", [(site, kind) for site in LAYOUTS for kind in FAULTS], "{} {}".format)
def test_a_default_can_be_hit(site: str, kind: str) -> None:
    """A fault without a target is applied to a place that can have it, where there is one."""
    fault, own = FAULTS[kind], LAYOUTS[site].site
    text = _default(site, kind)
    if text is not None:
        assert place_of(FAULTS, LAYOUTS[site], kind, text).text == text
        return
    counts = {"megapack": own.megapacks.count, "genset": own.gensets.count}
    none = not counts.get(fault.target, 1) or kind == "nvswitch-failure"
    none |= fault.target == "rack" and fault.system == "telemetry"
    assert none or NOWHERE[fault.system](own)


@every("site", list(LAYOUTS))
def test_a_usual_target_stays(site: str) -> None:
    """Where the usual target can have a fault that shows there, it is the default."""
    layout = LAYOUTS[site]
    for kind, fault in FAULTS.items():
        try:
            place = place_of(FAULTS, layout, kind, fault.default_target)
        except ConfigError:
            continue
        if fault.shows_at(layout, place):
            assert _default(site, kind) == fault.default_target, kind


@pytest.mark.parametrize(
    ("site", "kind", "expected"),
    [
        ("serving", "request-surge", "chat"),
        ("served", "request-surge", "b"),
        ("served", "data-loader-slow", "a"),
        ("demo", "request-surge", "pretrain"),
        ("cluster-kubernetes", "container-crash-loop", "r0007/n1"),
        ("cluster-kubernetes", "job-crash", "foundation-run"),
        ("nvl72-rack", "gpu-slow", "r0001/n1/gpu0"),
        ("second", "gpu-slow", "r0017/n1/gpu7"),
        ("second", "leaf-down", "a003/leaf1"),
        ("second", "megapack-trip", "mp003"),
        ("mixed", "fan-failure", "r0003/n1/fan1"),
        ("mixed", "pump-failure", "r0001/pump1"),
    ],
)
def test_the_first_place_that_a_fault_can_hit(site: str, kind: str, expected: str) -> None:
    """Where the usual target is absent or shows nothing, the first like place that does is hit."""
    strike = FaultSchedule(LAYOUTS[site], FAULTS).inject("x", kind, None, now=0.0)
    assert strike.target.text == expected


@pytest.mark.parametrize(
    ("site", "kind", "why"),
    [
        ("cluster-slurm", "job-crash", "no job under the key jobs"),
        ("gefion", "pump-failure", "the rack is air-cooled"),
        ("serving", "genset-trip", "the last of its gensets is none"),
    ],
)
def test_a_site_without_such_a_place(site: str, kind: str, why: str) -> None:
    """A site on which nothing can have the fault says why, and nothing changes."""
    schedule = FaultSchedule(LAYOUTS[site], FAULTS)
    with pytest.raises(ConfigError, match=f"has no target on site '{site}': .*{why}"):
        schedule.inject("x", kind, None, now=0.0)
    assert schedule.active == ()
