"""Alerts on GPUs and other accelerators."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Recording, Rules, Severity, Threshold
from twin.alerts.rolled import ROLLED_GPU
from twin.catalog import GPU, NEURON, SERVER
from twin.catalog.selectors import ARRAY, HOST, of, select, up

__all__ = ["GPU_RULES"]

_gpu = partial(of, GPU)
_PEERS = f"{ARRAY}, modelName"
_WHO = "GPU {{ $labels.gpu }} of {{ $labels.instance }} in rack {{ $labels.rack }}"
_USER_CODE = "13|31|43|45"
_CONTAINED = "63|92|94"
_COUNT, _KNOWN = "instance:dcgm_gpus:count", "instance:dcgm_gpus:known"
_UP = up(SERVER["up_dcgm"])
_THROTTLED = f"rate({_gpu('power_violation')}[2m]) / 1e9"
_CLOCK = f"({_gpu('sm_clock')} and {_gpu('gpu_util')} >= 90)"
_UNCORRECTED = select(NEURON["mem_ecc_uncorrected"].metric, 'event_type=~".*_uncorrected"')
_POWER = f"avg_over_time({_gpu('power_usage')}[1m])"


def _below_peers(value: str, ratio: Threshold) -> str:
    """Return where a GPU is below a share of the median of its array's GPUs of its model."""
    return f"""{value}
  < on ({_PEERS}) group_left ()
{ratio} * quantile by ({_PEERS}) (0.5, {value})"""


_RECORDINGS = (
    Recording(
        _COUNT,
        f"count by ({HOST}) ({_gpu('gpu_temp')})",
        "GPUs that a host reports. One that fell off the bus has no series, so it is counted.",
    ),
    Recording(
        _KNOWN,
        f"""
        (
          last_over_time({_KNOWN}[1h]) > {_COUNT}
          or {_COUNT}
          or last_over_time({_KNOWN}[1h])
        )
        and on (site, instance) {_UP}
        """,
        "The most GPUs that a host has reported. It remembers by reading itself, so it costs one "
        "series a host; a host that is not scraped for an hour is forgotten.",
    ),
)

_LOST = (
    Alert(
        name="GpuLost",
        severity=Severity.CRITICAL,
        why="The second half is a host that lost all its GPUs. A silent rack or a dead exporter "
        "has nothing to count and stays out of this.",
        expr=f"""
        {_COUNT} < {_KNOWN}
        or
        (0 * {_KNOWN} and on (site, instance) {_UP} == 1)
          unless {_COUNT}
        """,
        hold=10,
        summary="{{ $labels.instance }} in rack {{ $labels.rack }} has {{ $value }} of "
        f'{{{{ range query (printf "{_KNOWN}{{instance=%q}}" $labels.instance) }}}}'
        "{{ .Value }}{{ end }} GPUs",
        detail=f'{{{{ range query (printf "last_over_time({_gpu("gpu_temp")}{{instance=%q}}[1h]) '
        f'unless on (UUID) {_gpu("gpu_temp")}{{instance=%q}}" $labels.instance '
        "$labels.instance) }}GPU {{ .Labels.gpu }} ({{ .Labels.UUID }}) is gone. {{ end -}}",
        meaning="A GPU answers no more, most often XID 79: all its series vanish, so nothing "
        "that looks at a value can see it. A synchronous job stalls on a lost GPU.",
        steps=(
            "Drain the host, so that the job restarts without it.",
            "Look for XID 79 and for heat just before: `dmesg -T | grep -i xid`.",
            "Reset the GPU or power the host off and on; if it is lost again, replace it.",
        ),
    ),
    Alert(
        name="GpuXid",
        severity=Severity.CRITICAL,
        why=f"{_USER_CODE.replace('|', ', ')} are raised by the user's code, "
        f"{_CONTAINED.replace('|', ', ')} do not stop the GPU. The metric is the last XID and "
        "not a count, so no increase() is taken of it.",
        expr=_gpu("xid", f'err_code!~"0|{_USER_CODE}|{_CONTAINED}"') + " > 0",
        summary=f"XID {{{{ $value }}}} on {_WHO}",
        detail="{{ $labels.err_msg }} ({{ $labels.UUID }}).",
        meaning="The driver reports an error after which the GPU runs nothing more until it is "
        "reset; the job stalls.",
        steps=(
            "Look the code up in NVIDIA's XID catalogue.",
            "Drain the host and reset the GPU; the job restarts from its checkpoint.",
            "The same code again within days: have the GPU replaced.",
        ),
    ),
    Alert(
        name="GpuXidContained",
        severity=Severity.WARNING,
        expr=_gpu("xid", f'err_code=~"{_CONTAINED}"') + " > 0",
        summary=f"XID {{{{ $value }}}} on {_WHO}: the memory begins to fail",
        detail="{{ $labels.err_msg }} ({{ $labels.UUID }}).",
        meaning="The GPU goes on, but its memory had an error that was contained or is repaired "
        "by remapping a row at the next reset.",
        steps=(
            "Reset the GPU at the next pause of the job, so that the row is remapped.",
            "Watch its remapped rows: memory that goes on failing has to be replaced.",
        ),
    ),
    Alert(
        name="GpuXidApplication",
        severity=Severity.INFO,
        expr=_gpu("xid", f'err_code=~"{_USER_CODE}"') + " > 0",
        summary=f"XID {{{{ $value }}}} on {_WHO}, most likely raised by the application",
        detail="{{ $labels.err_msg }} ({{ $labels.UUID }}).",
        meaning="These codes are nearly always raised by the user's code. The value stays until "
        "the driver is loaded anew, so the alert says that it happened, not that it goes on.",
        steps=(
            "Look at the job's log before the hardware.",
            "Always the same GPU with different jobs: test it with `dcgmi diag -r 3`.",
        ),
    ),
    Alert(
        name="GpuHang",
        severity=Severity.CRITICAL,
        why="Who waits in a collective draws more than who does not get there.",
        expr=f"({_below_peers(_POWER, limit.GPU_HANG_POWER)})\n"
        f"and max_over_time({_gpu('tensor_active')}[1m]) < {limit.GPU_SPINNING_TENSOR}\n"
        f"and min_over_time({_gpu('gpu_util')}[1m]) >= {limit.GPU_SPINNING_UTILIZATION}",
        hold=30,
        summary=f'{_WHO} hangs at {{{{ $value | printf "%.0f" }}}} W',
        meaning="All GPUs show full utilisation and compute nothing: they wait. This one draws "
        "less than the others, so it is the one that they wait for. There may be no XID.",
        steps=(
            "Take a stack of its process (`py-spy dump`) and the flight recorder of NCCL.",
            "Kill the process, drain the host, reset the GPU.",
        ),
    ),
)

_MEMORY = (
    Alert(
        name="GpuRowRemapFailure",
        severity=Severity.CRITICAL,
        expr=f"{_gpu('row_remap_failure')} > 0",
        summary=f"{_WHO} has no spare memory row left",
        meaning="A failed row of the memory could not be remapped: the GPU has to be replaced.",
        steps=("Drain the host.", "Have the GPU replaced (RMA criterion of NVIDIA)."),
    ),
    Alert(
        name="GpuRowRemapped",
        severity=Severity.WARNING,
        expr=f"increase({_gpu('uncorrectable_rows')}[15m]) > 0",
        summary=f"{_WHO} remaps a memory row after an uncorrectable error",
        meaning="The row is out of use after the next reset of the GPU; until then the error may "
        "come again.",
        steps=(
            "Reset the GPU at the next pause of the job.",
            "Eight such rows in a bank, or rows that fail every week: replace the GPU.",
        ),
    ),
    Alert(
        name="GpuEccDoubleBit",
        severity=Severity.CRITICAL,
        expr=f"increase({_gpu('ecc_dbe_volatile')}[5m]) > 0",
        summary=f'{_WHO} had {{{{ $value | printf "%.0f" }}}} double-bit errors in five minutes',
        meaning="Data was lost in memory. The application on the GPU was ended, and the job "
        "restarts from its checkpoint.",
        steps=("Reset the GPU, so that the row is remapped.", "Look at its remapped rows."),
    ),
    Alert(
        name="GpuEccSingleBit",
        severity=Severity.WARNING,
        expr=f"rate({_gpu('ecc_sbe_volatile')}[5m]) > {limit.GPU_SINGLE_BIT}",
        hold=60,
        summary=f'{_WHO} corrects {{{{ $value | printf "%.1f" }}}} memory errors a second',
        meaning="Single-bit errors are corrected and the job does not notice, but memory that "
        "shows them steadily tends to fail.",
        steps=("Plan a reset of the GPU.", "If they come back, replace it before it fails."),
    ),
)

_HEAT = (
    Alert(
        name="GpuTooHot",
        severity=Severity.CRITICAL,
        expr=f"{_gpu('gpu_temp')} >= {limit.GPU_HOT}",
        summary=f"{_WHO} is at {{{{ $value }}}} °C",
        meaning="An H100 slows down at 87 °C and takes itself off the bus at 95 °C; at 600 W "
        "without flow that is seconds away. Every GPU of the job waits for a slow one.",
        steps=(
            "Look at the rack's coolant first: flow, pumps, supply temperature.",
            "Is it one GPU of eight, it is its cold plate: drain the host and reseat it.",
        ),
    ),
    Alert(
        name="GpuMemoryTooHot",
        severity=Severity.WARNING,
        expr=f"{_gpu('memory_temp')} >= {limit.GPU_MEMORY_HOT}",
        hold=30,
        summary=f"The memory of {_WHO} is at {{{{ $value }}}} °C",
        meaning="At 95 °C the clock of the memory's GPU is lowered, and the job with it.",
        steps=("Look at the rack's coolant, then at the GPU's cold plate and pads.",),
    ),
    Alert(
        name="GpuThermalThrottling",
        severity=Severity.WARNING,
        expr=f"rate({_gpu('thermal_violation')}[2m]) / 1e9 > {limit.GPU_THROTTLED}",
        summary=f"{_WHO} throttles on heat",
        detail="Heat slowed it for {{ $value | humanizePercentage }} of the last two minutes.",
        meaning="The clock is lowered to keep the die within its limits, and every GPU of the "
        "job waits for it.",
        steps=("Look at the rack's coolant first, then at the GPU's cold plate.",),
    ),
)

_PACE = (
    Alert(
        name="GpuPowerBrake",
        severity=Severity.CRITICAL,
        why="Of every GPU of a host the clock is about half of what the array runs at.",
        expr=f"""
        max by ({HOST}, modelName) ({_CLOCK})
          < on ({_PEERS}) group_left ()
        {limit.GPU_BRAKED} * quantile by ({_PEERS}) (0.5, {_CLOCK})
        """,
        hold=30,
        summary="All GPUs of {{ $labels.instance }} in rack {{ $labels.rack }} run at "
        "{{ $value }} MHz",
        meaning="A whole host at half clock is the power brake: a pin that the board asserts "
        "when a supply fails or power is short. The whole job runs at half speed.",
        steps=(
            "`nvidia-smi -q -d PERFORMANCE` says which slowdown is active.",
            "Look at the host's power supplies and at the PDU.",
            "Drain the host if the brake does not release.",
        ),
    ),
    Alert(
        name="ServerPowerThrottling",
        severity=Severity.WARNING,
        why="The array's median is taken off, because training may run at the power limit as a "
        "rule; then this is a host that is held back more than the others.",
        expr=f"""
        min by ({HOST}, modelName) ({_THROTTLED})
          - on ({_PEERS}) group_left ()
        quantile by ({_PEERS}) (0.5, {_THROTTLED})
          > {limit.GPU_POWER_THROTTLED}
        """,
        hold=30,
        summary="All GPUs of {{ $labels.instance }} in rack {{ $labels.rack }} are short of power",
        detail="Power slows them for {{ $value | humanizePercentage }} of the time more than the "
        "array's median.",
        meaning="The host gives its GPUs less power than the others have: a cap, lost supplies, "
        "or the power brake. The whole job waits for them at every step.",
        steps=(
            "Look at the host's power supplies, at its PDUs and for a power cap in its BMC.",
            "Compare its power limits with another host's: `nvidia-smi -q -d POWER`.",
        ),
    ),
    Alert(
        name="GpuClockLow",
        severity=Severity.WARNING,
        why="Busy GPUs are compared with busy ones: an idle GPU rests at a low clock.",
        expr=_below_peers(_CLOCK, limit.GPU_CLOCK_LOW),
        hold=60,
        summary=f"{_WHO} runs at {{{{ $value }}}} MHz, far below its array",
        meaning="A synchronous job runs at the pace of its slowest GPU. This one is slower than "
        "the others though they do the same work.",
        steps=(
            "Rule out heat and power: temperature, violation counters, alerts of its rack.",
            "`nvidia-smi -q -d CLOCK,PERFORMANCE`: reset locked clocks (`nvidia-smi -rgc`).",
            "Drain the host and reset the GPU.",
        ),
    ),
    Alert(
        name="GpuPcieReplays",
        severity=Severity.WARNING,
        expr=f"rate({_gpu('pcie_replay')}[5m]) > {limit.GPU_REPLAYS}",
        hold=60,
        summary=f'{_WHO} repeats {{{{ $value | printf "%.1f" }}}} PCIe packets a second',
        meaning="The link of the GPU to its host has bit errors. They are repaired by sending "
        "again; a link that gets worse is retrained at a lower rate or lost.",
        steps=(
            "Compare width and rate of the link: `nvidia-smi -q -d PCIE`.",
            "At the next service reseat the board or the riser.",
        ),
    ),
    Alert(
        name="GpuNvlinkErrors",
        severity=Severity.CRITICAL,
        expr=f"""
        rate({_gpu("nvlink_crc_flit")}[2m])
          + rate({_gpu("nvlink_replay")}[2m])
          + rate({_gpu("nvlink_recovery")}[2m])
          > {limit.GPU_NVLINK_ERRORS}
        """,
        hold=30,
        summary=f'{_WHO} has {{{{ $value | printf "%.0f" }}}} NVLink errors a second',
        meaning="Links with errors send again and lose bandwidth, and the job its pace; when they "
        "cannot be trained any more the GPU raises XID 74 and the job stalls.",
        steps=(
            "`nvidia-smi nvlink -e -i <gpu>` says which link; look at the switch at its end.",
            "Drain the host and reset GPUs and NVSwitches together.",
        ),
    ),
    Alert(
        name="NeuronEccUncorrected",
        severity=Severity.CRITICAL,
        expr=f"increase({_UNCORRECTED}[10m]) > 0",
        summary="Chip {{ $labels.neuron_device_index }} of {{ $labels.instance }} in rack "
        "{{ $labels.rack }} had an uncorrectable ECC error ({{ $labels.event_type }})",
        meaning="Data was lost in the memory of a Trainium chip; its job ends.",
        steps=("Restart the job without the instance.", "Replace the instance."),
    ),
)

GPU_RULES = Rules(
    Domain.GPU,
    "GPUs by the names of dcgm-exporter, Trainium by those of neuron-monitor. A GPU is compared "
    "with the others of its array, so the rules know no clock, no power and no number of GPUs.",
    _RECORDINGS,
    (*_LOST, *_MEMORY, *_HEAT, *_PACE, *ROLLED_GPU),
)
