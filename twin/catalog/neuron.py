"""Trainium chips, as AWS' neuron-monitor shows them.

Names, types, help and labels follow ``neuron-monitor-prometheus.py`` of the Neuron
tools; labels are in alphabetical order, as its client library writes them. It shows
neither power nor temperature of a chip, and one of its oddities is kept, because rules
meet it too: the memory of a core carries ``memory_location="None"``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.ec2 import ec2_labels
from twin.catalog.gpu import accelerator_rollups
from twin.catalog.model import Exporter, MetricType, Signal, Unit
from twin.catalog.page import DeviceColumn, PageTable
from twin.catalog.place import SERVERS, Place, UnitKind
from twin.catalog.rollup import Operation, Rollup

__all__ = ["NEURON", "NEURONCORE", "NEURON_LATENCIES", "NEURON_RUNTIME"]

_neuron = partial(
    Exporter, job="neuron-monitor", port=8000, source="AWS Neuron neuron-monitor-prometheus.py"
)


def _identify(labels: tuple[str, ...]) -> Callable[[Place], tuple[str, ...]]:
    """Return how neuron-monitor identifies what it numbers server by server."""

    def values(place: Place) -> tuple[str, ...]:
        numbers = {"neuron_device_index": str(place.slot), "neuroncore": str(place.slot)}
        known = {**numbers, **ec2_labels(place.site, place.hostname, place.array_name)}
        return tuple(known[name] for name in labels)

    return values


def _exporter(key: str, *labels: str) -> Exporter:
    """Return what neuron-monitor shows with these labels beside those of the instance."""
    names = tuple(sorted((*_BEFORE, *labels, "region", "subnet_id")))
    return _neuron(key=key, labels=names, identify=_identify(names))


_BEFORE = ("availability_zone", "instance_id", "instance_name", "instance_type")

_DEVICE = _exporter("neuron_device", "neuron_device_index")
_CORE = _exporter("neuron_core", "neuroncore", "runtime_tag")
_RUNTIME = _exporter("neuron_runtime", "runtime_tag")


def _ecc(event: str) -> Signal:
    """Return the counter of one kind of ECC event."""
    return Signal(event, "hardware_ecc_events_total", _DEVICE, MetricType.COUNTER, Unit.NONE,
                  "Hardware ecc events total", labels=(("event_type", event),))  # fmt: skip


def _memory(part: str) -> Signal:
    """Return what one part of a program holds of a core's memory."""
    return Signal(part, f"neuroncore_memory_usage_{part}", _CORE, MetricType.GAUGE, Unit.BYTES,
                  f"NeuronCore memory utilization for {part}",
                  labels=(("memory_location", "None"),))  # fmt: skip


def _status(status: str) -> Signal:
    """Return the counter of executions that ended in one way."""
    return Signal(status, "execution_status_total", _RUNTIME, MetricType.COUNTER, Unit.NONE,
                  "Execution status total", labels=(("status_type", status),))  # fmt: skip


def _error(error: str) -> Signal:
    """Return the counter of one kind of execution error."""
    return Signal(f"error_{error}", "execution_errors_total", _RUNTIME, MetricType.COUNTER,
                  Unit.NONE, "Execution errors total", labels=(("error_type", error),))  # fmt: skip


def _latency(percentile: str) -> Signal:
    """Return one percentile of the time that an execution takes."""
    return Signal(f"latency_{percentile}", "execution_latency_seconds", _RUNTIME, MetricType.GAUGE,
                  Unit.SECONDS, "Execution latency in seconds", decimals=4,
                  labels=(("percentile", percentile),))  # fmt: skip


def _used(place: str) -> Signal:
    """Return the memory that the runtime holds in one place."""
    return Signal(f"memory_{place}", "neuron_runtime_memory_used_bytes", _RUNTIME, MetricType.GAUGE,
                  Unit.BYTES, "Runtime memory used bytes",
                  labels=(("memory_location", place),))  # fmt: skip


NEURON_LATENCIES = ("p0", "p1", "p25", "p50", "p75", "p99", "p100")
"""Percentiles of the execution latency."""

NEURON = DeviceClass(
    name="neuron",
    frame=UnitKind.RACK,
    title="Trainium chip",
    hosts=SERVERS,
    per_host=lambda site: site.server.gpus,
    accelerators="neuron",
    rollups=accelerator_rollups("mem_ecc_corrected"),
    signals=tuple(
        _ecc(event)
        for event in (
            "mem_ecc_corrected",
            "mem_ecc_uncorrected",
            "sram_ecc_corrected",
            "sram_ecc_uncorrected",
        )
    ),
)

_NEURONCORE_ROLLUPS = (
    Rollup("neuroncore_utilization_mean_ratio", "utilization", Operation.MEAN, Unit.RATIO,
           "Mean utilisation of the NeuronCores of the {level}."),
)  # fmt: skip

_NEURONCORE_TABLE = PageTable("NeuronCores", (
        DeviceColumn("utilization", "Utilisation", Unit.PERCENT, "utilization", 0, 100.0, 0.0,
                     100.0),
), by_server=True)  # fmt: skip

NEURONCORE = DeviceClass(
    name="neuroncore",
    frame=UnitKind.RACK,
    title="logical NeuronCore",
    table=_NEURONCORE_TABLE,
    rollups=_NEURONCORE_ROLLUPS,
    hosts=SERVERS,
    per_host=lambda site: site.server.gpus * site.gpu.logical_cores,
    accelerators="neuron",
    signals=(
        Signal("utilization", "neuroncore_utilization_ratio", _CORE, MetricType.GAUGE, Unit.RATIO,
               "NeuronCore utilization ratio", decimals=4, high=1.0),
        _memory("constants"),
        _memory("model_code"),
        _memory("model_shared_scratchpad"),
        _memory("runtime_memory"),
        _memory("tensors"),
    ),
)  # fmt: skip

NEURON_RUNTIME = DeviceClass(
    name="neuron_runtime",
    frame=UnitKind.RACK,
    title="Neuron runtime of a server",
    hosts=SERVERS,
    accelerators="neuron",
    signals=(
        _status("completed"),
        _status("completed_with_err"),
        _status("completed_with_num_err"),
        _status("timed_out"),
        _status("incorrect_input"),
        _status("failed_to_queue"),
        _error("generic"),
        _error("numerical"),
        _error("transient"),
        _error("model"),
        _error("runtime"),
        _error("hardware"),
        *(_latency(percentile) for percentile in NEURON_LATENCIES),
        _used("host"),
        _used("neuron_device"),
    ),
)
