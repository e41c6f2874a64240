"""Counted devices: how many a host has reported, so that one which is gone can be missed."""

from __future__ import annotations

from twin.alerts.model import Recording
from twin.catalog.selectors import HOST

__all__ = ["counted", "lost_gpus"]


def counted(count: str, known: str, anchor: str, up: str) -> tuple[Recording, ...]:
    """Return the recordings of how many GPUs a host reports, and of the most that it did.

    Args:
        count: name of the first.
        known: name of the second.
        anchor: a series that every GPU has.
        up: ``up`` of its exporter.
    """
    return (
        Recording(
            count,
            f"count by ({HOST}) ({anchor})",
            "GPUs that a host reports. A GPU that fell off the bus has no series, so only a count "
            "can show it.",
        ),
        Recording(
            known,
            f"""
        (
          last_over_time({known}[1h]) > {count}
          or {count}
          or last_over_time({known}[1h])
        )
        and on (site, instance) {up}
        """,
            "The most GPUs that a host has reported. The rule keeps its value by reading its own "
            "last result, at the cost of one series per host; a host that is not scraped for an "
            "hour is forgotten.",
        ),
    )


def lost_gpus(count: str, known: str, up: str) -> str:
    """Return the expression of hosts with fewer GPUs than they had, and of those with none left."""
    return f"""
        {count} < {known}
        or
        (0 * {known} and on (site, instance) {up} == 1)
          unless {count}
        """
