"""NumPy for formulas of the catalogue: imported when the first of them computes something.

Commands that only read the catalogue, such as ``twin metrics``, start without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

__all__ = ["Values", "np"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
else:

    class _LazyNumpy:
        def __getattr__(self, name: str) -> object:
            import numpy  # noqa: ICN001, PLC0415 - see above

            return getattr(numpy, name)

    np = _LazyNumpy()

Values: TypeAlias = "NDArray[np.float64]"
"""Values of devices or of their series."""
