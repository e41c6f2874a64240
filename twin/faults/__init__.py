"""Faults: each a typed class, grouped by the system that it affects.

To add one, write its class in the module of its system and name it in ``FAULT_CLASSES``;
the command line, the bus and ``docs/faults.md`` follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from twin.faults.air import (
    AirFilterClogged,
    FanBoardFailure,
    FanFailure,
    HotAirRecirculation,
)
from twin.faults.base import Fault
from twin.faults.cooling import (
    BothPumpsFailure,
    CduPsuFailure,
    ChillerFailure,
    CoolantLeak,
    FacilityWaterWarm,
    FilterClogging,
    HeatExchangerFouling,
    HotDay,
    PumpDegraded,
    PumpFailure,
    ValveStuck,
)
from twin.faults.fabric import AdaptiveRoutingOff, LeafDown, SpineDown
from twin.faults.gateways import Gateways
from twin.faults.gpu import (
    DcgmExporterDown,
    GpuColdPlate,
    GpuDoubleBit,
    GpuHang,
    GpuOffBus,
    GpuPcieReplay,
    GpuPowerBrake,
    GpuRowRemapFailure,
    GpuSingleBit,
    GpuSlow,
    GpuXid,
    GspTimeout,
    NvlinkError,
    NvswitchFailure,
)
from twin.faults.host import (
    ClockOff,
    DiskFull,
    DiskSlow,
    DramErrors,
    FilesystemReadOnly,
    MemoryLeak,
    MirrorDiskFailed,
    RunawayProcess,
)
from twin.faults.job import (
    CheckpointStorm,
    DataLoaderSlow,
    JobCrash,
    RequestSurge,
    SoftwareHang,
)
from twin.faults.nic import (
    NicDegradedRate,
    NicDown,
    NicFlap,
    OpticAgeing,
    PacketLoss,
    PfcStorm,
)
from twin.faults.places import default_target
from twin.faults.power import (
    GensetStartFailure,
    GensetTrip,
    GridFrequency,
    GridOutage,
    GridSag,
    MegapackDerate,
    MegapackTrip,
    PduBreakerTrip,
    PduPhaseImbalance,
)
from twin.faults.rack_scale import (
    BmcSilent,
    BusJointWorn,
    BusUndervoltage,
    ImexDown,
    NvlinkAgeing,
    NvlinkDown,
    PartitionLost,
    PowerShelfDown,
    QuickDisconnectBlocked,
    RackIsolated,
    ShelfPsuFailure,
    SmoothingDisabled,
    SwitchTrayDown,
    TrayLeak,
    TrayLost,
)
from twin.faults.schedule import AppliedFault, FaultSchedule, parse_fault, place_of, resolved_target
from twin.faults.scheduler import ContainerCrashLoop, SchedulerStuck
from twin.faults.server import PsuFailure, ServerDown, ServerPowerCap
from twin.faults.storage import ServiceRackDown, StorageFilling, StorageSlow
from twin.faults.telemetry import (
    ClockSkew,
    FramesLost,
    GatewaySilent,
    SensorDrift,
    SensorNoise,
    SensorStuck,
)
from twin.registry import ByName, Registry

__all__ = [
    "FAULTS",
    "FAULT_CLASSES",
    "AppliedFault",
    "Fault",
    "FaultSchedule",
    "Gateways",
    "default_target",
    "parse_fault",
    "place_of",
    "resolved_target",
]

FAULT_CLASSES: Registry[type[Fault]] = Registry(
    PumpFailure,
    BothPumpsFailure,
    PumpDegraded,
    FilterClogging,
    HeatExchangerFouling,
    CoolantLeak,
    ValveStuck,
    CduPsuFailure,
    FanFailure,
    FanBoardFailure,
    AirFilterClogged,
    HotAirRecirculation,
    ChillerFailure,
    FacilityWaterWarm,
    HotDay,
    GpuOffBus,
    GpuXid,
    GpuSingleBit,
    GpuDoubleBit,
    GpuRowRemapFailure,
    GspTimeout,
    GpuHang,
    GpuSlow,
    GpuColdPlate,
    GpuPowerBrake,
    GpuPcieReplay,
    NvlinkError,
    NvswitchFailure,
    DcgmExporterDown,
    NvlinkAgeing,
    NvlinkDown,
    SwitchTrayDown,
    PartitionLost,
    ImexDown,
    PowerShelfDown,
    ShelfPsuFailure,
    SmoothingDisabled,
    BusUndervoltage,
    BusJointWorn,
    TrayLost,
    TrayLeak,
    RackIsolated,
    QuickDisconnectBlocked,
    BmcSilent,
    NicFlap,
    NicDown,
    NicDegradedRate,
    OpticAgeing,
    PacketLoss,
    PfcStorm,
    LeafDown,
    SpineDown,
    AdaptiveRoutingOff,
    StorageSlow,
    StorageFilling,
    ServiceRackDown,
    GridOutage,
    GridSag,
    GridFrequency,
    MegapackTrip,
    MegapackDerate,
    GensetStartFailure,
    GensetTrip,
    PduBreakerTrip,
    PduPhaseImbalance,
    PsuFailure,
    ServerPowerCap,
    ServerDown,
    DiskFull,
    DiskSlow,
    MemoryLeak,
    RunawayProcess,
    ClockOff,
    DramErrors,
    FilesystemReadOnly,
    MirrorDiskFailed,
    JobCrash,
    SoftwareHang,
    DataLoaderSlow,
    CheckpointStorm,
    RequestSurge,
    ContainerCrashLoop,
    SchedulerStuck,
    GatewaySilent,
    FramesLost,
    ClockSkew,
    SensorStuck,
    SensorDrift,
    SensorNoise,
)
"""All faults, in the order in which they are shown."""

FAULTS: Mapping[str, type[Fault]] = ByName(FAULT_CLASSES, attrgetter("kind"))
"""All faults by kind."""
