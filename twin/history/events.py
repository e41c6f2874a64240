"""Events of a past: what was wrong where, since when and how badly, and which alert says so."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twin.alerts.proving_faults import PROOFS
from twin.alerts.visible import alerts_at
from twin.catalog import UnitKind
from twin.faults import FAULTS
from twin.faults.maintenance import work_of
from twin.faults.schedule import AppliedFault
from twin.site import DetailPlan, Layout, labels_of_target

__all__ = ["PastEvent", "event_lines", "event_of", "events_table"]

_TEXT = ("event", "site", "fault", "target", "array", "rack", "host")
_PLACES = ("array", "rack", "host")


@dataclass(frozen=True, slots=True)
class PastEvent:
    """A fault or a planned work of a past.

    Attributes:
        event: identifier; ``natural-…`` for a natural failure, ``planned-…`` for a planned work.
        site: name of the site.
        fault: kind of fault.
        target: the place.
        array: of the place, None where it is of none.
        rack: likewise.
        host: likewise.
        start: unix time at which it began, in ms.
        end: at which it ends.
        severity: ``warning`` or ``critical``.
        degree: from 0, mild, to 1.
        parameter: that says how bad it is, None where there are no degrees.
        value: of the parameter.
        alerts: of the shipped rules that should say so.
        certain: whether it lasts as long as the case by which they are proven.
        planned: whether it belongs to a planned work, and is no failure.
        work: which, by its key; None for a failure.
    """

    event: str
    site: str
    fault: str
    target: str
    array: str | None
    rack: str | None
    host: str | None
    start: int
    end: int
    severity: str
    degree: float
    parameter: str | None
    value: float | None
    alerts: tuple[str, ...]
    certain: bool
    planned: bool = False
    work: str | None = None


def event_of(applied: AppliedFault, layout: Layout, detail: DetailPlan | None = None) -> PastEvent:
    """Return the event of a fault in force.

    Args:
        applied: the fault.
        layout: the site.
        detail: of its arrays, which says which alerts can fire; None for all devices.
    """
    kind = applied.fault.kind
    places = dict(labels_of_target(layout, applied.target.text))
    parameters = applied.fault.model_dump()
    parameter = next(iter(parameters), None)
    proof = next((own for own in PROOFS if own.fault == kind), None)
    lasts, work = applied.until - applied.since, work_of(applied.id)
    array, rack, host = (places.get(own) for own in _PLACES)
    fires = {} if proof is None else proof.fires
    alerts = tuple(sorted(fires))
    index = None if array is None else layout.unit_index(UnitKind.ARRAY, array)
    if detail is not None and index is not None:
        alerts = alerts_at(detail[index], fires)
    # One that stands for another takes as long.
    needs = max(
        (fires[own] for own in alerts if own in fires), default=max(fires.values(), default=0)
    )
    return PastEvent(
        applied.id, layout.site.name, kind, applied.target.text, array, rack, host,
        round(applied.since * 1000), round(applied.until * 1000), FAULTS[kind].severity,
        1.0, parameter, None if parameter is None else float(parameters[parameter]),
        alerts, lasts >= needs,
        work is not None, work,
    )  # fmt: skip


def event_lines(events: Iterable[PastEvent]) -> bytes:
    """Return events as lines of JSON."""
    return b"".join(json.dumps(asdict(own)).encode() + b"\n" for own in events)


def events_table(arrow: Any, rows: Sequence[Mapping[str, object]]) -> Any:
    """Return events as a table, those of a past and those of a dataset alike.

    Args:
        arrow: pyarrow.
        rows: with the names of :class:`PastEvent`.
    """
    moment, text = arrow.timestamp("ms", tz="UTC"), arrow.string()
    schema = arrow.schema([
        *((name, text) for name in _TEXT), ("start", moment), ("end", moment),
        ("severity", text), ("degree", arrow.float64()), ("parameter", text),
        ("value", arrow.float64()), ("alerts", arrow.list_(text)), ("certain", arrow.bool_()),
        ("planned", arrow.bool_()), ("work", text),
    ])  # fmt: skip
    return arrow.Table.from_pylist([dict(own) for own in rows], schema=schema)
