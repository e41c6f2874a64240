"""Properties that rows declare, filled in with what the bus says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twin.catalog import Signal
from twin.redfish.rows import MetricRow
from twin.redfish.schemas import Payload

__all__ = ["filled"]


def filled(
    found: Payload,
    rows: Sequence[MetricRow],
    read: Callable[[Signal], float | None],
    oem: str,
) -> Payload:
    """Return a resource with the properties of rows; those without a value stay away.

    Args:
        found: the resource.
        rows: declare its properties.
        read: returns the value of a signal, None where none is reported.
        oem: ``@odata.type`` of NVIDIA's part, if there is any then.
    """
    for own in rows:
        value = read(own.shown)
        if value is not None:
            _put(found, own.path.split("/"), _as_property(own, value))
    nvidia = found.get("Oem", {}).get("Nvidia")
    if nvidia is not None and oem:
        nvidia["@odata.type"] = oem
    return found


def _as_property(row: MetricRow, value: float) -> Any:
    if row.flag:
        return bool(value)
    scaled = value * row.factor
    if row.duration:
        return _duration(scaled)
    if row.exact:
        return scaled
    return round(scaled) if row.whole else round(scaled, 3)


def _put(target: Payload, path: list[str], value: Any) -> None:
    for level in path[:-1]:
        target = target.setdefault(level, {})
    target[path[-1]] = value


def _duration(seconds: float) -> str:
    """Return a span of time as Redfish writes it, an ISO 8601 duration."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    text = f"{rest:.3f}".rstrip("0").rstrip(".")
    day, hour, minute = (f"{n}{w}" if n else "" for n, w in ((days, "D"), (hours, "H"),
                                                             (minutes, "M")))  # fmt: skip
    return f"P{day}T{hour}{minute}{text}S"
