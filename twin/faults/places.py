"""Default targets: the first place of a site that a fault can hit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from twin.errors import ConfigError
from twin.faults.base import Fault

if TYPE_CHECKING:  # describing faults needs no site
    from twin.site import Layout

__all__ = ["default_target"]

_NUMBER = re.compile(r"\d+$")
_FIRST_NUMBERS = ("0", "1")
"""Numbers that devices of a unit begin with."""


def default_target(fault: type[Fault], layout: Layout) -> str:
    """Return the fault's usual target, or where that cannot be hit the first place that can.

    A job that trains by the site file may serve by ``--workload``, so where a fault shows nowhere
    the first place that may have it is returned.

    Args:
        fault: its class.
        layout: the site.

    Raises:
        ConfigError: no place of this site can have the fault.
    """
    from twin.site import find_target  # noqa: PLC0415 - as above

    layout, possible, why = layout.entire, None, None
    for text in _candidates(fault, layout):
        try:
            place = find_target(layout, text)
        except ConfigError as error:
            why = why or str(error)
            continue
        refusal = fault.refusal(layout, place)
        if refusal is None and fault.shows_at(layout, place):
            return text
        why = why or refusal
        possible = possible or (text if refusal is None else None)
    if possible is not None:
        return possible
    reason = why or "it has no job under the key jobs, and those of its scheduler are no targets"
    raise ConfigError(f"fault {fault.kind} has no target on site {layout.site.name!r}: {reason}")


def _candidates(fault: type[Fault], layout: Layout) -> Iterator[str]:
    """Yield addresses in order of preference: the usual one, then the like elsewhere."""
    usual = fault.default_target
    if fault.target == "job":
        names = layout.site.job_names
        yield from (usual, *names) if usual in names else names
        return
    yield usual
    head, slash, rest = usual.partition("/")
    others = [_NUMBER.sub(number, rest) for number in _FIRST_NUMBERS]
    for name in _like(head, layout):
        yield from (f"{name}{slash}{own}" for own in (rest, *others))


def _like(head: str, layout: Layout) -> Iterator[str]:
    """Yield the names of units like the first one of a usual site.

    The first racks of blocks and of jobs stand for all racks, and for other units their first.
    """
    from twin.catalog import UnitKind  # noqa: PLC0415 - as above

    site, starts = layout.site, {0}
    word = _NUMBER.sub("", head)
    kinds = (own for own in UnitKind if own.pattern and head != word)
    kind = next((own for own in kinds if _NUMBER.sub("", own.pattern.format(1)) == word), None)
    if kind is None:
        return
    if kind is UnitKind.RACK:
        for counts in ([own.racks for own in site.all_blocks], [own.racks for own in site.jobs]):
            starts |= set(accumulate(counts))
    for unit in sorted(starts):
        if unit < layout.units(kind):
            yield layout.unit_name(kind, unit)
