"""Proving faults: the alerts that each fault fires, and their longest delays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twin.registry import Registry

__all__ = ["PROOFS", "Proof"]


@dataclass(frozen=True, slots=True)
class Proof:
    """Alerts that a fault fires, at its default target and with its default parameters.

    Attributes:
        fault: kind of fault.
        fires: all alerts that it fires, each with its longest delay in s, at a scrape and
            evaluation interval of 15 s.
        watch: seconds after the fault's start in which these and no others fire.
        silent: the reason why no alert fires; empty where one does.
    """

    fault: str
    fires: Mapping[str, int]
    watch: int = 240
    silent: str = ""


PROOFS: Registry[Proof] = Registry(
    Proof("pump-failure", {"CoolantPumpFailed": 30}),
    Proof(
        "both-pumps-failure",
        {
            "CoolantFlowLow": 30,
            "CoolantPumpFailed": 30,
            "GpuTooHot": 30,
            "RackWithoutPumps": 30,
            "GpuThermalThrottling": 60,
            "GpuXid": 90,
            "GpuLost": 90,
            "JobStalled": 90,
            "JobSlow": 120,
            "CollectiveHang": 150,
            "JobCrashed": 270,
            "CoolantRiseHigh": 360,
        },
        watch=360,
    ),
    Proof("pump-degraded", {"CoolantPumpWorn": 90}),
    Proof("filter-clogging", {"CoolantFilterClogged": 120}),
    Proof("heat-exchanger-fouling", {"CoolantAboveOthers": 180}, watch=420),
    Proof(
        "coolant-leak",
        {
            "CoolantLeak": 30,
            "CoolantLevelLow": 180,
            "CoolantFlowLow": 420,
            "GpuThermalThrottling": 420,
            "GpuTooHot": 420,
            "GpuXid": 420,
            "RackWithoutPumps": 420,
        },
        watch=420,
    ),
    Proof(
        "valve-stuck",
        {"FacilityValveStuck": 90, "CoolantHot": 120, "CoolantAboveOthers": 180},
        watch=300,
    ),
    Proof("cdu-psu-failure", {"CduPowerSupplyFailed": 30}),
    Proof("fan-failure", {"FanFailed": 30}),
    Proof(
        "fan-board-failure",
        {"FanFailed": 30, "GpuMemoryTooHot": 60, "GpuThermalThrottling": 60, "GpuTooHot": 60},
        watch=60,
    ),
    Proof("air-filter-clogged", {"ServerFansFast": 480}, watch=540),
    Proof("hot-air-recirculation", {"RackInletWarm": 270}, watch=300),
    Proof("chiller-failure", {"ChillerFailed": 30, "ChillersWithoutReserve": 330}, watch=330),
    Proof("facility-water-warm", {"FacilityWaterWarm": 270}, watch=300),
    Proof("hot-day", {"OutdoorHeat": 630}, watch=630),
    Proof(
        "gpu-off-bus",
        {
            "GpuXid": 30,
            "GpuLost": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof("gpu-xid", {"GpuXidApplication": 30, "JobCrashed": 60}),
    Proof("gpu-ecc-single-bit", {"GpuEccSingleBit": 90}),
    Proof(
        "gpu-double-bit",
        {
            "GpuEccDoubleBit": 30,
            "GpuRowRemapped": 30,
            "GpuXid": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof(
        "gpu-row-remap-failure",
        {
            "GpuEccDoubleBit": 30,
            "GpuRowRemapFailure": 30,
            "GpuXid": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof(
        "gsp-timeout",
        {
            "GpuXid": 30,
            "GpuLost": 45,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof(
        "gpu-hang",
        {
            "JobStalled": 60,
            "CollectiveHang": 120,
            "GpuHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof("gpu-slow", {"GpuClockLow": 120, "JobSlow": 90}),
    Proof("gpu-cold-plate", {"GpuMemoryTooHot": 90, "GpuTooHot": 90, "GpuThermalThrottling": 120}),
    Proof(
        "gpu-power-brake",
        {
            "GpuPowerBrake": 60,
            "GpuClockLow": 120,
            "ServerPowerThrottling": 90,
            "JobSlow": 120,
        },
    ),
    Proof("gpu-pcie-replay", {"GpuPcieReplays": 90}),
    Proof("nvlink-error", {"GpuNvlinkErrors": 60, "JobSlow": 150}),
    Proof(
        "nvswitch-failure",
        {
            "GpuNvlinkErrors": 60,
            "GpuXid": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof("dcgm-exporter-down", {"ServerExporterDown": 30}),
    Proof("nvlink-ageing", {"NvlinkRecovering": 120}),
    Proof(
        "nvlink-down",
        {"NvlinkDown": 30, "GpuXid": 30, "GpuXidApplication": 45, "JobCrashed": 60},
    ),
    Proof("switch-tray-down", {"NvlinkSwitchTrayDown": 30, "NvlinkDomainDegraded": 60}),
    Proof("partition-lost", {"NvlinkPartitionLost": 60}),
    Proof("imex-down", {"ImexNotReady": 90}),
    Proof("power-shelf-down", {"PowerShelfDown": 30}),
    Proof("shelf-psu-failure", {"ShelfPsuFailed": 30}),
    Proof("smoothing-disabled", {"PowerSmoothingOff": 60}),
    Proof("bus-joint-worn", {"TrayVoltageLow": 60}),
    Proof("bus-undervoltage", {"TrayVoltageLow": 60}),
    Proof(
        "tray-lost",
        {
            "ServerDown": 30,
            "ServerExporterDown": 30,
            "GpuXid": 30,
            "GpuXidApplication": 45,
            "JobCrashed": 60,
        },
        watch=180,
    ),
    Proof("tray-leak", {"TrayLeak": 30, "CoolantLeak": 90}),
    Proof(
        "rack-isolated",
        {
            "CoolantLeak": 30,
            "RackWithoutPower": 90,
            "ServerDown": 90,
            "ServerExporterDown": 90,
            "JobStalled": 120,
            "CollectiveHang": 180,
        },
    ),
    Proof(
        "quick-disconnect-blocked",
        {"GpuTooHot": 60, "GpuThermalThrottling": 60, "GpuMemoryTooHot": 90},
    ),
    Proof("bmc-silent", {"ServerExporterDown": 30}),
    Proof("nic-flap", {"NicLinkFlapping": 60}),
    Proof(
        "nic-down",
        {
            "NicLinkDown": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof("nic-degraded-rate", {"NicDegradedRate": 90, "JobSlow": 120, "FabricCongested": 180}),
    Proof(
        "optic-ageing",
        {"OpticRxPowerLow": 450, "NicSymbolErrors": 480, "NicLinkFlapping": 570},
        watch=600,
    ),
    Proof("packet-loss", {"NicPacketLoss": 60}),
    Proof("pfc-storm", {"PfcStorm": 30, "JobSlow": 90, "FabricCongested": 120}),
    Proof(
        "leaf-down",
        {
            "LeafDown": 30,
            "NicLinkDown": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof("spine-down", {"SpineDown": 30, "JobSlow": 150, "FabricCongested": 240}),
    Proof("adaptive-routing-off", {"JobSlow": 150, "FabricCongested": 300}, watch=330),
    Proof("storage-slow", {"JobCheckpointOverhead": 480, "JobCheckpointSlow": 480}, watch=600),
    Proof("storage-filling", {"FilesystemFilling": 540}, watch=570),
    Proof(
        "service-rack-down",
        {
            "ServerDown": 30,
            "ServerExporterDown": 30,
            "CollectiveHang": 240,
            "JobCheckpointSlow": 240,
        },
    ),
    Proof("grid-outage", {"GridBreakerOpen": 30, "GridImportRamp": 30, "GridVoltageAbnormal": 30}),
    Proof(
        "grid-sag",
        {
            "GridVoltageAbnormal": 30,
            "MegapackFault": 60,
            "GridImportRamp": 90,
            "GridImportSwing": 150,
        },
        watch=300,
    ),
    Proof("grid-frequency", {"GridFrequencyAbnormal": 30}),
    Proof("megapack-trip", {"MegapackFault": 30}),
    Proof("megapack-derate", {"MegapackDerated": 90}),
    Proof(
        "genset-start-failure",
        {},
        silent="it has no effect until generators have to start; then `GensetFailed` fires.",
    ),
    Proof("genset-trip", {"GensetFailed": 30}),
    Proof(
        "pdu-breaker-trip",
        {
            "PduBreakerOpen": 30,
            "PsuFailed": 30,
            "CduPowerSupplyFailed": 30,
            "ServerPowerThrottling": 120,
            "JobSlow": 150,
        },
    ),
    Proof("pdu-phase-imbalance", {"PduPhaseImbalance": 90}),
    Proof("psu-failure", {"PsuFailed": 30}),
    Proof("server-power-cap", {"GpuClockLow": 120, "ServerPowerThrottling": 90, "JobSlow": 120}),
    Proof(
        "server-down",
        {
            "ServerDown": 30,
            "ServerExporterDown": 30,
            "JobStalled": 60,
            "CollectiveHang": 120,
            "JobCrashed": 240,
        },
    ),
    Proof("disk-full", {"HostRootFull": 390}, watch=420),
    Proof("disk-slow", {"DiskSaturated": 630}, watch=660),
    Proof("memory-leak", {"HostMemoryShort": 300, "HostOomKill": 330}, watch=360),
    Proof("runaway-process", {"HostCpuStarved": 210}),
    Proof("clock-off", {"HostClockOff": 90}),
    Proof("dram-ecc", {"HostMemoryErrors": 60}),
    Proof("filesystem-read-only", {"HostFilesystemReadOnly": 60}),
    Proof("mirror-disk-failed", {"HostMirrorDegraded": 30}),
    Proof("job-crash", {"JobCrashed": 30}),
    Proof("software-hang", {"JobStalled": 60, "CollectiveHang": 120, "JobCrashed": 210}),
    Proof("data-loader-slow", {"JobSlow": 120}),
    Proof("checkpoint-storm", {"JobCheckpointOverhead": 510}, watch=540),
    Proof(
        "request-surge",
        {"RequestsQueueing": 150, "FirstTokenLate": 180, "RequestsAborted": 210, "TokensSlow": 270},
        watch=300,
    ),
    Proof("container-crash-loop", {"JobsFailing": 240}, watch=300),
    Proof("scheduler-stuck", {"SchedulerNotPlacing": 480}, watch=540),
    Proof("gateway-silent", {"RackSilent": 30, "ScrapeTargetMissing": 90}),
    Proof("frames-lost", {"FramesLost": 30}),
    Proof("clock-skew", {"ClockSkewed": 60, "HostClockOff": 90}),
    Proof("sensor-stuck", {"GpuSensorStuck": 390}, watch=390),
    Proof("sensor-drift", {"CoolantAboveOthers": 450, "CoolantThermometerOff": 660}, watch=750),
    Proof("sensor-noise", {"FlowMeterNoisy": 120}),
)
"""A proof for every fault, in the order of ``FAULTS``."""
