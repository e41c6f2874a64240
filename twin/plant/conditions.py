"""Conditions of the plant: the one input that faults write and physics reads."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from twin.catalog import (
    CDU_PSU,
    CHILLER,
    GRID,
    LEAF,
    NIC,
    PDU,
    PSU,
    PUMP,
    SERVER,
    SPINE,
    UnitKind,
)
from twin.site import Layout

__all__ = ["Conditions"]

Flags = NDArray[np.bool_]

_OF_ARRAYS = frozenset({"leaf_available"})
_OF_NO_ARRAY = frozenset({
    "spine_available", "adaptive_routing", "service_available", "storage_speed",
    "chiller_available", "water_excess", "outdoor_excess", "megapack_available",
    "megapack_power_ratio", "genset_available", "genset_startable", "grid_available",
    "grid_voltage", "grid_frequency_offset", "job_sound", "job_synchronous", "job_input_ratio",
    "job_checkpoint_seconds",
})  # fmt: skip
"""Conditions that have no row a rack."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """The health of every device, True where it is as it should be.

    Attributes:
        gpu_attached: (racks, GPUs a rack): the GPU answers on its bus.
        gpu_responding: (racks, GPUs a rack): its kernels come to an end.
        gpu_xid: (racks, GPUs a rack): XID whose cause is present, 0 for none.
        gpu_clock_limit: (racks, GPUs a rack): greatest clock over full clock.
        gpu_thermal_resistance: (racks, GPUs a rack): die to coolant, over normal.
        gpu_single_bit_per_second: (racks, GPUs a rack): correctable ECC errors a second.
        gpu_pcie_replays_per_second: (racks, GPUs a rack): replays on its PCIe link a second.
        nvlink_errors_per_second: (racks, GPUs a rack): CRC errors on its NVLinks a second.
        power_brake_released: (racks, servers a rack): the brake pin of the GPUs is not asserted.
        dcgm_running: (racks, servers a rack): the server's dcgm-exporter answers.
        nic_link: (racks, NICs a rack): the port can hold its link.
        nic_rate: (racks, NICs a rack): link rate over nominal.
        nic_loss: (racks, NICs a rack): share of the packets to the port that its cable loses.
        nic_pause: (racks, NICs a rack): share of the time in which the port sends pause frames.
        nic_dimming: (racks, NICs a rack): received light lost in dB.
        leaf_available: (arrays, rails): the leaf switch runs.
        spine_available: (planes, spines a plane): the spine switch runs.
        adaptive_routing: (1,): the fabric routes adaptively, where the site has it.
        service_available: (service racks,): the rack has power.
        storage_speed: (service racks,): throughput of the storage over its rating.
        pump_available: (racks, pumps a rack): the pump can run.
        pump_head: (racks, pumps a rack): head of the pump over that of a new one.
        cdu_psu_ok: (racks, supplies a rack): the coolant unit's power supply delivers.
        filter_resistance: (racks,): resistance of the coolant filter over a clean one's.
        exchanger_fouling: (racks,): thermal resistance of the exchanger over a clean one's.
        coolant_leak: (racks,): coolant lost in L/min.
        valve_stuck_at: (racks,): opening at which the facility valve hangs, -1 where it moves.
        chiller_available: (chillers,): the chiller can run.
        water_excess: (1,): facility water set point above what it should be in K.
        outdoor_excess: (1,): outdoor temperature above the season's in K.
        server_available: (racks, servers a rack): the server can run.
        server_cap: (racks, servers a rack): greatest power at its inlets in W.
        psu_available: (racks, power supplies a rack): the supply delivers.
        pdu_breaker: (racks, PDUs a rack): the breaker is closed.
        pdu_phase_load: (racks, phases a rack): load of the phase over its even share.
        megapack_available: (Megapacks,): the unit can connect.
        megapack_power_ratio: (Megapacks,): power limit over rated power.
        genset_available: (generators,): no protection holds the unit.
        genset_startable: (generators,): the engine fires.
        grid_available: (feeds,): the utility serves the feed.
        grid_voltage: (feeds,): voltage over normal.
        grid_frequency_offset: (1,): deviation of the frequency in Hz.
        job_sound: (jobs,): the job's own code does not fail.
        job_synchronous: (jobs,): every rank of it enters the collectives.
        job_input_ratio: (jobs,): rate of its input over what it needs.
        job_checkpoint_seconds: (jobs,): time between its checkpoints, infinite for as configured.
        gateway_reporting: (racks,): the rack's gateway publishes.
        frame_loss: (racks,): share of the gateway's frames that is lost on the way.
        clock_skew: (racks,): seconds that the gateway's clock is ahead.
        gpu_sensor_stuck: (racks, GPUs a rack): temperature and power readings freeze.
        supply_sensor_drift: (racks,): error of the supply thermometer in K.
        flow_noise: (racks,): standard deviation of the flow reading over the flow.
    """

    gpu_attached: Flags
    gpu_responding: Flags
    gpu_xid: NDArray[np.int16]
    gpu_clock_limit: NDArray[np.float32]
    gpu_thermal_resistance: NDArray[np.float32]
    gpu_single_bit_per_second: NDArray[np.float32]
    gpu_pcie_replays_per_second: NDArray[np.float32]
    nvlink_errors_per_second: NDArray[np.float32]
    power_brake_released: Flags
    dcgm_running: Flags
    nic_link: Flags
    nic_rate: NDArray[np.float32]
    nic_loss: NDArray[np.float32]
    nic_pause: NDArray[np.float32]
    nic_dimming: NDArray[np.float32]
    leaf_available: Flags
    spine_available: Flags
    adaptive_routing: Flags
    service_available: Flags
    storage_speed: NDArray[np.float64]
    pump_available: Flags
    pump_head: NDArray[np.float64]
    cdu_psu_ok: Flags
    filter_resistance: NDArray[np.float64]
    exchanger_fouling: NDArray[np.float64]
    coolant_leak: NDArray[np.float64]
    valve_stuck_at: NDArray[np.float64]
    chiller_available: Flags
    water_excess: NDArray[np.float64]
    outdoor_excess: NDArray[np.float64]
    server_available: Flags
    server_cap: NDArray[np.float64]
    psu_available: Flags
    pdu_breaker: Flags
    pdu_phase_load: NDArray[np.float64]
    megapack_available: Flags
    megapack_power_ratio: NDArray[np.float64]
    genset_available: Flags
    genset_startable: Flags
    grid_available: Flags
    grid_voltage: NDArray[np.float64]
    grid_frequency_offset: NDArray[np.float64]
    job_sound: Flags
    job_synchronous: Flags
    job_input_ratio: NDArray[np.float64]
    job_checkpoint_seconds: NDArray[np.float64]
    gateway_reporting: Flags
    frame_loss: NDArray[np.float64]
    clock_skew: NDArray[np.float64]
    gpu_sensor_stuck: Flags
    supply_sensor_drift: NDArray[np.float64]
    flow_noise: NDArray[np.float64]

    def of_part(self, racks: NDArray[np.intp], arrays: NDArray[np.intp]) -> Conditions:
        """Return the conditions of a part of the site; what stands in no array stays whole.

        Args:
            racks: of the part, by their index on the site.
            arrays: of the part, likewise.
        """
        own = {
            field.name: getattr(self, field.name)[racks]
            for field in fields(self)
            if field.name not in _OF_NO_ARRAY and field.name not in _OF_ARRAYS
        }
        own |= {name: getattr(self, name)[arrays] for name in _OF_ARRAYS}
        return replace(self, **own)

    @classmethod
    def healthy(cls, layout: Layout) -> Conditions:
        """Return the conditions of a site without any fault; the arrays may be written to."""
        return cls(
            gpu_attached=np.ones(layout.accelerators, dtype=np.bool_),
            gpu_responding=np.ones(layout.accelerators, dtype=np.bool_),
            gpu_xid=np.zeros(layout.accelerators, dtype=np.int16),
            gpu_clock_limit=np.ones(layout.accelerators, dtype=np.float32),
            gpu_thermal_resistance=np.ones(layout.accelerators, dtype=np.float32),
            gpu_single_bit_per_second=np.zeros(layout.accelerators, dtype=np.float32),
            gpu_pcie_replays_per_second=np.zeros(layout.accelerators, dtype=np.float32),
            nvlink_errors_per_second=np.zeros(layout.accelerators, dtype=np.float32),
            power_brake_released=np.ones(layout.shape(SERVER), dtype=np.bool_),
            dcgm_running=np.ones(layout.shape(SERVER), dtype=np.bool_),
            nic_link=np.ones(layout.shape(NIC), dtype=np.bool_),
            nic_rate=np.ones(layout.shape(NIC), dtype=np.float32),
            nic_loss=np.zeros(layout.shape(NIC), dtype=np.float32),
            nic_pause=np.zeros(layout.shape(NIC), dtype=np.float32),
            nic_dimming=np.zeros(layout.shape(NIC), dtype=np.float32),
            leaf_available=np.ones(layout.shape(LEAF), dtype=np.bool_),
            spine_available=np.ones(layout.shape(SPINE), dtype=np.bool_),
            adaptive_routing=np.ones(1, dtype=np.bool_),
            service_available=np.ones(layout.units(UnitKind.SERVICE), dtype=np.bool_),
            storage_speed=np.ones(layout.units(UnitKind.SERVICE)),
            pump_available=np.ones(layout.shape(PUMP), dtype=np.bool_),
            pump_head=np.ones(layout.shape(PUMP)),
            cdu_psu_ok=np.ones(layout.shape(CDU_PSU), dtype=np.bool_),
            filter_resistance=np.ones(layout.units(UnitKind.RACK)),
            exchanger_fouling=np.ones(layout.units(UnitKind.RACK)),
            coolant_leak=np.zeros(layout.units(UnitKind.RACK)),
            valve_stuck_at=np.full(layout.units(UnitKind.RACK), -1.0),
            chiller_available=np.ones(layout.per_unit(CHILLER), dtype=np.bool_),
            water_excess=np.zeros(1),
            outdoor_excess=np.zeros(1),
            server_available=np.ones(layout.shape(SERVER), dtype=np.bool_),
            server_cap=np.full(layout.shape(SERVER), np.inf),
            psu_available=np.ones(layout.shape(PSU), dtype=np.bool_),
            pdu_breaker=np.ones((layout.site.racks, layout.site.pdus_per_rack), dtype=np.bool_),
            pdu_phase_load=np.ones(layout.shape(PDU)),
            megapack_available=np.ones(layout.units(UnitKind.MEGAPACK), dtype=np.bool_),
            megapack_power_ratio=np.ones(layout.units(UnitKind.MEGAPACK)),
            genset_available=np.ones(layout.units(UnitKind.GENSET), dtype=np.bool_),
            genset_startable=np.ones(layout.units(UnitKind.GENSET), dtype=np.bool_),
            grid_available=np.ones(layout.per_unit(GRID), dtype=np.bool_),
            grid_voltage=np.ones(layout.per_unit(GRID)),
            grid_frequency_offset=np.zeros(1),
            job_sound=np.ones(layout.units(UnitKind.JOB), dtype=np.bool_),
            job_synchronous=np.ones(layout.units(UnitKind.JOB), dtype=np.bool_),
            job_input_ratio=np.ones(layout.units(UnitKind.JOB)),
            job_checkpoint_seconds=np.full(layout.units(UnitKind.JOB), np.inf),
            gateway_reporting=np.ones(layout.units(UnitKind.RACK), dtype=np.bool_),
            frame_loss=np.zeros(layout.units(UnitKind.RACK)),
            clock_skew=np.zeros(layout.units(UnitKind.RACK)),
            gpu_sensor_stuck=np.zeros(layout.accelerators, dtype=np.bool_),
            supply_sensor_drift=np.zeros(layout.units(UnitKind.RACK)),
            flow_noise=np.zeros(layout.units(UnitKind.RACK)),
        )
