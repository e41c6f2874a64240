"""Recipes of datasets: which faults, how bad, and the signals in which they may be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

__all__ = ["RECIPES", "FaultChoice", "Recipe"]


@dataclass(frozen=True, slots=True)
class FaultChoice:
    """A kind of fault that a recipe injects.

    Attributes:
        kind: as ``twin faults`` lists it.
        parameter: that says how bad it is; empty for a fault that has no degrees.
        mild: its value in the mildest case.
        severe: its value in the worst case.
        seconds: shortest and longest duration.
    """

    kind: str
    parameter: str = ""
    mild: float = 0.0
    severe: float = 0.0
    seconds: tuple[float, float] = (900.0, 2700.0)

    def value(self, degree: float) -> float:
        """Return the parameter of a case between the mildest, 0, and the worst, 1."""
        return round(self.mild + degree * (self.severe - self.mild), 6)

    def degree_of(self, value: float) -> float:
        """Return how bad a value of the parameter is, from 0 to 1 within the range."""
        return (value - self.mild) / (self.severe - self.mild)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a dataset is about.

    Attributes:
        name: on the command line.
        title: in a few words.
        about: what its user learns to find.
        faults: that are injected.
        signals: by device class, the signals that are written.
        site: keys of the site file that make it suit.
        limits: what the data do not show, beyond what holds for all datasets.
    """

    name: str
    title: str
    about: str
    faults: tuple[FaultChoice, ...]
    signals: Mapping[str, tuple[str, ...]]
    site: Mapping[str, object] = field(default_factory=dict)
    limits: tuple[str, ...] = ()


_RACKS = {
    "racks": 4, "racks_per_array": 4, "servers_per_rack": 4, "megapacks": {"count": 2},
}  # fmt: skip

_ALL = (
    Recipe(
        "gpu-thermal",
        "GPU thermal faults",
        "Find the rack, and the GPU, whose cooling is no longer what it was, before GPUs throttle.",
        (
            FaultChoice("gpu-cold-plate", "resistance", 1.5, 4.0),
            FaultChoice("heat-exchanger-fouling", "resistance", 1.5, 4.0, (1800.0, 3600.0)),
            FaultChoice("filter-clogging", "resistance", 15.0, 80.0, (1800.0, 3600.0)),
            FaultChoice("valve-stuck", "opening", 0.3, 0.1, (900.0, 1800.0)),
            FaultChoice("pump-degraded", "head", 0.9, 0.5),
            FaultChoice("pump-failure"),
        ),
        {
            "gpu": ("gpu_temp", "memory_temp", "power_usage", "sm_clock", "gpu_util"),
            "cdu": (
                "flow", "supply_temperature", "return_temperature", "differential_pressure",
                "filter_pressure", "heat_removed", "facility_flow", "valve_position",
                "valve_command", "power",
            ),
            "pump": ("speed", "power"),
        },
        _RACKS,
        ("Dies, memory and coolant have one temperature each; there are no gradients on a die.",),
    ),
    Recipe(
        "network-stragglers",
        "Network stragglers",
        "Find the rack, and the port, that slows a synchronous job down.",
        (
            FaultChoice("nic-degraded-rate", "ratio", 0.9, 0.2),
            FaultChoice("packet-loss", "ratio", 0.0002, 0.005),
            FaultChoice("optic-ageing", "decibels", 4.0, 12.0, (1800.0, 2700.0)),
            FaultChoice("pfc-storm", "share", 0.3, 0.9, (600.0, 1800.0)),
            FaultChoice("nic-flap", "down", 2.0, 15.0, (600.0, 1800.0)),
            FaultChoice("gpu-slow", "ratio", 0.95, 0.6),
        ),
        {
            "gpu": ("gpu_util", "sm_clock", "power_usage", "tensor_active"),
            "nic": (
                "rx_bytes", "tx_bytes", "tx_wait", "link_downed", "symbol_errors", "cnp_sent",
                "out_of_sequence", "ack_timeouts", "rx_pause", "tx_pause", "corrected_bits_phy",
                "laser_rx_power", "module_temperature",
            ),
            "job": ("step_seconds", "pace", "goodput"),
        },
        _RACKS,
        ("A slow GPU is among the faults: it slows the job without a trace in the network.",),
    ),
    Recipe(
        "power-quality",
        "Power quality",
        "Find disturbances of the grid and of the site's own supply, and what they strike.",
        (
            FaultChoice("grid-sag", "voltage", 0.95, 0.75, (120.0, 600.0)),
            FaultChoice("grid-frequency", "hertz", -0.2, -1.5, (120.0, 900.0)),
            FaultChoice("megapack-derate", "ratio", 0.8, 0.1),
            FaultChoice("megapack-trip", seconds=(600.0, 1800.0)),
            FaultChoice("pdu-phase-imbalance", "load", 1.2, 2.0),
            FaultChoice("psu-failure"),
        ),
        {
            "grid": ("power", "voltage", "frequency", "ramp", "swing"),
            "facility": ("power", "it_power", "cooling_power", "load_swing"),
            "megapack": (
                "power", "soc", "max_discharge", "max_charge", "voltage", "frequency",
            ),
            "pdu": ("current", "voltage", "power"),
            "psu": ("input_power", "output_power"),
            "server": ("power",),
        },
        _RACKS,
        ("Values are of the second before a sample; there are no harmonics and no transients.",),
    ),
)  # fmt: skip

RECIPES: Mapping[str, Recipe] = MappingProxyType({recipe.name: recipe for recipe in _ALL})
"""All recipes by name."""
