"""Alerts on the roll-ups of racks whose devices have no series of their own.

A large site exposes single GPUs only for some arrays. For those arrays the rules on GPUs name
the culprit, and these rules do not fire.
"""

from __future__ import annotations

from collections.abc import Mapping

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Severity
from twin.catalog import AMD_GPU, GPU, NIC, Level
from twin.catalog.selectors import ARRAY, of, rollup

__all__ = ["ROLLED_GPU", "ROLLED_NETWORK", "STANDS_FOR"]

_RACK = "rack {{ $labels.rack }} of {{ $labels.site }}"
_DETAIL = ("Expose the array in detail and look at the alerts that then fire.",)


def _unseen(name: str, comparison: str, device: str) -> str:
    """Return a comparison of racks' roll-ups in arrays whose devices have no series."""
    metric = rollup(Level.RACK, name).metric(Level.RACK)
    return f"{metric} {comparison}\nunless on ({ARRAY}) group by ({ARRAY}) ({device})"


_GPUS = of(GPU, "gpu_temp")
_ANY_GPUS = f"{_GPUS} or {of(AMD_GPU, 'junction_temperature')}"

ROLLED_GPU = (
    Alert(
        name="RackGpusMissing",
        severity=Severity.CRITICAL,
        expr=_unseen("gpus_missing", "> 0", _ANY_GPUS),
        hold=15,
        summary=f"{{{{ $value }}}} GPUs of {_RACK} do not report",
        meaning="GPUs have fallen off the bus, or a server or an exporter is down.",
        steps=_DETAIL,
    ),
    Alert(
        name="RackGpusWithXid",
        severity=Severity.CRITICAL,
        expr=_unseen("gpus_with_hardware_xid", "> 0", _GPUS),
        summary=f"{{{{ $value }}}} GPUs of {_RACK} report a hardware XID",
        meaning="The driver reports errors that user code does not cause; the job may stall.",
        steps=_DETAIL,
    ),
    Alert(
        name="RackGpusUnhealthy",
        severity=Severity.CRITICAL,
        expr=_unseen("gpus_unhealthy", "> 0", of(AMD_GPU, "health")),
        summary=f"{{{{ $value }}}} AMD GPUs of {_RACK} are unhealthy",
        meaning="AMD's exporter has counted uncorrectable errors on them; the job may stall.",
        steps=_DETAIL,
    ),
    Alert(
        name="RackTooHot",
        severity=Severity.CRITICAL,
        expr=_unseen(
            "gpu_temperature_max_celsius",
            f">= {limit.GPU_HOT}",
            _GPUS,
        ),
        summary=f"The hottest GPU of {_RACK} is at {{{{ $value }}}} °C",
        meaning="An H100 slows down at 87 °C and shuts down, off the bus, at 95 °C.",
        steps=("Check the rack's coolant.", *_DETAIL),
    ),
)

ROLLED_NETWORK = (
    Alert(
        name="RackNicsDown",
        severity=Severity.CRITICAL,
        expr=_unseen("nics_down", "> 0", of(NIC, "state")),
        hold=15,
        summary=f"{{{{ $value }}}} NIC ports of {_RACK} have no link",
        meaning="The job waits for these ranks until its collective times out.",
        steps=_DETAIL,
    ),
)

STANDS_FOR: Mapping[str, tuple[str, ...]] = {
    "GpuLost": ("RackGpusMissing",),
    "GpuXid": ("RackGpusWithXid",),
    "GpuTooHot": ("RackTooHot",),
    "NicLinkDown": ("RackNicsDown",),
    "ServerDown": ("RackGpusMissing",),
    "ServerExporterDown": (),
}
"""Alerts on devices to those that say it in their place where the devices have no series."""
