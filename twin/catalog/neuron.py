"""Trainium chips, as AWS' neuron-monitor shows them.

Names, types, help and labels follow ``neuron-monitor-prometheus.py`` of the Neuron
tools; labels stand in alphabetical order, as its client library writes them. It shows
neither power nor temperature of a chip, and one of its oddities is kept, because rules
meet it too: the memory of a core carries ``memory_location="None"``.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.model import DeviceClass, Exporter, MetricType, Signal, Unit, UnitKind

__all__ = ["NEURON", "NEURONCORE", "NEURON_LATENCIES", "NEURON_RUNTIME"]

_neuron = partial(
    Exporter, job="neuron-monitor", port=8000, source="AWS Neuron neuron-monitor-prometheus.py"
)
_BEFORE = ("availability_zone", "instance_id", "instance_name", "instance_type")

_DEVICE = _neuron(
    key="neuron_device", labels=(*_BEFORE, "neuron_device_index", "region", "subnet_id")
)
_CORE = _neuron(
    key="neuron_core", labels=(*_BEFORE, "neuroncore", "region", "runtime_tag", "subnet_id")
)
_RUNTIME = _neuron(key="neuron_runtime", labels=(*_BEFORE, "region", "runtime_tag", "subnet_id"))


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

NEURONCORE = DeviceClass(
    name="neuroncore",
    frame=UnitKind.RACK,
    title="logical NeuronCore",
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
