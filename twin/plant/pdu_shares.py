"""Supplies by PDU of a rack: supply j of a machine hangs on PDU j, in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.units import Floats

__all__ = ["carried_by_pdus", "sum_by_pdu", "with_live_pdus"]


def sum_by_pdu(values: NDArray[np.generic], hung: NDArray[np.intp], pdus: int) -> Floats:
    """Return the sums over the supplies of each PDU, (racks, PDUs).

    Args:
        values: of supplies, (racks, supplies).
        hung: the PDU on which each of them hangs, (supplies,).
        pdus: PDUs of a rack.
    """
    return np.stack([values[:, hung == pdu].sum(axis=1) for pdu in range(pdus)], axis=1)


def with_live_pdus(working: NDArray[np.bool_], live: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the supplies of coolant units that deliver, (racks, supplies).

    Args:
        working: supplies that have not failed, (racks, supplies).
        live: PDUs that are live, (racks, PDUs).
    """
    delivering: NDArray[np.bool_] = working & live[:, _hung(working, live.shape[1])]
    return delivering


def carried_by_pdus(power: Floats, delivering: NDArray[np.bool_] | None, pdus: int) -> Floats:
    """Return what each PDU carries of the coolant units, (racks, PDUs) in W.

    The supplies of a unit that deliver share alike. Of a unit without any, what its power still
    is in the step in which it loses them counts to the first PDU.

    Args:
        power: of each unit in W, (racks,).
        delivering: supplies that deliver, (racks, supplies), None for all.
        pdus: PDUs of a rack.
    """
    if delivering is None:
        return np.repeat(power[:, None] / pdus, pdus, axis=1)
    count = sum_by_pdu(delivering, _hung(delivering, pdus), pdus).astype(np.float64)
    count[:, 0] += count.sum(axis=1) == 0
    shares: Floats = power[:, None] * count / count.sum(axis=1, keepdims=True)
    return shares


def _hung(supplies: NDArray[np.bool_], pdus: int) -> NDArray[np.intp]:
    return np.arange(supplies.shape[1]) % pdus
