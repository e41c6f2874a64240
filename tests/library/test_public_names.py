"""The public names: which there are, and that they come without their weight."""

from __future__ import annotations

import pytest

import twin

NAMES = {
    "ConfigError", "Fault", "Run", "RunEvent", "RunSummary", "Site", "SweepTable", "Twin",
    "TwinError", "__version__", "load_site", "simulate", "sweep",
}  # fmt: skip
MEMBERS = {
    "Run": {"events", "reporting", "signals", "site", "start", "sum", "summary", "to_dataframe"},
    "Twin": {"apply", "clear", "events", "inject", "layout", "now", "outputs", "set_points",
             "silent", "site", "step", "summary"},
    "SweepTable": {"column", "count", "index", "to_dataframe"},
    "RunSummary": {"energy_kwh", "figures", "grid_energy_kwh", "hottest_gpu_celsius",
                   "it_energy_kwh", "lost_gpu_hours", "lost_gpu_hours_by_cause",
                   "most_shed_racks", "outage_seconds", "pue", "ride_through_seconds", "seconds",
                   "unserved_kwh"},
    "RunEvent": {"at", "kind", "severity", "target", "until"},
    "Fault": {"at", "duration", "kind", "lasting", "parameters", "place", "start", "target"},
}  # fmt: skip


def test_public_names_are_these() -> None:
    """A name that users write is never renamed or dropped unnoticed."""
    assert set(twin.__all__) == NAMES
    assert {name for name in dir(twin) if name in NAMES} == NAMES
    assert all(getattr(twin, name) is not None for name in NAMES)


@pytest.mark.parametrize("name", [*MEMBERS])
def test_members_are_these(name: str, run: twin.Run, site: twin.Site) -> None:
    """What a public class offers is never renamed or dropped unnoticed."""
    made = {"Run": run, "Twin": twin.Twin(site)}.get(name, getattr(twin, name))
    assert {member for member in dir(made) if not member.startswith("_")} == MEMBERS[name]


def test_unknown_name_is_refused() -> None:
    """A misspelt name is an AttributeError, as of every module."""
    with pytest.raises(AttributeError, match="simulat"):
        twin.simulat  # type: ignore[attr-defined]  # noqa: B018 - the access is what is tested
