"""Trainium chips, as neuron-monitor reads them.

The chips themselves are :class:`twin.plant.gpu.Gpus`, like every accelerator; this module
only converts their state to another exporter's signals. An XID of DCGM is an
execution error here, and also an uncorrectable memory error where it is one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import NEURON_LATENCIES
from twin.plant.gpu import Gpus
from twin.plant.host import HostStates
from twin.plant.units import Floats, silenced
from twin.plant.workload import Demand
from twin.site import Layout

__all__ = ["NeuronMonitor"]

_EXECUTIONS_PER_SECOND = 6.0
"""Executions of a graph on each core while it trains, est.: one a microbatch."""
_SPREAD = dict(zip(NEURON_LATENCIES, (0.97, 0.98, 0.99, 1.0, 1.01, 1.05, 1.2), strict=True))
"""Percentiles of the time that an execution takes over its median, est."""
_SHARES = {
    "constants": 0.01,
    "model_code": 0.02,
    "model_shared_scratchpad": 0.08,
    "runtime_memory": 0.03,
    "tensors": 0.86,
}
"""What holds the memory of a core, est."""
_HOST_BYTES = 1.6e10
"""Host memory that the runtime of a server holds, est."""
_USER_CODES = (13, 31, 43, 45)
"""XIDs of user code: errors of the model; all others are the hardware's."""
_UNSEEN = (
    "completed_with_num_err",
    "incorrect_input",
    "failed_to_queue",
    "error_generic",
    "error_numerical",
    "error_transient",
    "error_runtime",
)
"""Counters that stay 0 in the plant."""


class NeuronMonitor:
    """The counts of all neuron-monitors; arrays are (racks, servers a rack).

    Args:
        layout: the site.
        gpus: its chips.
    """

    def __init__(self, layout: Layout, gpus: Gpus) -> None:
        site = layout.site
        self._gpus = gpus
        self._shape = (site.racks, site.servers_per_rack)
        self._chips = layout.site.accelerators
        self._cores = site.gpu.logical_cores
        self._bytes = site.gpu.framebuffer_mib * 2.0**20
        self._median = np.full(self._shape, 1.0 / _EXECUTIONS_PER_SECOND)
        self._completed = np.zeros(self._shape)
        self._model = np.zeros(self._shape)
        self._hardware = np.zeros(self._shape)
        self._timed_out = np.zeros(self._shape)
        self._hung = np.zeros(self._chips, dtype=np.bool_)

    def step(self, demand: Demand, responding: NDArray[np.bool_], dt: float) -> None:
        """Advance by ``dt`` seconds, after the chips have.

        Args:
            demand: what the jobs ask.
            responding: (racks, chips a rack): the chip's programs come to an end.
            dt: step in s.
        """
        begun = self._gpus.errors.begun
        if begun is not None:
            user = np.isin(begun, _USER_CODES)
            self._model += self._of_servers(user)
            self._hardware += self._of_servers((begun > 0) & ~user)
        hung = ~responding
        self._timed_out += self._of_servers(hung & ~self._hung)
        self._hung = hung
        working = np.greater(demand.compute, 0.0)
        if working.any():
            pace = self._gpus.clock.reshape(*self._shape, -1).min(axis=2).astype(np.float64)
            chips = self._of_servers(self._gpus.attached & ~hung & ~self._gpus.errors.failed)
            rate = _EXECUTIONS_PER_SECOND * pace
            self._completed += chips * self._cores * rate * (demand.compute * dt)
            self._median = np.where(working, 1.0 / np.maximum(rate, 1e-3), self._median)

    def _of_servers(self, chips: NDArray[np.bool_]) -> Floats:
        """Return how many chips of each server are meant."""
        count: Floats = chips.reshape(*self._shape, -1).sum(axis=2, dtype=np.float64)
        return count

    def outputs(self, demand: Demand, hosts: HostStates | None) -> dict[str, dict[str, Floats]]:
        """Return all signals of the catalogue's Neuron classes, NaN where no device reports.

        Args:
            demand: what the jobs ask.
            hosts: state of the servers, None while all are well.
        """
        up = self._gpus.exporter_up if hosts is None else self._gpus.exporter_up & hosts.up
        reporting = self._gpus.reporting
        groups = {
            "neuron": (self._device_outputs(), reporting),
            "neuroncore": (self._core_outputs(demand), np.repeat(reporting, self._cores, axis=1)),
            "neuron_runtime": (self._runtime_outputs(demand), up),
        }
        return {
            name: values if there.all() else silenced(values, there)
            for name, (values, there) in groups.items()
        }

    def _device_outputs(self) -> dict[str, Floats]:
        errors = self._gpus.errors.outputs()
        return {
            "mem_ecc_corrected": errors["ecc_sbe_volatile"],
            "mem_ecc_uncorrected": errors["ecc_dbe_volatile"],
            "sram_ecc_corrected": np.zeros(self._chips),
            "sram_ecc_uncorrected": np.zeros(self._chips),
        }

    def _core_outputs(self, demand: Demand) -> dict[str, Floats]:
        busy = np.repeat(self._gpus.utilization(demand), self._cores, axis=1)
        held = demand.framebuffer * self._bytes / self._cores
        memory = {name: np.full(busy.shape, share * held) for name, share in _SHARES.items()}
        return {"utilization": busy, **memory}

    def _runtime_outputs(self, demand: Demand) -> dict[str, Floats]:
        held = demand.framebuffer * self._bytes * self._chips[1] / self._shape[1]
        return {
            "completed": self._completed,
            "completed_with_err": self._model + self._hardware,
            "timed_out": self._timed_out,
            "error_model": self._model,
            "error_hardware": self._hardware,
            **{name: np.zeros(self._shape) for name in _UNSEEN},
            **{f"latency_{name}": ratio * self._median for name, ratio in _SPREAD.items()},
            "memory_host": np.full(self._shape, _HOST_BYTES),
            "memory_neuron_device": np.full(self._shape, held),
        }
