"""Faults of racks that are one machine: NVLinks, switch trays, power shelves, trays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from twin.catalog import XID_TEXT
from twin.faults.base import Fault, FaultContext

if TYPE_CHECKING:
    from twin.site import Layout, Target

__all__ = [
    "BmcSilent",
    "BusJointWorn",
    "BusUndervoltage",
    "ImexDown",
    "NvlinkAgeing",
    "NvlinkDown",
    "PartitionLost",
    "PowerShelfDown",
    "QuickDisconnectBlocked",
    "RackIsolated",
    "ShelfPsuFailure",
    "SmoothingDisabled",
    "SwitchTrayDown",
    "TrayLeak",
    "TrayLost",
]


class _RackScaleFault(Fault):
    """A fault that needs racks with NVLink switch trays and power shelves."""

    system = "nvl72"

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        del target
        site = layout.entire.site
        if site.nvlink.switch_trays and site.shelves.count:
            return None
        return "its rack has no switch trays and shelves; set rack: nvl72, or use nvl72-rack"


class NvlinkAgeing(_RackScaleFault):
    """A link between a GPU and a switch tray ages: it recovers again and again."""

    kind = "nvlink-ageing"
    title = "an NVLink to a switch tray ages"
    target = "gpu"
    default_target = "r0001/n1/gpu2"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "`total_successful_recovery_events` and `Symbol_Errors` of one link of the GPU rise, and "
        "its effective bit error rate leaves 1.5e-254; DCGM's counters are sums over 18 links, in "
        "which it drowns. Each recovery holds up all who wait for the GPU. It goes on for days, "
        "until the link fails (`nvlink-down`)."
    )

    link: Annotated[int, Field(ge=0, le=255)] = 14
    """Number of the link, from 0 on."""
    rate: Annotated[float, Field(gt=0, le=20)] = 0.05
    """Recoveries a second: 0.0024 measured five days before a link failed."""

    def apply(self, context: FaultContext) -> None:
        """Set the rate of recoveries."""
        context.conditions.nvlink_recoveries_per_second[context.place] = self.rate
        context.conditions.nvlink_weak[context.place] = min(self.link, 127)


class NvlinkDown(_RackScaleFault):
    """A link between a GPU and a switch tray fails for good."""

    kind = "nvlink-down"
    title = "an NVLink to a switch tray fails"
    target = "gpu"
    default_target = "r0001/n1/gpu2"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        f"The GPU raises XID 149 ({XID_TEXT[149]}); the other GPUs of its rack that have a job "
        "raise XID 145 at once and XID 45 after it, and the job ends. Only the GPU with 149 is to "
        "be evicted: the others are well. `Link_Down` of the link has risen and its "
        "`Advanced_Status_Opcode` is 15, bad signal."
    )

    link: Annotated[int, Field(ge=0, le=255)] = 14
    """Number of the link, from 0 on."""

    def apply(self, context: FaultContext) -> None:
        """Take the link down."""
        context.conditions.nvlink_up[context.place] = False
        context.conditions.nvlink_weak[context.place] = min(self.link, 127)


class SwitchTrayDown(_RackScaleFault):
    """An NVLink switch tray is off: every GPU of the rack loses its links to it."""

    kind = "switch-tray-down"
    title = "an NVLink switch tray goes down"
    target = "switch_tray"
    default_target = "r0001/switch1"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The tray does not answer and draws nothing. All GPUs of the rack lose two of their 18 "
        "links: their fabric health is 3, limited capacity, the opcode of these links is 2, and "
        "the job is slower by what it waits for NVLink. No GPU raises an XID."
    )

    def apply(self, context: FaultContext) -> None:
        """Switch the tray off."""
        context.conditions.switch_tray_available[context.place] = False


class PowerShelfDown(_RackScaleFault):
    """A power shelf delivers nothing: its feed is lost, or its controller has shut it down."""

    kind = "power-shelf-down"
    title = "a power shelf goes down"
    target = "power_shelf"
    default_target = "r0001/shelf1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "All supplies of the shelf are off and it gives no power; the other shelves carry its "
        "part. The bus keeps its voltage as long as the rest carries the rack, which half of the "
        "shelves do; below that the trays lower the power limit of their GPUs."
    )

    def apply(self, context: FaultContext) -> None:
        """Switch all supplies of the shelf off."""
        rack, shelf = context.place
        psus = context.layout.entire.site.shelves.psus
        supplies = slice(shelf * psus, (shelf + 1) * psus)
        context.conditions.shelf_psu_available[rack, supplies] = False


class ShelfPsuFailure(_RackScaleFault):
    """A supply of a power shelf fails; all others of the rack share its load."""

    kind = "shelf-psu-failure"
    title = "a supply of a power shelf fails"
    target = "shelf_psu"
    default_target = "r0001/shelf_psu1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "`powersupply_output_enabled` of the supply is 0 and its power falls to zero; the 47 "
        "others carry two percent more each."
    )

    def apply(self, context: FaultContext) -> None:
        """Fail the supply."""
        context.conditions.shelf_psu_available[context.place] = False


class BusJointWorn(_RackScaleFault):
    """The joint between the bus bar and a compute tray has too much resistance."""

    kind = "bus-joint-worn"
    title = "a tray's joint to the bus has too much resistance"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "The input voltage of one tray is volts below that of the others and falls as it works; "
        "its current rises, and the joint heats. The shelves show nothing."
    )

    milliohms: Annotated[float, Field(gt=0, le=50)] = 20.0
    """Further resistance of the joint in mΩ."""

    def apply(self, context: FaultContext) -> None:
        """Put the resistance before the tray."""
        context.conditions.bus_joint_ohms[context.place] += self.milliohms / 1e3


class BusUndervoltage(_RackScaleFault):
    """The power shelves of a rack hold their bus at too low a voltage."""

    kind = "bus-undervoltage"
    title = "a rack's bus has too low a voltage"
    target = "rack"
    default_target = "r0001"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The voltage at the shelves and at all trays of the rack is too low alike, as after a "
        "wrong setting of the shelves: no tray is far from the others. Currents rise, for all draw "
        "the same power."
    )

    volts: Annotated[float, Field(ge=40, le=50)] = 47.0
    """Voltage that the shelves hold, of 50 V, in V."""

    def apply(self, context: FaultContext) -> None:
        """Lower the set point of the rack's shelves."""
        nominal = context.layout.entire.site.shelves.volts
        context.conditions.bus_volts_ratio[context.target.unit] = self.volts / nominal


class TrayLost(_RackScaleFault):
    """A compute tray is lost as a whole: it has no power, and its GPUs leave the domain."""

    kind = "tray-lost"
    title = "a compute tray is lost"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The tray's four GPUs, its NICs and its board controller vanish at once. The switch trays "
        f"show its links without a partner (opcode 2); the other GPUs of its job raise XID 145 "
        f"({XID_TEXT[145]}) and XID 45 after it, and are well. The job ends and waits for the tray."
    )

    def apply(self, context: FaultContext) -> None:
        """Take the tray off the bus."""
        context.conditions.server_available[context.place] = False


class TrayLeak(_RackScaleFault):
    """A compute tray loses coolant under its cold plates."""

    kind = "tray-leak"
    title = "a compute tray leaks"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The voltage of the tray's detectors under the cold plates leaves its window within "
        "seconds, that of the detectors at the manifold later; the coolant unit of the rack loses "
        "the same coolant. The controller's own policy, which would power the tray off, is off as "
        "shipped."
    )

    liters_per_minute: Annotated[float, Field(gt=0, le=20)] = 0.4
    """Coolant lost in L/min."""

    def apply(self, context: FaultContext) -> None:
        """Open the leak."""
        context.conditions.tray_leak[context.place] += self.liters_per_minute


class RackIsolated(_RackScaleFault):
    """A rack leaks, and the building management isolates it: no coolant, no power."""

    kind = "rack-isolated"
    title = "a rack leaks and is isolated"
    target = "rack"
    default_target = "r0001"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "The rack's coolant unit reports a leak. After the delay its breakers open and its valves "
        "close: the rack has no power and loses no more coolant, and the job stalls without it."
    )

    liters_per_minute: Annotated[float, Field(gt=0, le=60)] = 3.0
    """Coolant lost in L/min until the valves are shut."""
    delay_seconds: Annotated[float, Field(ge=0, le=3600)] = 45.0
    """Time from the start of the leak to the isolation."""

    def apply(self, context: FaultContext) -> None:
        """Leak, then open the breakers and shut the valves."""
        conditions, rack = context.conditions, context.target.unit
        if context.age < self.delay_seconds:
            conditions.coolant_leak[rack] += self.liters_per_minute
        else:
            conditions.pdu_breaker[rack] = False


class QuickDisconnectBlocked(_RackScaleFault):
    """A quick disconnect of a compute tray does not open: little coolant gets through."""

    kind = "quick-disconnect-blocked"
    title = "a tray's quick disconnect is blocked"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "All GPUs of one tray are far hotter than those of its neighbours, at the same power and "
        "the same coolant; flow and pressure of the rack hardly change. They slow down, and the "
        "job with them."
    )

    flow: Annotated[float, Field(gt=0, lt=1)] = 0.12
    """Coolant through the tray over its share."""

    def apply(self, context: FaultContext) -> None:
        """Reduce the tray's flow."""
        ratio = context.conditions.tray_flow_ratio
        ratio[context.place] = min(ratio[context.place], self.flow)


class BmcSilent(_RackScaleFault):
    """The board controller of a compute tray does not answer."""

    kind = "bmc-silent"
    title = "a tray's board controller is silent"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "Power, voltage, temperatures and leak detectors of the tray are missing, while its GPUs "
        "report and the job goes on: a leak in it would not be seen."
    )

    def apply(self, context: FaultContext) -> None:
        """Silence the controller."""
        context.conditions.bmc_answers[context.place] = False


class PartitionLost(_RackScaleFault):
    """The GPUs of a compute tray are in no partition of the NVLink domain."""

    kind = "partition-lost"
    title = "a tray's GPUs lose their NVLink partition"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "`DCGM_FI_DEV_FABRIC_CLIQUE_ID` of the tray's GPUs is 0 instead of the domain's, their "
        "fabric health is 2 and its mask says that they have no partition. What runs goes on; the "
        "next job that reaches over trays fails at its start."
    )

    def apply(self, context: FaultContext) -> None:
        """Take the tray out of its partition."""
        context.conditions.fabric_registered[context.place] = False


class ImexDown(_RackScaleFault):
    """The IMEX daemon of a compute tray is not ready."""

    kind = "imex-down"
    title = "a tray's IMEX daemon is down"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "`DCGM_FI_IMEX_DAEMON_STATUS` of the tray is 7, unavailable. Memory of other trays cannot "
        "be mapped: the next job over NVLink fails at its start, one that runs goes on."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the daemon."""
        context.conditions.imex_running[context.place] = False


class SmoothingDisabled(_RackScaleFault):
    """Power smoothing of a compute tray is off: a firmware update or a reset has taken it back."""

    kind = "smoothing-disabled"
    system = "smoothing"
    title = "a tray's power smoothing is off"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 3600.0
    severity = "warning"
    shows = (
        "`DCGM_FI_DEV_PWR_SMOOTHING_ENABLED` of the tray's GPUs is 0 and their floor is 0 W, as "
        "after a reset of the tray's firmware. They draw less, and follow each step of the job; "
        "with every tray that is off the site's swing comes back at the grid's meter."
    )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        if not layout.entire.site.smoothing.enabled:
            return "power smoothing is off on the whole site; set smoothing.enabled with gpu: gb300"
        return super().refusal(layout, target)

    def apply(self, context: FaultContext) -> None:
        """Disable the smoothing of the tray's GPUs."""
        context.conditions.smoothing_enabled[context.place] = False
