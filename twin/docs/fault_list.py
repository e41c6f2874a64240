"""List of the faults, which ``twin faults`` prints without making one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twin.docs.listing import listing

__all__ = ["LISTED", "described", "pages"]

LISTED = Path(__file__).parents[1] / "faults" / "listed.json"
"""What :func:`described` returns, which takes 0.3 s; ``python -m twin.docs`` makes it."""


def pages() -> dict[str, str]:
    """Return the list, by its path below ``docs/``."""
    return listing(LISTED, described())


def described() -> list[dict[str, Any]]:
    """Return the faults with their targets and parameters, those of extensions too."""
    from twin.faults import FAULTS  # noqa: PLC0415 - who reads the list needs none of it

    return [
        {
            "fault": fault.kind,
            "system": fault.system,
            "title": fault.title,
            "target": fault.target,
            "default_target": fault.default_target,
            "default_seconds": fault.default_seconds,
            "severity": fault.severity,
            "shows": fault.shows,
            "parameters": [parameter._asdict() for parameter in fault.parameters()],
        }
        for fault in FAULTS.values()
    ]
