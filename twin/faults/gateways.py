"""Gateways: the state of the racks' telemetry, apart from the plant's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twin.catalog import UnitKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twin.site import Layout

__all__ = ["Gateways"]


@dataclass(frozen=True, slots=True)
class Gateways:
    """The state of every rack's gateway: arrays with one value per rack.

    Attributes:
        reporting: the gateway publishes.
        frame_loss: share of its frames that is lost in transit.
        clock_skew: seconds that its clock is ahead.
    """

    reporting: NDArray[np.bool_]
    frame_loss: NDArray[np.float64]
    clock_skew: NDArray[np.float64]

    @classmethod
    def healthy(cls, layout: Layout) -> Gateways:
        """Return gateways without any fault; the arrays may be written to."""
        from numpy import bool_, ones, zeros  # noqa: PLC0415 - describing faults needs no arrays

        racks = layout.units(UnitKind.RACK)
        return cls(ones(racks, dtype=bool_), zeros(racks), zeros(racks))
