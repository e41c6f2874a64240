"""GPU errors: XIDs, ECC counts and remapped rows, and what each does to the job.

An XID is raised once, when its cause begins. Some codes leave the GPU unusable until it
is reset, which is when their cause is over; some end only the application, which can
start again on the same GPU; the rest are warnings. The split follows NVIDIA's XID
catalogue (docs.nvidia.com/deploy/xid-errors).

The last XID stays until the GPU is reset or the exporter restarts, though its cause be
long over: NVIDIA/dcgm-exporter issue 500, NVIDIA/DCGM issue 277. A GPU that falls off
the bus raises XID 79; DCGM records it at once and marks the GPU as lost, so that its
next collection, by default after 30 s, makes every field of the GPU blank, that of the
XID too (NVIDIA/DCGM 4.6.0, dcgmlib/src/DcgmCacheManager.cpp: RecordXidForGpu,
UpdateLostGpus, NVML_ERROR_GPU_IS_LOST).

After XID 119, which DCGM takes for fatal to the driver, it makes no call of the driver any more
until its host engine is restarted: what it polls is blank for all GPUs of the host, while the
exporter answers (the same file, ``__DCGM_FATAL_XIDS__``). XIDs come by the kernel's log and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from twin.plant.error_creep import PCIE_RATE, SINGLE_BIT_RATE, ErrorCreep, Errors, errors_of
from twin.plant.units import Floats, frozen, silenced

__all__ = ["ENDS_APPLICATION", "NEEDS_RESET", "NVLINK_XID", "WARNS", "Codes", "GpuErrors"]

Codes = NDArray[np.int16]

NVLINK_XID = 74
_OFF_BUS_XID = 79
_FATAL_XID = 119
_COLLECT_SECONDS = 30.0
"""Between two collections of dcgm-exporter, its default: as long XID 79 of a lost GPU is shown."""
NEEDS_RESET = frozenset({48, 64, NVLINK_XID, _OFF_BUS_XID, 95, 119, 120, 140, 145, 149})
"""The GPU is unusable until it is reset or replaced."""
ENDS_APPLICATION = frozenset({13, 31, 43, 45, 63, 94})
"""The application ends and can start again on the same GPU: user code, contained ECC errors."""
WARNS = frozenset({92})
"""The application continues."""
_DOUBLE_BIT = frozenset({48, 64, 94, 95, 140})
"""An uncorrectable error comes with these."""
_REMAPS_ROW = frozenset({48, 63, 94, 95, 140})
"""A spare row takes over after these."""
_REMAP_FAILURE = 64
"""No spare row is left."""
_SINGLE_BIT_ERRORS_PER_ROW = 512
"""Single-bit errors after which a row of a GPU is remapped, est."""
_REMAPPED_SHARE = 0.004
"""GPUs that have remapped a row in their life, est."""


def _table(codes: Iterable[int]) -> NDArray[np.bool_]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(codes)] = True
    return table


_IS_RESET = _table(NEEDS_RESET)
_IS_END = _table(ENDS_APPLICATION)
_IS_DOUBLE_BIT = _table(_DOUBLE_BIT)
_IS_REMAP = _table(_REMAPS_ROW)


class GpuErrors:
    """Errors of all GPUs; arrays are (racks, GPUs a rack).

    Volatile counts begin with the driver, aggregate counts with the GPU's life; the
    driver stays loaded when a single GPU is reset, so neither ever falls.

    Attributes:
        failed: GPUs that are unusable until they are reset.
        aborted: GPUs whose application has ended in the last step, None for none.
        begun: codes whose cause has begun in the last step, None for none.
    """

    def __init__(self, shape: tuple[int, int], rng: np.random.Generator, per_host: int = 1) -> None:
        self._rng = rng
        self._per_host = per_host
        self._correctable_rows = (rng.random(shape) < _REMAPPED_SHARE).astype(np.float64)
        self._xid = np.zeros(shape)
        self._single = np.zeros(shape)
        self._single_aggregate = self._correctable_rows * _SINGLE_BIT_ERRORS_PER_ROW
        self._double = np.zeros(shape)
        self._uncorrectable_rows = np.zeros(shape)
        self._remap_failure = np.zeros(shape)
        self._pcie_replays: Floats = np.zeros(shape)
        self._raised: Codes = np.zeros(shape, dtype=np.int16)
        self._pending = False
        creep = rng.spawn(2)  # streams of their own: all other draws stay what they are
        self._bits = ErrorCreep(shape, SINGLE_BIT_RATE, creep[0])
        self._packets = ErrorCreep(shape, PCIE_RATE, creep[1])
        self._lost_for = np.zeros(shape)
        self.begun: Codes | None = None
        self.failed = np.zeros(shape, dtype=np.bool_)
        self.aborted: NDArray[np.bool_] | None = None

    def step(
        self, xid: Codes | None, single_bit: Floats | None, pcie_replays: Floats | None, dt: float
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            xid: code whose cause is present on each GPU, 0 for none; None where there is none.
            single_bit: correctable ECC errors a second, None for none.
            pcie_replays: replays on the PCIe link a second, likewise.
            dt: step in s.
        """
        self.aborted = self.begun = None
        present = xid is not None and bool(xid.any())
        if present or self._pending:
            self._raise(np.zeros_like(self._raised) if xid is None else xid)
        self._pending = present
        if single_bit is not None and single_bit.any():
            self._correct(errors_of(self._rng.poisson(single_bit * dt)))
        if pcie_replays is not None and pcie_replays.any():
            self._pcie_replays = self._pcie_replays + self._rng.poisson(pcie_replays * dt)
        if (bits := self._bits.errors(dt)) is not None:
            self._correct(bits)
        self._pcie_replays = self._packets.added(self._pcie_replays, dt)

    def _raise(self, xid: Codes) -> None:
        """Count what has begun, and take back what a reset has ended."""
        begun: Codes = np.where((xid != self._raised) & (xid > 0), xid, 0).astype(np.int16)
        reset = _IS_RESET[self._raised] & (xid != self._raised)
        self.failed = _IS_RESET[xid]
        ended = _IS_END[begun]
        self.aborted = ended if ended.any() else None
        self.begun = begun if begun.any() else None
        self._xid = np.where(begun > 0, begun, np.where(reset, 0.0, self._xid))
        self._double = self._double + _IS_DOUBLE_BIT[begun]
        self._uncorrectable_rows = self._uncorrectable_rows + _IS_REMAP[begun]
        self._remap_failure = (xid == _REMAP_FAILURE).astype(np.float64)
        self._raised = xid.copy()

    def watch(self, attached: NDArray[np.bool_], running: NDArray[np.bool_], dt: float) -> None:
        """Forget what the exporter forgets: all of a lost GPU, and all when it restarts.

        Args:
            attached: GPUs that answer on their bus.
            running: GPUs whose exporter runs.
            dt: step in s.
        """
        lost = running & ~attached
        if lost.any() or self._lost_for.any():
            self._lost_for = np.where(lost, self._lost_for + dt, 0.0)
        seen = attached & running
        if not seen.all() and self._xid[~seen].any():
            self._xid = np.where(seen, self._xid, 0.0)

    def reported(
        self, values: Mapping[str, Floats], reporting: NDArray[np.bool_]
    ) -> dict[str, Floats]:
        """Return the signals with NaN where a GPU does not report, but for XID 79 of a lost one."""
        fatal = self._raised == _FATAL_XID
        if reporting.all() and not fatal.any():
            return dict(values)
        shown = silenced(values, reporting & ~self._on_hosts_of(fatal))
        shown["xid"] = np.where(reporting, values["xid"], np.nan)
        last = (self._lost_for > 0.0) & (self._lost_for <= _COLLECT_SECONDS)
        if last.any():
            shown["xid"] = np.where(last, _OFF_BUS_XID, shown["xid"])
        return shown

    def _on_hosts_of(self, gpus: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the GPUs that have one of these on their host."""
        hosts = gpus.reshape(len(gpus), -1, self._per_host).any(axis=2)
        return np.repeat(hosts, self._per_host, axis=1)

    def _correct(self, errors: Errors) -> None:
        """Count correctable errors; a row that has had too many is remapped."""
        places, counts = errors
        single, aggregate = self._single.reshape(-1), self._single_aggregate.reshape(-1)
        single[places] += counts
        before = aggregate[places]
        aggregate[places] = after = before + counts
        rows = after // _SINGLE_BIT_ERRORS_PER_ROW - before // _SINGLE_BIT_ERRORS_PER_ROW
        if rows.any():
            remapped = self._correctable_rows.copy()
            remapped.reshape(-1)[places] += rows
            self._correctable_rows = remapped

    @property
    def remap_pending(self) -> NDArray[np.bool_]:
        """GPUs that map a row anew when they are reset."""
        pending: NDArray[np.bool_] = _IS_REMAP[self._raised]
        return pending

    def outputs(self) -> dict[str, Floats]:
        """Return the error signals of the catalogue's GPU class."""
        double = frozen(self._double)
        return {
            "xid": frozen(self._xid),
            "pcie_replay": frozen(self._pcie_replays),
            "uncorrectable_rows": frozen(self._uncorrectable_rows),
            "correctable_rows": frozen(self._correctable_rows),
            "row_remap_failure": frozen(self._remap_failure),
            "ecc_sbe_volatile": self._single,
            "ecc_dbe_volatile": double,
            "ecc_sbe_aggregate": self._single_aggregate,
            "ecc_dbe_aggregate": double,
        }
