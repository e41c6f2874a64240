"""NICo's hardware health: what it reads from board controllers, by the names of its exporter.

``nico-hardware-health`` of dsx-ai-factory/infra-controller (NVIDIA, Apache-2.0) walks the Redfish
sensors of compute trays, power shelves and switch trays, and NVOS by gNMI. A series is called
``carbide_hardware_health_{source}_{what}_{unit}``; all are gauges, and all have the same help.
Names, units and labels are those of ``crates/health`` at 03c8839: ``sensors.rs``, ``inventory.rs``,
``nvue/gnmi/sample_processor.rs`` and ``sink/prometheus.rs``.
Of the labels that identify an endpoint the twin has ``endpoint_key`` and ``rack_id``; the others
(addresses, serial numbers) say no more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2s

from twin.catalog.model import Exporter, MetricType, Signal
from twin.catalog.place import Place

__all__ = ["controller_address", "endpoint", "nico_gauge", "sensor"]

_SOURCE = "dsx-ai-factory/infra-controller, crates/health at 03c8839"
_PREFIX = "carbide_hardware_health"
_VENDOR = "b8:e9:24"
"""First half of the controllers' addresses: a block of Super Micro's, whose trays were captured."""

Namer = Callable[[Place], str]

endpoint = partial(Exporter, job="nico-hardware-health", port=None, source=_SOURCE)
"""An exporter whose ``instance`` is the controller that NICo asks."""


def controller_address(place: Place, role: str, number: int) -> str:
    """Return the address of the controller of a host of a rack, by which NICo calls it."""
    host = f"{place.site.name}/{place.unit}/{role}/{number}"
    tail = blake2s(host.encode(), digest_size=3).hexdigest()
    return f"{_VENDOR}:{tail[:2]}:{tail[2:4]}:{tail[4:]}"


def _endpoint_key(place: Place, role: str) -> str:
    return controller_address(place, role, place.host)


def sensor(key: str, name: Namer, context: str, chassis: Namer, **more: Namer) -> Exporter:
    """Return how NICo identifies a Redfish sensor.

    Args:
        key: of the exporter inside the twin; up to the first underscore, what has the controller.
        name: of the sensor.
        context: what it measures, Redfish's ``PhysicalContext`` in small letters.
        chassis: the chassis that has it.
        more: further labels of the part that has it.
    """
    return endpoint(
        key=key,
        labels=("endpoint_key", "rack_id", "chassis_id", *more, "sensor_name", "physical_context"),
        identify=lambda place: (
            _endpoint_key(place, key.partition("_")[0]),
            place.unit_name,
            chassis(place),
            *(own(place) for own in more.values()),
            name(place),
            context,
        ),
    )


def part(key: str, **labels: Namer) -> Exporter:
    """Return how NICo identifies a part of a chassis, or of a switch, by these labels."""
    return endpoint(
        key=key,
        labels=("endpoint_key", "rack_id", *labels),
        identify=lambda place: (
            _endpoint_key(place, key.partition("_")[0]),
            place.unit_name,
            *(own(place) for own in labels.values()),
        ),
    )


def nico_gauge(name: str, what: str, family: Exporter, **more: object) -> Signal:
    """Return a signal that NICo exposes under ``what`` behind its prefix."""
    make = partial(Signal, kind=MetricType.GAUGE, help="Metrics forwarded through sink pipeline")
    return make(name, f"{_PREFIX}_{what}", family, **more)  # type: ignore[arg-type]  # by name
