"""PCIe: bytes between the GPUs of a server and its NICs.

A rail is that of the GPUs beside it, which read and write it without the host (GPUDirect);
what goes to storage and comes from it is spread over all GPUs of the server. So what leaves
a server has crossed the PCIe of its GPUs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin.plant.nic import Nics
from twin.plant.units import Floats

__all__ = ["NO_TRAFFIC", "PcieTraffic"]

_PACKET_RATIO = 1.09
"""Bytes on PCIe over the payload: headers of packets of 256 B."""
_PROCESS_BYTES_PER_SECOND = 4e7
"""What a process exchanges with its GPU beside all else, est.: launches, losses, batches."""
_IDLE_RATIO = 0.01
"""Share of it without a process, est.: the driver and DCGM read the GPU."""


class PcieTraffic(NamedTuple):
    """What each GPU sends to the NICs of its server and receives from them in B/s.

    Attributes:
        sent: (racks, GPUs a rack); 0 for nothing.
        received: the same.
    """

    sent: Floats | float
    received: Floats | float

    @classmethod
    def of(cls, nics: Nics, rails: int, gpus: int) -> PcieTraffic:
        """Return the traffic of this moment.

        Args:
            nics: of the site.
            rails: of a server.
            gpus: of a server.
        """
        racks = nics.sending.shape[0]
        return cls(
            *(
                _over_gpus(ports.reshape(racks, -1, nics.per_server), rails, gpus)
                for ports in (nics.sending, nics.receiving)
            )
        )

    def outputs(self, busy: Floats) -> dict[str, Floats]:
        """Return the PCIe signals of the catalogue's GPU class.

        Args:
            busy: share of the time in which a kernel is resident.
        """
        processes = _PROCESS_BYTES_PER_SECOND * np.maximum(busy, _IDLE_RATIO)
        return {
            "pcie_tx": _PACKET_RATIO * self.sent + processes,
            "pcie_rx": _PACKET_RATIO * self.received + processes,
        }


NO_TRAFFIC = PcieTraffic(0.0, 0.0)


def _over_gpus(ports: Floats, rails: int, gpus: int) -> Floats:
    """Return the traffic of each GPU, (racks, GPUs a rack), from (racks, servers, NICs)."""
    own = np.arange(gpus) * rails // gpus
    sharing = np.bincount(own, minlength=rails)
    served = ports[..., :rails] / np.maximum(sharing, 1).astype(np.float32)
    # Rails that no GPU is beside, and storage, are everyone's.
    rest = ports[..., :rails][..., sharing == 0].sum(axis=-1) + ports[..., rails:].sum(axis=-1)
    each: Floats = served[..., own] + (rest / gpus)[..., None]
    return each.reshape(ports.shape[0], -1)
