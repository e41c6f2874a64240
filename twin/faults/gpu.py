"""Faults of GPUs, their links and their exporter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from twin.catalog import XID_TEXT
from twin.faults.base import Fault, FaultContext

if TYPE_CHECKING:
    from twin.site import Layout, Target

__all__ = [
    "DcgmExporterDown",
    "GpuColdPlate",
    "GpuDoubleBit",
    "GpuHang",
    "GpuOffBus",
    "GpuPcieReplay",
    "GpuPowerBrake",
    "GpuRowRemapFailure",
    "GpuSingleBit",
    "GpuSlow",
    "GpuXid",
    "GspTimeout",
    "NvlinkError",
    "NvswitchFailure",
]

_OFF_BUS = 79
_DOUBLE_BIT = 48
_REMAP_FAILURE = 64
_GSP_TIMEOUT = 119
_SWITCH_ERRORS = 5.0
"""Error rate on the links to a failed switch as a multiple of the rate that ends a job, est."""
_STALLS = (
    "The GPU drops to idle power at 0 % utilisation, the job stalls, and every other GPU shows "
    "100 % at about 157 W. When the fault ends, the GPU is reset: the code goes back to 0 and "
    "the job restarts from its checkpoint."
)


def _raise(context: FaultContext, code: int) -> None:
    context.conditions.gpu_xid[context.place] = code


def _without_nvlink(layout: Layout, target: Target) -> str | None:
    """Return the refusal of a rack whose GPUs have no NVLink, None if they have it."""
    model = layout.entire.site.gpu_model(target.unit)
    return None if model.nvlink_bytes_per_second else f"the {model.name} has no NVLink"


def _in_server(layout: Layout, target: Target) -> str | None:
    """Return the refusal of a server that has no NVLink switches of its own, None if it has."""
    if layout.entire.site.nvlink.switch_trays:
        return "its NVLinks end at the switch trays of the rack; use switch-tray-down"
    return _without_nvlink(layout, target)


class GpuOffBus(Fault):
    """A GPU falls off the PCIe bus: XID 79."""

    kind = "gpu-off-bus"
    system = "gpu"
    title = "a GPU falls off the bus (XID 79)"
    target = "gpu"
    default_target = "r0001/n1/gpu0"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "All series of the GPU vanish while `up` of its exporter stays 1: seven GPUs report "
        "instead of eight. Only DCGM_FI_DEV_XID_ERRORS remains, at 79, for the 30 s until DCGM's "
        "next collection, which blanks every field of a lost GPU (NVIDIA/DCGM, "
        "DcgmCacheManager.cpp): a rule on 79 with a longer `for` never fires. The job stalls, "
        "every other GPU shows 100 % utilisation at about 157 W, and once the GPU is back the job "
        "restarts from its checkpoint."
    )

    def apply(self, context: FaultContext) -> None:
        """Take the GPU off its bus."""
        context.conditions.gpu_attached[context.place] = False


class GpuXid(Fault):
    """A GPU raises an XID that you choose."""

    kind = "gpu-xid"
    system = "gpu"
    title = "a GPU raises an XID"
    target = "gpu"
    default_target = "r0001/n1/gpu1"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "DCGM_FI_DEV_XID_ERRORS of the GPU is the code, with its text in err_msg, until the GPU is "
        "reset or its exporter restarts (NVIDIA/dcgm-exporter issue 500). After 13, 31, 43, 45 "
        "(user code), 63 and 94 (contained ECC errors) the job restarts at once, and the code "
        "stays even after the fault ends; 92 is a warning and stays too. After any other code the "
        "GPU does no work and the job stalls until the fault ends, which resets the GPU."
    )

    code: Annotated[int, Field(ge=1, le=255)] = 31
    """XID: 13, 31, 43, 45, 48, 63, 64, 74, 92, 94, 95, 119, 120, 140, 145 or 149."""

    @field_validator("code")
    @classmethod
    def _known(cls, code: int) -> int:
        from twin.plant import (  # noqa: PLC0415 - describing faults needs no plant
            ENDS_APPLICATION,
            NEEDS_RESET,
            WARNS,
        )

        codes = sorted((NEEDS_RESET | ENDS_APPLICATION | WARNS) - {_OFF_BUS})
        if code not in codes:
            known = ", ".join(str(known) for known in codes)
            raise ValueError(f"the XIDs are {known}; 79 is the fault {GpuOffBus.kind}")
        return code

    def apply(self, context: FaultContext) -> None:
        """Raise the code."""
        _raise(context, self.code)


class GpuSingleBit(Fault):
    """A GPU's memory has correctable errors."""

    kind = "gpu-ecc-single-bit"
    system = "gpu"
    title = "a GPU's memory has single-bit errors"
    target = "gpu"
    default_target = "r0001/n1/gpu3"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL and _AGG_TOTAL rise, and now and then "
        "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS; the job is not affected."
    )

    rate: Annotated[float, Field(gt=0, le=100_000)] = 5.0
    """Corrected errors a second."""

    def apply(self, context: FaultContext) -> None:
        """Set the error rate."""
        context.conditions.gpu_single_bit_per_second[context.place] = self.rate


class GpuDoubleBit(Fault):
    """A GPU's memory has an uncorrectable error: XID 48."""

    kind = "gpu-double-bit"
    system = "gpu"
    title = "a GPU's memory has a double-bit error (XID 48)"
    target = "gpu"
    default_target = "r0001/n1/gpu4"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        f"XID {_DOUBLE_BIT} ({XID_TEXT[_DOUBLE_BIT]}); DCGM_FI_DEV_ECC_DBE_VOL_TOTAL, _AGG_TOTAL "
        f"and DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS rise by one. {_STALLS}"
    )

    def apply(self, context: FaultContext) -> None:
        """Raise XID 48."""
        _raise(context, _DOUBLE_BIT)


class GpuRowRemapFailure(Fault):
    """A memory row of a GPU fails and no spare row is left: XID 64."""

    kind = "gpu-row-remap-failure"
    system = "gpu"
    title = "a GPU has no spare memory row left (XID 64)"
    target = "gpu"
    default_target = "r0001/n1/gpu5"
    default_seconds = 3600.0
    severity = "critical"
    shows = (
        f"XID {_REMAP_FAILURE} ({XID_TEXT[_REMAP_FAILURE]}), DCGM_FI_DEV_ROW_REMAP_FAILURE is 1: "
        f"the GPU has to be replaced. {_STALLS}"
    )

    def apply(self, context: FaultContext) -> None:
        """Raise XID 64."""
        _raise(context, _REMAP_FAILURE)


class GspTimeout(Fault):
    """The GPU's system processor does not answer the driver: XID 119."""

    kind = "gsp-timeout"
    system = "gpu"
    title = "a GPU's system processor does not answer (XID 119)"
    target = "gpu"
    default_target = "r0001/n1/gpu6"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        f"XID {_GSP_TIMEOUT} ({XID_TEXT[_GSP_TIMEOUT]}). DCGM then stops querying the driver: "
        "all other series of all GPUs of the host are gone while `up` is 1, until the repair "
        f"restarts the host engine. {_STALLS}"
    )

    def apply(self, context: FaultContext) -> None:
        """Raise XID 119."""
        _raise(context, _GSP_TIMEOUT)


class GpuHang(Fault):
    """A kernel never ends, and no error is raised."""

    kind = "gpu-hang"
    system = "gpu"
    title = "a GPU hangs without an error"
    target = "gpu"
    default_target = "r0001/n1/gpu2"
    default_seconds = 600.0
    severity = "critical"
    shows = (
        "No XID. The job stalls; all GPUs show 100 % utilisation, and the culprit is the one that "
        "draws about 120 W while the others, which wait for it, draw 157 W."
    )

    def apply(self, context: FaultContext) -> None:
        """Let the GPU hang."""
        context.conditions.gpu_responding[context.place] = False


class GpuSlow(Fault):
    """A GPU is stuck at a low clock: a straggler."""

    kind = "gpu-slow"
    system = "gpu"
    title = "a GPU is stuck at a low clock"
    target = "gpu"
    default_target = "r0001/n1/gpu7"
    default_seconds = 900.0
    severity = "warning"
    shows = (
        "One GPU has a low SM clock and low power at a normal temperature, and no violation "
        "counter rises; steps take longer for the whole job, and all other GPUs draw less while "
        "they wait."
    )

    ratio: Annotated[float, Field(gt=0.1, lt=1)] = 0.7
    """Its clock as a fraction of full clock."""

    def apply(self, context: FaultContext) -> None:
        """Limit the clock."""
        limit = context.conditions.gpu_clock_limit
        limit[context.place] = min(float(limit[context.place]), self.ratio)


class GpuColdPlate(Fault):
    """The thermal interface under a GPU's cold plate has dried out."""

    kind = "gpu-cold-plate"
    system = "gpu"
    title = "a GPU's cold plate has poor thermal contact"
    target = "gpu"
    default_target = "r0001/n1/gpu0"
    default_seconds = 1800.0
    severity = "warning"
    shows = (
        "One GPU and its memory are far hotter than the seven beside it at the same power and "
        "coolant temperature; above 95 °C for memory or 87 °C for the die its clock falls, thermal "
        "violation time rises and the whole job slows down."
    )

    resistance: Annotated[float, Field(gt=1, le=20)] = 3.2
    """Thermal resistance from die to coolant as a multiple of normal."""

    def apply(self, context: FaultContext) -> None:
        """Raise the thermal resistance."""
        context.conditions.gpu_thermal_resistance[context.place] *= self.resistance


class GpuPowerBrake(Fault):
    """A server's power brake signal is asserted: its GPUs run at half clock."""

    kind = "gpu-power-brake"
    system = "gpu"
    title = "a server's power brake slows its GPUs"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 300.0
    severity = "critical"
    shows = (
        "All GPUs of the server run at half clock and their power violation time rises, although "
        "they are cool and far below their power limit; the whole job runs at half speed."
    )

    def apply(self, context: FaultContext) -> None:
        """Assert the brake."""
        context.conditions.power_brake_released[context.place] = False


class GpuPcieReplay(Fault):
    """A GPU's PCIe link has bit errors."""

    kind = "gpu-pcie-replay"
    system = "gpu"
    title = "a GPU's PCIe link replays packets"
    target = "gpu"
    default_target = "r0001/n1/gpu1"
    default_seconds = 1800.0
    severity = "warning"
    shows = "DCGM_FI_DEV_PCIE_REPLAY_COUNTER of one GPU rises steadily; the job is not affected."

    rate: Annotated[float, Field(gt=0, le=10_000)] = 2.0
    """Replays a second."""

    def apply(self, context: FaultContext) -> None:
        """Set the replay rate."""
        context.conditions.gpu_pcie_replays_per_second[context.place] = self.rate


class NvlinkError(Fault):
    """A GPU's NVLinks have bit errors; at 200 a second or more, XID 74 ends the job."""

    kind = "nvlink-error"
    system = "gpu"
    title = "a GPU's NVLinks have errors"
    target = "gpu"
    default_target = "r0001/n1/gpu4"
    default_seconds = 900.0
    severity = "critical"
    shows = (
        "CRC, replay and recovery error counters of the GPU's NVLinks rise; its bandwidth falls, "
        "and the job slows down. At 200 errors a second or more the links cannot be trained: XID "
        f"74 ({XID_TEXT[74]}). The job then stalls until the fault ends, which resets the GPU."
    )

    rate: Annotated[float, Field(gt=0, le=10_000)] = 60.0
    """Errors a second."""

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the GPU cannot have this fault, None where it can."""
        return _without_nvlink(layout, target)

    def apply(self, context: FaultContext) -> None:
        """Set the error rate."""
        context.conditions.nvlink_errors_per_second[context.place] = self.rate


class NvswitchFailure(Fault):
    """An NVSwitch of a server fails: the links of all its GPUs go down."""

    kind = "nvswitch-failure"
    system = "gpu"
    title = "an NVSwitch of a server fails"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 1800.0
    severity = "critical"
    shows = (
        "CRC, replay and recovery error counters of all GPUs of one server rise at once, and all "
        f"of them raise XID 74 ({XID_TEXT[74]}) at the same moment, which points to a shared part "
        "and not to one GPU. The job stalls until the time-out and goes on without the server."
    )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the server cannot have this fault, None where it can."""
        return _in_server(layout, target)

    def apply(self, context: FaultContext) -> None:
        """Let every link of the server's GPUs fail."""
        from twin.plant import FATAL_ERRORS_PER_SECOND  # noqa: PLC0415 - as above

        rack, server = context.place
        count = context.layout.site.server.gpus
        links = context.conditions.nvlink_errors_per_second[rack]
        links[server * count : (server + 1) * count] = _SWITCH_ERRORS * FATAL_ERRORS_PER_SECOND


class DcgmExporterDown(Fault):
    """The dcgm-exporter of a server does not answer."""

    kind = "dcgm-exporter-down"
    system = "gpu"
    title = "a server's dcgm-exporter is down"
    target = "server"
    default_target = "r0001/n1"
    default_seconds = 600.0
    severity = "warning"
    shows = (
        '`up{job="dcgm-exporter"}` of the server is 0 and the series of its GPUs vanish, while '
        "the server's power stays the same and the job goes on: the monitoring is broken, not the "
        "GPUs."
    )

    def apply(self, context: FaultContext) -> None:
        """Stop the exporter."""
        context.conditions.dcgm_running[context.place] = False
