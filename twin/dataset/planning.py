"""The faults of a dataset: what strikes where, when and how badly, by a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twin.alerts.proving_faults import PROOFS
from twin.catalog import DEVICES, UnitKind
from twin.dataset.recipes import FaultChoice, Recipe
from twin.faults import FAULTS
from twin.site import Layout, address_of, labels_of_target

__all__ = ["PlannedEvent", "draw_events"]

_SLOT_SECONDS = 7200.0
"""Each has one fault at most, and ends without one, so that no fault meets the next."""
_FAULTY = 0.75
"""Share of slots that have a fault."""
_LATEST_START, _LATEST_END = 0.3, 0.8
"""Of a slot: by then a fault has begun, or has ended."""
_DEGREES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class PlannedEvent:
    """A fault of a dataset.

    Attributes:
        start: unix time at which it begins.
        end: unix time at which it is over.
        kind: of fault.
        target: the place, ``r0001/n3/gpu5``.
        labels: hall, array, rack and host of the place, as far as it has them.
        parameter: that says how bad it is, empty where there are no degrees.
        value: of the parameter, NaN where there is none.
        degree: from 0, the mildest case of the recipe, to 1, the worst.
        severity: ``warning`` or ``critical``.
        alerts: of the shipped rules that should say so.
        certain: whether they are proven to fire: the case is as bad as that of their test.
    """

    start: int
    end: int
    kind: str
    target: str
    labels: dict[str, str]
    parameter: str
    value: float
    degree: float
    severity: str
    alerts: tuple[str, ...]
    certain: bool

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the fault."""
        return {self.parameter: self.value} if self.parameter else {}


def draw_events(
    recipe: Recipe,
    layout: Layout,
    span: range,
    random: np.random.Generator,
) -> list[PlannedEvent]:
    """Draw the faults of a span of time, in their order.

    None lasts beyond the span, and kinds take turns, so that each comes equally often.

    Args:
        recipe: which.
        layout: the site.
        span: unix time of each step; faults begin and end with one.
        random: source of what is drawn.
    """
    count = max(1, round(len(span) * span.step / _SLOT_SECONDS))
    slot = len(span) / count
    kinds: list[FaultChoice] = []
    events = []
    for number in range(count):
        if random.random() >= _FAULTY:
            continue
        if not kinds:
            kinds = [recipe.faults[own] for own in random.permutation(len(recipe.faults))]
        choice = kinds.pop()
        begins = slot * (number + random.uniform(0.05, _LATEST_START))
        lasts = random.uniform(*choice.seconds) / span.step
        ends = min(begins + max(lasts, 1.0), slot * (number + _LATEST_END))
        events.append(_event(choice, layout, span[round(begins)], span[round(ends)], random))
    return events


def _event(
    choice: FaultChoice, layout: Layout, start: int, end: int, random: np.random.Generator
) -> PlannedEvent:
    fault = FAULTS[choice.kind]
    target = _place(layout, fault.target, random)
    degree, value, certain = 1.0, float("nan"), True
    if choice.parameter:
        degree = float(random.choice(_DEGREES))
        value = choice.value(degree)
        proven = float(fault.model_fields[choice.parameter].default)
        certain = degree >= choice.degree_of(proven)
    alerts = {proof.fault: tuple(sorted(proof.fires)) for proof in PROOFS}
    return PlannedEvent(
        start, end, choice.kind, target, dict(labels_of_target(layout, target)),
        choice.parameter, value, degree, fault.severity, alerts.get(choice.kind, ()), certain,
    )  # fmt: skip


def _place(layout: Layout, kind: str, random: np.random.Generator) -> str:
    """Return the address of a place of that kind."""
    device = next((own for own in DEVICES if own.name == kind), None)
    if device is None or device.address is None:
        frame = UnitKind(kind)
        return layout.unit_name(frame, int(random.integers(layout.units(frame))))
    site, address = layout.site, device.address
    count = address.count(site) * (site.servers_per_rack if address.in_server else 1)
    unit = int(random.integers(layout.units(device.frame)))
    return address_of(layout, device, unit, int(random.integers(count)))
