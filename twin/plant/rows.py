"""Random numbers of a part of the site that do not depend on the part.

A device must have the same spread and the same noise whichever shard it is in. So a part
draws for the whole site, in the order in which the whole site would, and keeps its rows:
a million normal numbers are 8 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["random_rows"]


class RowsOfRandom(np.random.Generator):
    """A generator whose arrays are rows of those that the whole site gets.

    An array that is asked for with one row a unit of the part is drawn with one row a unit
    of the site, of which the part's are returned. Whatever else is drawn is the part's own.

    Args:
        bits: where the bits come from.
        rows: the part's units by their index on the site.
        count: units of the site.
    """

    def __init__(self, bits: np.random.BitGenerator, rows: NDArray[np.intp], count: int) -> None:
        super().__init__(bits)
        self._rows, self._count = rows, count

    def __reduce__(self) -> tuple[Any, ...]:
        return RowsOfRandom, (self.bit_generator, self._rows, self._count)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        return self._cut(super().normal(loc, scale, self._of_site(size)), size)

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._cut(super().standard_normal(self._of_site(size), dtype, out), size)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self._cut(super().uniform(low, high, self._of_site(size)), size)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._cut(super().random(self._of_site(size), dtype, out), size)

    def _of_part(self, size: Any) -> bool:
        return isinstance(size, tuple) and len(size) == 2 and size[0] == len(self._rows)  # noqa: PLR2004 - units and devices

    def _of_site(self, size: Any) -> Any:
        return (self._count, *size[1:]) if self._of_part(size) else size

    def _cut(self, values: Any, size: Any) -> Any:
        return values[self._rows] if self._of_part(size) else values


def random_rows(seed: list[int], rows: NDArray[np.intp] | None, count: int) -> np.random.Generator:
    """Return a generator for some rows of a site, or for all.

    Args:
        seed: of the whole site's random numbers.
        rows: units of the part by their index on the site, None for all.
        count: units of the site.
    """
    if rows is None:
        return np.random.default_rng(seed)
    return RowsOfRandom(np.random.default_rng(seed).bit_generator, rows, count)
