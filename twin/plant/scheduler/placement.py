"""Placement of a job: the GPUs that it gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOREIGN", "IDLE", "Places", "place"]

Places = NDArray[np.intp]
IDLE, FOREIGN = -1, -2
"""What stands for the owner of a GPU that no job has, and of one that the scheduler has not."""


def place(
    owner: NDArray[np.int32], usable: NDArray[np.bool_], array: Places, gpus: int
) -> tuple[Places, Places] | None:
    """Return servers and GPUs for a job, None where there is no room.

    A job that fits into a server goes to the fullest one that has room, so that whole servers
    stay free. A larger one gets whole servers: of the array with the fewest free ones that has
    enough, or else of as few arrays as possible.

    Args:
        owner: (servers, GPUs a server): row of the job that has a GPU, negative for none;
            only ``IDLE`` ones are free.
        usable: (servers,): servers that take jobs.
        array: (servers,): the array of each server.
        gpus: that the job asks for; beyond a server's a multiple of them.

    Returns:
        Index arrays of the same length: servers, and GPUs in them.
    """
    per_server = owner.shape[1]
    free = np.where(usable, (owner == IDLE).sum(axis=1), 0)
    if gpus <= per_server:
        fits = free >= gpus
        if not fits.any():
            return None
        server = int(np.argmin(np.where(fits, free, per_server + 1)))
        slots = np.nonzero(owner[server] == IDLE)[0][:gpus]
        return np.full(gpus, server), slots
    whole = np.nonzero(free == per_server)[0]
    servers = -(-gpus // per_server)
    if whole.size < servers:
        return None
    counts = np.bincount(array[whole], minlength=int(array.max()) + 1)
    enough = np.nonzero(counts >= servers)[0]
    if enough.size:
        best = enough[np.argmin(counts[enough])]
        chosen = whole[array[whole] == best][:servers]
    else:
        # Arrays with the most free servers first; within one in order.
        chosen = np.sort(whole[np.lexsort((whole, -counts[array[whole]]))][:servers])
    return np.repeat(chosen, per_server), np.tile(np.arange(per_server), servers)
