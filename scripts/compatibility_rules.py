"""Rules of others against faults: what ``twin.rules.audit`` finds, and what is wrong of that.

The scenarios are of a site under Kubernetes, of one under Slurm and of one that has no scheduler
and tells of its hosts as a whole. Wrong is what lacks a name that an exporter of the twin has, and
what fires while nothing is wrong, unless a look at the rule says that a real site of this size
does the same: these stand in :data:`RIGHT` with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from compatibility_known import why_lacking

from twin.content_cache import Cache, default_folder
from twin.rules.audit import RuleFinding, audit
from twin.rules.scenario_run import Options
from twin.rules.source import load_rules
from twin.rules.suite import run_suite
from twin.scenario import find_scenarios

__all__ = ["RIGHT", "findings", "verdict"]

SCENARIOS = Path(__file__).parent / "compatibility_scenarios"
_TRAINING = "a GPU that trains is busy, and its memory full"
_POWER = "a GPU of 700 W is asked for less"
_TRAFFIC = "a host that trains reads data and writes checkpoints at more than that"
_SPEED = "ifSpeed is of 32 bits and stops at 4.29 Gbit/s, which a port of 400 Gbit/s carries"
_QUEUE = "pods of jobs that wait for GPUs count, and ask for more than the nodes have"
RIGHT: Mapping[str, str] = {
    "PrometheusAlertmanagerE2eDeadManSwitch": "it fires always, on purpose",
    "Watchdog": "it fires always, on purpose",
    "SnmpInterfaceHighBandwidthUsageInbound": _SPEED,
    "SnmpInterfaceHighBandwidthUsageOutbound": _SPEED,
    "GPUVRAMAllocationSpike": "a job that starts takes memory",
    "GPUVRAMSustainedPressure": _TRAINING,
    "GPUHighUtilization": _TRAINING,
    "GPUCriticalUtilization": _TRAINING,
    "GPUUtilizationStuckHigh": _TRAINING,
    "HighGPUUtilization": _TRAINING,
    "GPUHighPowerDraw": _POWER,
    "GPUHighPowerUsage": _POWER,
    "NodeGPUHighPowerConsumption": _POWER,
    "HighDiskReadIO": _TRAFFIC,
    "HighDiskWriteIO": _TRAFFIC,
    "HighNetworkReceive": _TRAFFIC,
    "HighNetworkTransmit": _TRAFFIC,
    "GPUNotAvailable": "it wants a label that dcgm-exporter does not give",
    "GPUPowerViolation": "it compares a counter of nanoseconds with 100",
    "GPU throttle due to power violation": "it takes the counter's nanoseconds for microseconds, "
    "and a GPU in dense training meets its power limit",
    "KubeCPUOvercommit": _QUEUE,
    "KubeMemoryOvercommit": _QUEUE,
    "KubernetesPodNotHealthy": "the pods of a job that waits for GPUs are Pending",
}
"""Why an alert that fires on a healthy site of the twin is right to."""


def findings(files: Sequence[Path], edition: str) -> dict[Path, list[RuleFinding]]:
    """Return what is found of every alert of some files, by file."""
    rules = load_rules([str(path) for path in files])
    chosen = [
        loaded.exporting((f"dcgm={edition}",), "", "")
        for loaded in find_scenarios([str(SCENARIOS / "*.yaml")])
    ]
    options = Options(foreign=True, cache=Cache(default_folder()))
    found: dict[Path, list[RuleFinding]] = {}
    for own in audit(rules, run_suite(chosen, rules, options)):
        found.setdefault(own.rule.file, []).append(own)
    return found


def verdict(own: RuleFinding) -> tuple[str, str]:
    """Return what to count an alert as, and what to say of it: ``ok``, ``beyond`` or ``wrong``."""
    if own.error:
        return "wrong", own.verdict
    if not all(beyond for _, beyond in map(why_lacking, own.real)):
        return "wrong", own.verdict
    if own.always or own.noisy:
        right = RIGHT.get(own.rule.name)
        return ("ok", f"{own.verdict}; rightly: {right}") if right else ("wrong", own.verdict)
    if own.detects:
        return "ok", ""
    if own.untold or own.unknown or own.real or own.back:
        return "beyond", own.verdict
    return "ok", ""
