"""Functions of the relations of NICs: what a port carries, from its peers in the same job.

In a data-parallel job the ports of a rail carry alike: what one receives its neighbour has sent.
A whole job that is slow, stalls or writes a checkpoint moves all of them together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.parameters import Site
from twin.plant.units import Floats
from twin.shadow.functions import Expected, Memory
from twin.shadow.readings import Moment

__all__ = ["median_of_others", "rails_of", "received_by_port", "sent_by_port"]

_LEAST_PEERS = 8
"""Other servers of a job from which their ports tell what is usual: of fewer, one that is faulty
moves their median."""
_LEAST_RATE = 1e-3
"""Share of the line rate below which a job exchanges nothing."""


_SAME_SPAN = 0.1
"""Difference of spans, and of when they end, over a span, up to which they are the same."""
_USUAL_SECONDS = 1_800.0
"""Time constant with which it is followed when a rack's frames come beside the others'."""


def sent_by_port(m: Moment, state: Memory) -> Expected:
    """Bytes that a port sends from what its peers of the job receive."""
    return _of_peers(m, state, "nic.rx_bytes")


def received_by_port(m: Moment, state: Memory) -> Expected:
    """Bytes that a port receives from what its peers of the job send."""
    return _of_peers(m, state, "nic.tx_bytes")


def rails_of(site: Site) -> int:
    """Return the ports of a server on which jobs exchange; the last one carries storage."""
    return max(1, site.server.nics - 1)


def _of_peers(m: Moment, state: Memory, counter: str) -> Expected:
    """Return the middle of what the same port of the job's other servers carries."""
    site, jobs = m.model.layout.site, m.model.jobs
    rates = m.rate(counter)
    ports = site.server.nics
    rails = rails_of(site)
    by_server = rates.reshape(site.racks, -1, ports)
    usual = np.full(by_server.shape, np.nan)
    for own in jobs.groups():
        usual[own, :rails] = median_of_others(by_server[own][:, :rails], _LEAST_PEERS)
    driven = usual.reshape(rates.shape)
    holds = driven > _LEAST_RATE * site.network.bytes_per_second
    return Expected(0.0, driven, holds=holds & _alike(m, state))


def _alike(m: Moment, state: Memory) -> NDArray[np.bool_]:
    """Return the racks whose frames span the same parts of steps as the others', (racks, 1).

    After a missed frame a span is longer; a rack whose frames come earlier or later beside the
    others' than they used to sees other parts of steps than its calibration has.
    """
    fresh = np.isfinite(m.dt)
    if not fresh.any():
        return fresh
    most = _SAME_SPAN * m.dt
    away = np.where(fresh, m.ts - np.median(m.ts[fresh]), np.nan)
    usual = state.get("away", away)
    usual = np.where(np.isnan(usual), away, usual)
    moved = np.where(fresh, (away - usual) * np.minimum(m.dt / _USUAL_SECONDS, 1.0), 0.0)
    state["away"] = usual + moved
    alike: NDArray[np.bool_] = np.abs(m.dt - np.median(m.dt[fresh])) < most
    return alike & (np.abs(away - usual) < most)


def median_of_others(values: Floats, least: int) -> Floats:
    """Return for each the median of all others of its column, (rows, columns).

    Args:
        values: NaN where there is none.
        least: others that are needed; NaN where they are fewer.
    """
    if len(values) <= least:
        return np.full(values.shape, np.nan)
    columns = np.ascontiguousarray(values.T)
    there = np.isfinite(columns)
    total = there.sum(axis=1, keepdims=True)
    last = columns.shape[1] - 1
    ends = {int(rank) for count in total.ravel() for rank in range(count // 2 - 1, count // 2 + 2)}
    ranked = np.partition(columns, [min(max(rank, 0), last) for rank in ends], axis=1)  # NaN last
    middle = np.full(columns.shape, np.nan)
    for others, where in ((total - 1, there), (total, ~there)):
        if where.any():
            found = _middle(columns, ranked, others)
            np.copyto(middle, found, where=where & (others >= least))
    return middle.T


def _middle(own: Floats, ranked: Floats, others: NDArray[np.int64]) -> Floats:
    """Return the median of so many others of each row, of values that are ranked around it."""
    last, middle = ranked.shape[1] - 1, np.zeros(own.shape)
    for rank in ((others - 1) // 2, others // 2):
        at, after = (
            np.take_along_axis(ranked, np.clip(index, 0, last), axis=1)
            for index in (rank, rank + 1)
        )
        # Without one's own value all that rank above it come one earlier.
        middle += 0.5 * np.where(at >= own, after, at)
    return middle
