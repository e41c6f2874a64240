"""Host state that its devices depend on: power, operating system, power limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = ["HostStates"]


@dataclass(frozen=True, slots=True)
class HostStates:
    """State of all servers while any of them is not as it should be.

    Attributes:
        powered: (racks, servers): at least one power supply delivers.
        up: (racks, servers): powered, and the operating system has booted.
        gpu_limit: (racks, servers): greatest power of each GPU in W, or None where the
            supplies can carry whatever the GPUs draw.
    """

    powered: NDArray[np.bool_]
    up: NDArray[np.bool_]
    gpu_limit: Floats | None
