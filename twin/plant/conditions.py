"""What is wrong with the plant: the one input that faults write and physics reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import GPU, NIC, PUMP, Frame
from twin.site import Layout

__all__ = ["Conditions"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Conditions:
    """The health of every device, True where it is as it should be.

    Attributes:
        gpu_attached: (racks, GPUs a rack): the GPU answers on its bus.
        nic_link: (racks, NICs a rack): the port can hold its link.
        pump_available: (racks, pumps a rack): the pump can run.
        megapack_available: (Megapacks,): the unit can connect.
        gateway_reporting: (racks,): the rack's gateway publishes.
    """

    gpu_attached: Flags
    nic_link: Flags
    pump_available: Flags
    megapack_available: Flags
    gateway_reporting: Flags

    @classmethod
    def healthy(cls, layout: Layout) -> Conditions:
        """Return the conditions of a site without any fault; the arrays may be written to."""
        return cls(
            gpu_attached=np.ones(layout.shape(GPU), dtype=np.bool_),
            nic_link=np.ones(layout.shape(NIC), dtype=np.bool_),
            pump_available=np.ones(layout.shape(PUMP), dtype=np.bool_),
            megapack_available=np.ones(layout.units(Frame.MEGAPACK), dtype=np.bool_),
            gateway_reporting=np.ones(layout.units(Frame.RACK), dtype=np.bool_),
        )
