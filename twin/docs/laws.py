"""Laws of conservation, with the largest error that the property tests ever saw of each.

The record is a file beside this module. A run of the property tests raises it where the
variable ``TWIN_NOTE_ERRORS`` is set::

    TWIN_NOTE_ERRORS=1 scripts/test tests/plant/test_conservation.py
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from twin.docs.markdown import table
from twin.plant.laws import LAWS

__all__ = ["LARGEST_ERRORS", "law_table", "note_errors"]

_RECORD = Path(__file__).with_name("largest_errors.json")


def _recorded() -> dict[str, float]:
    noted = json.loads(_RECORD.read_text(encoding="utf-8"))
    return {law.key: float(noted.get(law.key, 0.0)) for law in LAWS}


LARGEST_ERRORS: Mapping[str, float] = _recorded()
"""Largest error ever seen of each law, by its name."""


def note_errors(seen: Mapping[str, float]) -> None:
    """Raise the record to these errors, rounded up to two digits."""
    noted = _recorded()
    for key, error in seen.items():
        if error > noted[key]:
            noted[key] = float(f"{error * 1.05:.1e}")
    _RECORD.write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")


def law_table() -> str:
    """Return all laws as a table."""
    header = ("Law", "Of", "Largest error ever seen", "Limit")
    rows = [
        (law.statement, law.quantity, _share(LARGEST_ERRORS[law.key]), _share(law.limit))
        for law in LAWS
    ]
    return table(header, rows)


def _share(error: float) -> str:
    return f"{error:.1e}" if error else "0"
