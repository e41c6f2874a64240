"""GPU instances of partitioned GPUs (MIG), as NVIDIA's driver cuts them.

A GPU has eight slices of memory and seven of compute. A profile such as ``3g.40gb`` names its
slices of compute and its memory, and has fixed places on the slices (NVIDIA's MIG user guide,
supported profiles). The number of an instance follows from its place: 0 is the whole GPU, 1 and 2
its halves, 3 to 6 the quarters, 7 to 14 the eighths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["GpuInstance", "MigView", "partition", "whole_of"]

_SLICES = 8
_PROFILE = re.compile(r"([1-7])g\.(\d{1,4})gb")
_STARTS = {
    (1, 1): range(7),
    (1, 2): range(0, 8, 2),
    (2, 2): range(0, 6, 2),
    (3, 4): range(0, 8, 4),
    (4, 4): range(0, 4, 4),
    (7, 8): range(0, 8, 8),
}
"""First memory slices that a profile may have, by its slices of compute and of memory."""


class MigView(StrEnum):
    """What dcgm-exporter shows of a field on the instances of a GPU."""

    BOARD = "board"
    """Each instance has the value of the GPU."""
    MEMORY = "memory"
    """Each has its part of the framebuffer."""
    NONE = "none"
    """No instance has it, and so neither has the GPU."""


@dataclass(frozen=True, slots=True)
class GpuInstance:
    """An instance of a partitioned GPU.

    Attributes:
        profile: name of its profile.
        number: its ``GPU_I_ID``.
        memory: its share of the framebuffer.
    """

    profile: str
    number: int
    memory: float


def whole_of(profiles: Sequence[str]) -> int:
    """Return the memory in the name of the profile that has all of a GPU."""
    return max((int(match[2]) for match in map(_PROFILE.fullmatch, profiles) if match), default=0)


def partition(wanted: Sequence[str], profiles: Sequence[str]) -> tuple[GpuInstance, ...] | None:
    """Return the instances that a GPU is cut into, None where they have no place beside another.

    Args:
        wanted: their profiles, all of them among ``profiles``.
        profiles: that the model has.
    """
    whole = whole_of(profiles)
    sizes = {profile: _size(profile, whole) for profile in wanted}
    order = sorted(wanted, key=lambda profile: (-sizes[profile][1], -sizes[profile][0]))
    placed = next(_placed(order, sizes, 0), None)
    if placed is None:
        return None
    found = (
        GpuInstance(
            profile,
            _SLICES // sizes[profile][1] - 1 + start // sizes[profile][1],
            sizes[profile][1] / _SLICES,
        )
        for profile, start in zip(order, placed, strict=True)
    )
    return tuple(sorted(found, key=lambda own: own.number))


def _size(profile: str, whole: int) -> tuple[int, int]:
    """Return the slices of compute and of memory of a profile."""
    match = _PROFILE.fullmatch(profile)
    if match is None:
        return 0, 0
    slices = round(_SLICES * int(match[2]) / whole)
    return int(match[1]), min((1, 2, 4, 8), key=lambda size: abs(size - slices))


def _placed(
    order: Sequence[str], sizes: dict[str, tuple[int, int]], taken: int
) -> Iterator[tuple[int, ...]]:
    """Yield the first slices of these profiles, one by one, where ``taken`` are not free."""
    if not order:
        yield ()
        return
    size = sizes[order[0]]
    for start in _STARTS.get(size, range(0)):
        slices = ((1 << size[1]) - 1) << start
        if not taken & slices:
            for rest in _placed(order[1:], sizes, taken | slices):
                yield (start, *rest)
