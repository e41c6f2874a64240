"""Shell completion: names that exist, each with a short help."""

from __future__ import annotations

from twin.cli.process import LEVELS

__all__ = ["complete_fault", "complete_level", "complete_site", "complete_workload"]


def complete_site(incomplete: str) -> list[str]:
    """Return the presets and campuses that begin like ``incomplete``."""
    from twin.site import campus_names, preset_names

    known = (*preset_names(), *campus_names())
    return [name for name in known if name.startswith(incomplete)]


def complete_fault(incomplete: str) -> list[tuple[str, str]]:
    """Return the kinds of faults that begin like ``incomplete``, with their titles."""
    from twin.faults import FAULTS

    return [(kind, fault.title) for kind, fault in FAULTS.items() if kind.startswith(incomplete)]


def complete_workload(incomplete: str) -> list[str]:
    """Return the workloads that begin like ``incomplete``."""
    from twin.plant.workload.choice import workload_names

    names = workload_names()
    return [name for name in names if name.startswith(incomplete)]


def complete_level(incomplete: str) -> list[str]:
    """Return the levels of logging that begin like ``incomplete``."""
    return [level for level in LEVELS if level.startswith(incomplete)]
