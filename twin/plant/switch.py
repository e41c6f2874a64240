"""Switches in general, and the spines, which serve all arrays together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import LEAF, SPINE
from twin.plant.units import Floats, all_of, lag, sum_of
from twin.site import Layout

__all__ = ["ASIC_SECONDS", "IDLE_CELSIUS", "RISE_KELVIN", "Octets", "Spines", "known"]

IDLE_CELSIUS, RISE_KELVIN = 44.0, 18.0
"""ASIC without traffic, and its rise at full traffic, est."""
ASIC_SECONDS = 40.0


@dataclass(slots=True)
class Octets:
    """Running totals of switches."""

    received: Floats
    transmitted: Floats

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Octets:
        """Return the totals of switches without traffic."""
        return cls(np.zeros(shape), np.zeros(shape))


class Spines:
    """State of all spines, (planes, spines a plane).

    Args:
        layout: the whole site.
        rng: of the fabric; the leaves' numbers come before the spines'.
    """

    def __init__(self, layout: Layout, rng: np.random.Generator) -> None:
        self._network = layout.site.network
        self._tiers = layout.site.fabric.tiers
        shape = layout.shape(SPINE)
        rng.normal(0.0, 1.0, layout.shape(LEAF))
        self._base = IDLE_CELSIUS + rng.normal(0.0, 1.0, shape)
        self._rise: Floats = np.zeros(shape)
        self._load: Floats = np.zeros(shape)
        self._octets = Octets.zeros(shape)
        self.up = np.ones(shape, dtype=np.bool_)

    def step(self, into: Floats, from_: Floats, up: NDArray[np.bool_], dt: float) -> None:
        """Carry for ``dt`` seconds.

        Args:
            into: bytes that leaves sent to each spine.
            from_: bytes that each spine sent to leaves.
            up: spines that run.
            dt: step in s.
        """
        self.up = up
        if self._tiers == 2:  # noqa: PLR2004 - as in FabricShape
            self._octets.received += into
            self._octets.transmitted += from_
        else:
            # What a spine takes from its leaves it hands to the third tier, and back.
            self._octets.received += into + from_
            self._octets.transmitted += into + from_
        ports = self._network.spine_ports * self._network.uplink_bytes_per_second
        self._load = into / (max(dt, 1e-9) * ports)
        self._rise += (RISE_KELVIN * self._load - self._rise) * lag(dt, ASIC_SECONDS)

    @property
    def power(self) -> float:
        """Electrical power of all spines in W."""
        return sum_of(self._power())

    def _power(self) -> Floats:
        network = self._network
        drawn = network.switch_idle_watts + network.switch_traffic_watts * self._load
        return drawn if all_of(self.up) else np.where(self.up, drawn, 0.0)

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's spine class, NaN where a spine is down."""
        values = {
            "power": self._power(),
            "temperature": self._base + self._rise,
            "rx_bytes": self._octets.received,
            "tx_bytes": self._octets.transmitted,
        }
        return {"up": self.up.astype(float), **known(values, self.up)}


def known(values: dict[str, Floats], up: NDArray[np.bool_]) -> dict[str, Floats]:
    """Return the values with NaN where the switch is down."""
    if up.all():
        return values
    return {name: np.where(up, value, np.nan) for name, value in values.items()}
