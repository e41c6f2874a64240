"""Alerts on AMD GPUs, by the metrics of AMD's Device Metrics Exporter."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.counted import counted, lost_gpus
from twin.alerts.model import Alert, Severity
from twin.catalog import AMD_GPU, SERVER
from twin.catalog.selectors import of, up

__all__ = ["AMD_GPUS", "AMD_RECORDINGS"]

_amd = partial(of, AMD_GPU)
_WHO = "AMD GPU {{ $labels.gpu_id }} of {{ $labels.instance }} in rack {{ $labels.rack }}"
_COUNT, _KNOWN = "instance:amd_gpus:count", "instance:amd_gpus:known"
_UP = up(SERVER["up_amd"])

AMD_RECORDINGS = counted(_COUNT, _KNOWN, _amd("junction_temperature"), _UP)

AMD_GPUS = (
    Alert(
        name="AmdGpuLost",
        severity=Severity.CRITICAL,
        expr=lost_gpus(_COUNT, _KNOWN, _UP),
        hold=10,
        summary="{{ $labels.instance }} in rack {{ $labels.rack }} has {{ $value }} of "
        f'{{{{ range query (printf "{_KNOWN}{{instance=%q}}" $labels.instance) }}}}'
        "{{ .Value }}{{ end }} AMD GPUs",
        meaning="The GPU no longer answers; all its series are gone. A synchronous job stalls on a "
        "lost GPU.",
        steps=(
            "Drain the host so that the job restarts without it.",
            "Look for the cause in the kernel's log: `dmesg -T | grep amdgpu`.",
            "Reset the board (`amd-smi reset -G`) or power-cycle the host.",
        ),
    ),
    Alert(
        name="AmdGpuUnhealthy",
        severity=Severity.CRITICAL,
        why="The exporter's own verdict, by which AMD's device plugin withdraws the GPU; it stays "
        "until the driver is loaded anew.",
        expr=f"{_amd('health')} == 0",
        summary=f"{_WHO} is unhealthy",
        meaning="The exporter has counted more uncorrectable errors than its thresholds allow, "
        "which are 0 as shipped.",
        steps=(
            (
                "Find the block: `amd-smi metric --ecc-blocks`, or the metrics of its name "
                "(`amd_gpu_ecc_uncorrect_umc` is the memory's)."
            ),
            "Drain the host and reset the GPU; if the errors return, replace it.",
        ),
    ),
    Alert(
        name="AmdGpuEccUncorrectable",
        severity=Severity.CRITICAL,
        expr=f"increase({_amd('ecc_uncorrect_total')}[5m]) > 0",
        summary=f'{_WHO} had {{{{ $value | printf "%.0f" }}}} uncorrectable errors in five minutes',
        meaning="Data was lost in memory or on a link between GPUs. The application on the GPU "
        "ends, and the job restarts from its checkpoint.",
        steps=(
            "Drain the host and reset the GPU, so that the bad page is retired.",
            "Compare the blocks: errors of `xgmi_wafl` are a link's, those of `umc` the memory's.",
        ),
    ),
    Alert(
        name="AmdGpuEccCorrectable",
        severity=Severity.WARNING,
        expr=f"rate({_amd('ecc_correct_total')}[5m]) > {limit.GPU_SINGLE_BIT}",
        hold=60,
        summary=f'{_WHO} corrects {{{{ $value | printf "%.1f" }}}} memory errors a second',
        meaning="Corrected errors do not affect the job, but memory that has them at a steady rate "
        "tends to fail.",
        steps=("Schedule a reset of the GPU; if the errors return, replace it.",),
    ),
    Alert(
        name="AmdGpuTooHot",
        severity=Severity.CRITICAL,
        expr=f"{_amd('junction_temperature')} >= {limit.AMD_GPU_HOT}",
        summary=f"The hottest spot of {_WHO} is at {{{{ $value }}}} °C",
        meaning="An MI300X slows down at 100 °C and shuts down at 110 °C. Every GPU of the job "
        "waits for the slowest.",
        steps=(
            "Check the server's fans and inlet air, or the rack's coolant, first.",
            "If only one GPU of a host is hot, its heat sink is at fault.",
        ),
    ),
    Alert(
        name="AmdGpuThermalThrottling",
        severity=Severity.WARNING,
        why="The counters hold samples of a millisecond in which heat held the clock down.",
        expr=f"""
        (
          rate({_amd("socket_thermal_accumulated")}[2m])
          + rate({_amd("hbm_thermal_accumulated")}[2m])
        ) / 1e3 > {limit.GPU_THROTTLED}
        """,
        summary=f"{_WHO} throttles because of heat",
        detail="It throttled for {{ $value | humanizePercentage }} of the last two minutes.",
        meaning="The GPU lowers its clock to keep its hottest spot within its limit, and every GPU "
        "of the job waits for it.",
        steps=("Check the server's fans and inlet air, then the GPU's heat sink.",),
    ),
    Alert(
        name="AmdGpuPcieReplays",
        severity=Severity.WARNING,
        expr=f"rate({_amd('pcie_replays')}[5m]) > {limit.GPU_REPLAYS}",
        hold=60,
        summary=f'{_WHO} replays {{{{ $value | printf "%.1f" }}}} PCIe packets a second',
        meaning="The GPU's PCIe link has bit errors. Packets are sent again; a link that gets "
        "worse retrains to a lower rate or is lost.",
        steps=("Reseat the board or the riser in the next maintenance window.",),
    ),
)
