"""Alerts on racks that are one machine: NVLink domains, power shelves, compute trays."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import (
    GPU,
    HOT_SWAP,
    LEAK_DETECTOR,
    NVLINK,
    SHELF_PSU,
    SWITCH_TRAY,
)
from twin.catalog.selectors import PLACE, of, up

__all__ = ["RACK_SCALE_RULES"]

_link, _gpu = partial(of, NVLINK), partial(of, GPU)
_LINK = "{{ $labels.port_label }} of tray {{ $labels.tray_index }} in rack {{ $labels.rack }}"
_SWITCH_UP = up(SWITCH_TRAY["up"])
_ENABLED = of(SHELF_PSU, "enabled")
_SHELF = f"{PLACE}, instance"
_SMOOTHED = _gpu("smoothing_enabled")
_VOLTS = of(HOT_SWAP, "voltage", 'sensor_name=~"PDB_0_HSC_.*"')
_LEAK = of(LEAK_DETECTOR, "voltage", 'sensor_name=~".*LeakDetector.*"')
_TRAY = "tray {{ $labels.instance }} in rack {{ $labels.rack }}"

RACK_SCALE_RULES = Rules(
    Domain.RACK_SCALE,
    "Racks that are one machine, such as an NVL72: NVLinks by NMX-T, power shelves and trays by "
    "NICo's hardware health, the fabric by dcgm-exporter.",
    (),
    (
        Alert(
            name="NvlinkRecovering",
            severity=Severity.WARNING,
            why="A healthy link never recovers. DCGM sums over all links of a GPU; this is each.",
            expr=f"increase({_link('recoveries')}[10m]) >= {limit.NVLINK_RECOVERIES}",
            summary=f'NVLink {_LINK} has recovered {{{{ $value | printf "%.0f" }}}} times in ten '
            "minutes",
            meaning="The link ages: it will fail within days, and with it every job of the rack.",
            steps=(
                "Drain the tray at the next checkpoint; a job that ends by itself loses less.",
                "Reseat the tray, then replace it or its cable cartridge.",
            ),
        ),
        Alert(
            name="NvlinkDown",
            severity=Severity.CRITICAL,
            why="Opcode 15 is bad signal: the link itself, and not a switch tray that is off (2).",
            expr=f"{_link('opcode')} == {limit.NVLINK_BAD_SIGNAL}",
            hold=5,
            summary=f"NVLink {_LINK} is down",
            meaning="Its GPU has raised XID 149, the others of the job XID 145 and 45: they are "
            "well. The job cannot go on with this GPU.",
            steps=(
                "Evict the tray of this GPU only, and restart the job from its last checkpoint.",
                "Reset the GPU; if the link does not come up, replace tray or cable cartridge.",
            ),
        ),
        Alert(
            name="NvlinkSwitchTrayDown",
            severity=Severity.CRITICAL,
            expr=f"{_SWITCH_UP} == 0",
            hold=15,
            summary="NVLink switch tray {{ $labels.instance }} in rack {{ $labels.rack }} does not "
            "answer",
            meaning="Every GPU of the rack has lost its links to the tray, and the bandwidth of "
            "all of them is lower.",
            steps=(
                "Check the power of the tray and NVOS on its console.",
                "Replace it with the rack drained: its jobs do not survive that.",
            ),
        ),
        Alert(
            name="NvlinkDomainDegraded",
            severity=Severity.WARNING,
            why="Fabric health 3 is limited capacity: links are missing.",
            expr=f"""
            count by ({PLACE}) ({_gpu("fabric_health")} == 3)
              > {limit.DOMAIN_DEGRADED} * count by ({PLACE}) ({_gpu("fabric_health")})
            """,
            hold=30,
            summary="{{ $value }} GPUs of the NVLink domain of rack {{ $labels.rack }} have "
            "limited bandwidth",
            meaning="Links are missing on many GPUs at once, which points to a switch tray.",
            steps=("Look for a switch tray that does not answer.",),
        ),
        Alert(
            name="NvlinkPartitionLost",
            severity=Severity.CRITICAL,
            why="Fabric health 2 is unhealthy: not registered, or in no partition.",
            expr=f"{_gpu('fabric_health')} == 2",
            hold=30,
            summary="GPU {{ $labels.gpu }} of {{ $labels.instance }} in rack {{ $labels.rack }} "
            "is in no NVLink partition",
            meaning="Jobs that reach over trays fail at their start on this tray.",
            steps=(
                "Compare the clique of its GPUs with that of the rack.",
                "Restore the partition at the rack's NVLink controller (NMX-C), then reset.",
            ),
        ),
        Alert(
            name="ImexNotReady",
            severity=Severity.WARNING,
            expr=f"max by ({_SHELF}) ({_gpu('imex_status')}) != 5",
            hold=60,
            summary="The IMEX daemon of {{ $labels.instance }} in rack {{ $labels.rack }} is not "
            "ready ({{ $value }})",
            meaning="Jobs cannot map memory of other trays and fail at their start.",
            steps=("See `nvidia-imex-ctl -N` on the tray, and restart `nvidia-imex`.",),
        ),
        Alert(
            name="PowerShelfDown",
            severity=Severity.WARNING,
            expr=f"max by ({_SHELF}) ({_ENABLED}) == 0",
            hold=5,
            summary="Power shelf {{ $labels.instance }} of rack {{ $labels.rack }} delivers "
            "nothing",
            meaning="The others carry its part. Half of the shelves carry the rack, not fewer.",
            steps=(
                "If all shelves of a feed are out, check its breaker and the busway.",
                "Otherwise read the event log of the shelf's controller.",
            ),
        ),
        Alert(
            name="ShelfPsuFailed",
            severity=Severity.WARNING,
            expr=f"""
            {_ENABLED} == 0
              unless on ({_SHELF})
            max by ({_SHELF}) ({_ENABLED}) == 0
            """,
            hold=5,
            summary="{{ $labels.powersupply_id }} of power shelf {{ $labels.instance }} in rack "
            "{{ $labels.rack }} is off",
            meaning="The other supplies of the rack carry its part.",
            steps=("Replace the supply; it is hot-swappable.",),
        ),
        Alert(
            name="PowerSmoothingOff",
            severity=Severity.WARNING,
            why="Off is as shipped; it is wrong where the site's other GPUs have it on.",
            expr=f"""
            max by ({_SHELF}) ({_SMOOTHED}) == 0
              and on (site)
            max by (site) ({_SMOOTHED}) == 1
            """,
            hold=30,
            summary="Power smoothing of {{ $labels.instance }} in rack {{ $labels.rack }} is off",
            meaning="The tray follows every step of the job, and stops at once with it. The grid "
            "sees its part of the swing.",
            steps=(
                "Compare its firmware with the others': an update or a reset takes this back.",
                "Enable it again and activate the site's preset profile, by Redfish or as root.",
            ),
        ),
        Alert(
            name="PowerSmoothingWornOut",
            severity=Severity.WARNING,
            expr=f"{of(GPU, 'smoothing_lifetime')} < {limit.SMOOTHING_LIFETIME}",
            hold=60,
            summary="The power smoothing of GPU {{ $labels.gpu }} of {{ $labels.instance }} in "
            "rack {{ $labels.rack }} has {{ $value }} % of its life left",
            meaning="The circuits that hold the GPU above its floor are nearly worn out. Without "
            "them the GPU follows every step of the job.",
            steps=(
                "Plan to change the tray before the circuits are worn out.",
                "A lower floor or a longer delay of the active preset profile wears them less.",
            ),
        ),
        Alert(
            name="TrayVoltageLow",
            severity=Severity.CRITICAL,
            expr=f"{_VOLTS} < {limit.TRAY_VOLTS}",
            hold=30,
            summary="{{ $labels.sensor_name }} of " + _TRAY + ' has {{ $value | printf "%.1f" }} V',
            meaning="If all trays of the rack are low, the power shelves give way; if it is one, "
            "its joint to the bus bar has too much resistance, and heats.",
            steps=(
                "Compare it with the other trays and with the shelves' own voltage.",
                "Drain and pull the tray, and look at the clip of its bus bar.",
            ),
        ),
        Alert(
            name="TrayLeak",
            severity=Severity.CRITICAL,
            expr=f"""
            {_LEAK} < {limit.LEAK_LOW}
              or
            {_LEAK} > {limit.LEAK_HIGH}
            """,
            hold=5,
            summary="{{ $labels.sensor_name }} of " + _TRAY + " is wet or broken",
            meaning="Coolant is in the tray. Two leaking trays are a reason to isolate the rack.",
            steps=(
                "Power the tray off; its controller does not do so unless its policy is enabled.",
                "Close its quick disconnects, and look for the leak.",
            ),
        ),
    ),
)
