"""Alerts on GPUs and other accelerators."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.amd import AMD_GPUS, AMD_RECORDINGS
from twin.alerts.counted import counted, lost_gpus
from twin.alerts.model import Alert, Domain, Rules, Severity, Threshold
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
_MEAN_CLOCK = f"(avg_over_time({_gpu('sm_clock')}[1m]) and {_gpu('gpu_util')} >= 90)"
_UNCORRECTED = select(NEURON["mem_ecc_uncorrected"].metric, 'event_type=~".*_uncorrected"')
_POWER = f"avg_over_time({_gpu('power_usage')}[1m])"


def _below_peers(value: str, ratio: Threshold) -> str:
    """Return the expression of a GPU below a share of the median of its array and model."""
    return f"""{value}
  < on ({_PEERS}) group_left ()
{ratio} * quantile by ({_PEERS}) (0.5, {value})"""


_RECORDINGS = counted(_COUNT, _KNOWN, _gpu("gpu_temp"), _UP)

_LOST = (
    Alert(
        name="GpuLost",
        severity=Severity.CRITICAL,
        why="The second half covers a host that lost all its GPUs. A silent rack or a dead "
        "exporter has no series to count and does not fire this alert.",
        expr=lost_gpus(_COUNT, _KNOWN, _UP),
        hold=10,
        summary="{{ $labels.instance }} in rack {{ $labels.rack }} has {{ $value }} of "
        f'{{{{ range query (printf "{_KNOWN}{{instance=%q}}" $labels.instance) }}}}'
        "{{ .Value }}{{ end }} GPUs",
        detail=f'{{{{ range query (printf "last_over_time({_gpu("gpu_temp")}{{instance=%q}}[1h]) '
        f'unless on (UUID) {_gpu("gpu_temp")}{{instance=%q}}" $labels.instance '
        "$labels.instance) }}GPU {{ .Labels.gpu }} ({{ .Labels.UUID }}) is gone. {{ end -}}",
        meaning="The GPU no longer answers, most often after XID 79. All its series are gone, so "
        "no rule on a value can detect it. A synchronous job stalls on a lost GPU.",
        steps=(
            "Drain the host so that the job restarts without it.",
            "Look for XID 79, and for overheating just before it: `dmesg -T | grep -i xid`.",
            "Reset the GPU or power-cycle the host; if the GPU is lost again, replace it.",
        ),
    ),
    Alert(
        name="GpuXid",
        severity=Severity.CRITICAL,
        why=f"User code raises {_USER_CODE.replace('|', ', ')}; "
        f"{_CONTAINED.replace('|', ', ')} do not stop the GPU. The metric is the last XID, not a "
        "count, so increase() does not apply.",
        expr=_gpu("xid", f'err_code!~"0|{_USER_CODE}|{_CONTAINED}"') + " > 0",
        summary=f"XID {{{{ $value }}}} on {_WHO}",
        detail="{{ $labels.err_msg }} ({{ $labels.UUID }}).",
        meaning="The driver reports an error after which the GPU does no work until it is reset; "
        "the job stalls.",
        steps=(
            "Look up the code in NVIDIA's XID catalogue.",
            "Drain the host and reset the GPU; the job restarts from its checkpoint.",
            "If the same code returns within days, have the GPU replaced.",
        ),
    ),
    Alert(
        name="GpuXidContained",
        severity=Severity.WARNING,
        expr=_gpu("xid", f'err_code=~"{_CONTAINED}"') + " > 0",
        summary=f"XID {{{{ $value }}}} on {_WHO}: the memory is starting to fail",
        detail="{{ $labels.err_msg }} ({{ $labels.UUID }}).",
        meaning="The GPU keeps running, but its memory had an error that was contained, or that "
        "the next reset repairs by remapping a row.",
        steps=(
            "Reset the GPU at the job's next pause so that the row is remapped.",
            "Watch its remapped rows: a GPU with repeated memory errors has to be replaced.",
        ),
    ),
    Alert(
        name="GpuXidApplication",
        severity=Severity.INFO,
        expr=_gpu("xid", f'err_code=~"{_USER_CODE}"') + " > 0",
        summary=f"XID {{{{ $value }}}} on {_WHO}, most likely raised by the application",
        detail="{{ $labels.err_msg }} ({{ $labels.UUID }}).",
        meaning="User code raises nearly all of these codes. The value stays until the driver is "
        "reloaded, so the alert means that the error happened, not that it persists.",
        steps=(
            "Read the job's log before suspecting the hardware.",
            "If the same GPU fails under different jobs, test it with `dcgmi diag -r 3`.",
        ),
    ),
    Alert(
        name="GpuHang",
        severity=Severity.CRITICAL,
        why="Ranks that wait in a collective draw more power than the rank that never arrives.",
        expr=f"({_below_peers(_POWER, limit.GPU_HANG_POWER)})\n"
        f"and max_over_time({_gpu('tensor_active')}[1m]) < {limit.GPU_SPINNING_TENSOR}\n"
        f"and min_over_time({_gpu('gpu_util')}[1m]) >= {limit.GPU_SPINNING_UTILIZATION}",
        hold=30,
        summary=f'{_WHO} hangs at {{{{ $value | printf "%.0f" }}}} W',
        meaning="All GPUs show full utilisation but compute nothing: they are waiting. This GPU "
        "draws less power than the others, so it is the one they wait for. There may be no XID.",
        steps=(
            "Take a stack trace of its process (`py-spy dump`) and NCCL's flight recorder.",
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
        meaning="A failed memory row could not be remapped: the GPU has to be replaced.",
        steps=("Drain the host.", "Have the GPU replaced (it meets NVIDIA's RMA criteria)."),
    ),
    Alert(
        name="GpuRowRemapped",
        severity=Severity.WARNING,
        expr=f"increase({_gpu('uncorrectable_rows')}[15m]) > 0",
        summary=f"{_WHO} remaps a memory row after an uncorrectable error",
        meaning="The row is taken out of use at the GPU's next reset; until then the error may "
        "recur.",
        steps=(
            "Reset the GPU at the job's next pause.",
            "If a bank has eight such rows, or new rows appear every week, replace the GPU.",
        ),
    ),
    Alert(
        name="GpuEccDoubleBit",
        severity=Severity.CRITICAL,
        expr=f"increase({_gpu('ecc_dbe_volatile')}[5m]) > 0",
        summary=f'{_WHO} had {{{{ $value | printf "%.0f" }}}} double-bit errors in five minutes',
        meaning="Data in memory was lost. The driver ended the application on the GPU, and the "
        "job restarts from its checkpoint.",
        steps=(
            "Reset the GPU so that the row is remapped.",
            "Check its remapped rows.",
        ),
    ),
    Alert(
        name="GpuEccSingleBit",
        severity=Severity.WARNING,
        expr=f"rate({_gpu('ecc_sbe_volatile')}[5m]) > {limit.GPU_SINGLE_BIT}",
        hold=60,
        summary=f'{_WHO} corrects {{{{ $value | printf "%.1f" }}}} memory errors a second',
        meaning="Single-bit errors are corrected and do not affect the job, but memory that has "
        "them at a steady rate tends to fail.",
        steps=(
            "Schedule a reset of the GPU.",
            "If the errors return, replace the GPU before it fails.",
        ),
    ),
)

_HEAT = (
    Alert(
        name="GpuTooHot",
        severity=Severity.CRITICAL,
        expr=f"{_gpu('gpu_temp')} >= {limit.GPU_HOT}",
        summary=f"{_WHO} is at {{{{ $value }}}} °C",
        meaning="An H100 slows down at 87 °C and shuts down, off the bus, at 95 °C; at 600 W "
        "without coolant flow that takes seconds. Every GPU of the job waits for the slowest.",
        steps=(
            "Check the rack's coolant first: flow, pumps, supply temperature.",
            (
                "If only one GPU of a host is hot, its cold plate is at fault: drain the host and "
                "reseat the plate."
            ),
        ),
    ),
    Alert(
        name="GpuMemoryTooHot",
        severity=Severity.WARNING,
        expr=f"{_gpu('memory_temp')} >= {limit.GPU_MEMORY_HOT}",
        hold=30,
        summary=f"The memory of {_WHO} is at {{{{ $value }}}} °C",
        meaning="At 95 °C the GPU lowers its clock, which slows down the whole job.",
        steps=("Check the rack's coolant, then the GPU's cold plate and thermal pads.",),
    ),
    Alert(
        name="GpuThermalThrottling",
        severity=Severity.WARNING,
        expr=f"rate({_gpu('thermal_violation')}[2m]) / 1e9 > {limit.GPU_THROTTLED}",
        summary=f"{_WHO} throttles because of heat",
        detail="It throttled for {{ $value | humanizePercentage }} of the last two minutes.",
        meaning="The GPU lowers its clock to keep the die within its limits, and every GPU of the "
        "job waits for it.",
        steps=("Check the rack's coolant first, then the GPU's cold plate.",),
    ),
)

_PACE = (
    Alert(
        name="GpuPowerBrake",
        severity=Severity.CRITICAL,
        why="The brake takes all GPUs of the host to about half the array's clock.",
        expr=f"""
        max by ({HOST}, modelName) ({_CLOCK})
          < on ({_PEERS}) group_left ()
        {limit.GPU_BRAKED} * quantile by ({_PEERS}) (0.5, {_CLOCK})
        """,
        hold=30,
        summary="All GPUs of {{ $labels.instance }} in rack {{ $labels.rack }} run at "
        "{{ $value }} MHz",
        meaning="A whole host at half clock means the power brake: a signal that the board "
        "asserts when a supply fails or power is short. The whole job runs at half speed.",
        steps=(
            "`nvidia-smi -q -d PERFORMANCE` shows which slowdown is active.",
            "Check the host's power supplies and the PDU.",
            "Drain the host if the brake does not release.",
        ),
    ),
    Alert(
        name="ServerPowerThrottling",
        severity=Severity.WARNING,
        why="Power limits healthy GPUs most of the time in dense training (SwPowerCap): the time "
        "alone says nothing. A host that gets less than the others is also slower than they are.",
        expr=f"""
        min by ({HOST}, modelName) ({_THROTTLED}) > {limit.GPU_POWER_THROTTLED}
        and
        max by ({HOST}, modelName) ({_MEAN_CLOCK})
          < on ({_PEERS}) group_left ()
        {limit.GPU_POWER_SHORT} * quantile by ({_PEERS}) (0.75, {_MEAN_CLOCK})
        """,
        hold=30,
        summary="All GPUs of {{ $labels.instance }} in rack {{ $labels.rack }} are short of power",
        detail="Power limits them for {{ $value | humanizePercentage }} of the time, and their "
        "clocks are far below the array's.",
        meaning="The host gives its GPUs less power than other hosts do: a power cap, failed "
        "supplies, or the power brake. The whole job waits for them at every step.",
        steps=(
            "Check the host's power supplies, its PDUs, and its BMC for a power cap.",
            "Compare its power limits with those of another host: `nvidia-smi -q -d POWER`.",
        ),
    ),
    Alert(
        name="GpuClockLow",
        severity=Severity.WARNING,
        why="Only busy GPUs are compared: an idle GPU has a low clock. The clock is a mean over "
        "a minute, as one at the power limit rises whenever the GPU waits.",
        expr=_below_peers(_MEAN_CLOCK, limit.GPU_CLOCK_LOW),
        hold=60,
        summary=f"{_WHO} runs at {{{{ $value }}}} MHz, far below its array",
        meaning="A synchronous job runs at the pace of its slowest GPU, and this one is slower "
        "than the others at the same work.",
        steps=(
            "Rule out heat and power: temperature, violation counters, alerts on its rack.",
            (
                "Look for locked clocks with `nvidia-smi -q -d CLOCK,PERFORMANCE` and reset them "
                "with `nvidia-smi -rgc`."
            ),
            "Drain the host and reset the GPU.",
        ),
    ),
    Alert(
        name="GpuPcieReplays",
        severity=Severity.WARNING,
        expr=f"rate({_gpu('pcie_replay')}[5m]) > {limit.GPU_REPLAYS}",
        hold=60,
        summary=f'{_WHO} replays {{{{ $value | printf "%.1f" }}}} PCIe packets a second',
        meaning="The GPU's PCIe link has bit errors. Packets are sent again; a link that gets "
        "worse retrains to a lower rate or is lost.",
        steps=(
            "Compare the link's width and rate with a healthy GPU's: `nvidia-smi -q -d PCIE`.",
            "Reseat the board or the riser in the next maintenance window.",
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
        meaning="Links with errors resend packets and lose bandwidth, which slows down the job. "
        "When a link can no longer be trained, the GPU raises XID 74 and the job stalls.",
        steps=(
            (
                "Find the link with errors (`nvidia-smi nvlink -e -i <gpu>`) and check the switch "
                "at its other end."
            ),
            "Drain the host and reset its GPUs and NVSwitches together.",
        ),
    ),
    Alert(
        name="NeuronEccUncorrected",
        severity=Severity.CRITICAL,
        expr=f"increase({_UNCORRECTED}[10m]) > 0",
        summary="Chip {{ $labels.neuron_device_index }} of {{ $labels.instance }} in rack "
        "{{ $labels.rack }} had an uncorrectable ECC error ({{ $labels.event_type }})",
        meaning="Data in the memory of a Trainium chip was lost; the job on it fails.",
        steps=("Restart the job without the instance.", "Replace the instance."),
    ),
)

GPU_RULES = Rules(
    Domain.GPU,
    "GPUs by the metrics of dcgm-exporter, Trainium by those of neuron-monitor, AMD's by those of "
    "its Device Metrics Exporter. A GPU is compared with the others of its array, so the rules "
    "need no nominal clock, power or number of GPUs.",
    (*_RECORDINGS, *AMD_RECORDINGS),
    (*_LOST, *_MEMORY, *_HEAT, *_PACE, *AMD_GPUS, *ROLLED_GPU),
)
