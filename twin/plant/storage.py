"""The service racks: NVMe servers that hold checkpoints and data, and CPU servers.

What the servers of the GPU racks send over their storage NICs is written here, byte for
byte, and what they load is read here. Files are striped over all servers, so the
slowest rack sets the pace of a checkpoint, and without one of them nothing is served.
The last few checkpoints are kept: the space of the oldest is freed as the next one is
written, so free space stays as it is (est.; trainers rotate theirs, as `save_total_limit`
of huggingface/transformers and `save_top_k` of Lightning do). Files are striped over all
servers, so one that is full fails every write (ENOSPC, as Lustre does with a full OST).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.catalog import CPU, STORAGE
from twin.catalog.host import HostKind
from twin.catalog.storage import CPU_HOST, STORAGE_HOST
from twin.plant.host_load import HEALTHY, HostLoad, HostSize
from twin.plant.operating_system import OperatingSystems
from twin.plant.units import Floats, all_of, any_of, clamp, lag, sum_of
from twin.site import Layout

__all__ = ["Storage"]

_LOAD_SECONDS = 60.0
"""Window of ``load1``."""
_LEAST_USED, _MOST_USED = 0.60, 0.80
"""How full the disks are, by the data and the checkpoints that are kept, est."""
_STORAGE_LOAD = 48.0
"""Load of a storage server whose disks are busy all the time, est."""
_STORAGE_SYSTEM = 6.0
"""Threads in the kernel of such a server, est.; the rest waits for the disks."""
_CPU_LOAD, _CPU_LOAD_SIGMA, _LOAD_NOISE = 22.0, 4.0, 2.0
"""Load of a CPU server that prepares data, est."""
_FREE_MEMORY = 0.62
"""Share of the memory that is not in use, est."""


class Storage:
    """State of all service racks; arrays are (racks, servers a rack)."""

    def __init__(
        self, layout: Layout, rng: np.random.Generator, host_rng: np.random.Generator
    ) -> None:
        self._p = layout.site.storage
        self._rng = rng
        shape, hosts = layout.shape(STORAGE), layout.shape(CPU)
        history = rng.uniform(3.0, 30.0, shape) * 86_400.0
        self._read = np.floor(history * 0.1 * self._p.read_bytes_per_second)
        self._written = np.floor(history * 0.1 * self._p.write_bytes_per_second)
        self._busy = np.floor(0.2 * history)
        self._network = (self._written.copy(), self._read.copy())
        self._used = rng.uniform(_LEAST_USED, _MOST_USED, shape) * self._p.capacity_bytes
        self._load = np.full(shape, 4.0) + rng.normal(0.0, 0.4, shape)
        self._hosts = np.clip(rng.normal(_CPU_LOAD, _CPU_LOAD_SIGMA, hosts), 1.0, None)
        self._host_load = self._hosts.copy()
        self._memory = _FREE_MEMORY + rng.normal(0.0, 0.01, shape)
        self._host_memory = _FREE_MEMORY + rng.normal(0.0, 0.02, hosts)
        self._filling: Floats = np.zeros(shape[0])
        self._taken: Floats = np.zeros((shape[0], 1))
        """Share of each rack's capacity that something takes and does not give back."""
        self._use: Floats = np.zeros(shape)
        self._work: Floats = np.zeros(shape)
        self._speeds: Floats = np.ones(shape[0])
        self.speed = 1.0
        """Throughput of the slowest rack over its rating, which paces a striped file."""
        self._up: NDArray[np.bool_] = np.ones((shape[0], 1), dtype=np.bool_)
        self._systems: dict[str, OperatingSystems] = {}
        if layout.site.telemetry.shows_hosts:
            for device, kind in ((STORAGE, STORAGE_HOST), (CPU, CPU_HOST)):
                self._systems[device.name] = OperatingSystems(
                    layout.shape(device),
                    self._size(layout, kind),
                    HostLoad(user=1.0, system=2.0),
                    host_rng,
                )

    def _size(self, layout: Layout, kind: HostKind) -> HostSize:
        site = layout.site
        return HostSize(
            threads=kind.threads(site),
            memory=kind.memory(site),
            root=kind.mounts(site)[0].bytes,
            data=kind.data_bytes(site),
            read=self._p.read_bytes_per_second,
            write=self._p.write_bytes_per_second,
        )

    @property
    def limits(self) -> tuple[float, float]:
        """What all servers together can write and read, in B/s."""
        pace = self.speed * self._read.size
        return pace * self._p.write_bytes_per_second, pace * self._p.read_bytes_per_second

    @property
    def totals(self) -> tuple[Floats, Floats]:
        """Bytes written to each server and read from it since boot, (racks, servers a rack)."""
        return self._written, self._read

    @property
    def power(self) -> float:
        """Electrical power of all service racks in W."""
        return sum_of(self._power()) + sum_of(self._host_power())

    @property
    def _available(self) -> Floats:
        capacity = self._p.capacity_bytes
        return np.maximum(capacity * (1.0 - self._taken) - self._used, 0.0)

    @property
    def full(self) -> bool:
        """Whether a server has no space left, and so no striped file can be written."""
        return any_of(self._available <= 0.0)

    def condition(self, speeds: Floats, up: NDArray[np.bool_], filling: Floats) -> None:
        """Take over how the racks are doing.

        Args:
            speeds: throughput of each rack over its rating, (racks,).
            up: racks that have power, (racks,).
            filling: share of its capacity that is taken an hour, (racks,); what was taken is
                given back when that ends.
        """
        self._filling = filling.copy()
        self._speeds = np.maximum(speeds, 1e-3)
        self._up = up[:, None]
        self.speed = float(self._speeds.min()) if all_of(up) else 0.0

    def step(self, written: float, read: float, dt: float) -> None:
        """Write and read for ``dt`` seconds.

        Args:
            written: by the whole site in B/s.
            read: by the whole site in B/s.
            dt: step in s.
        """
        if any_of(self._filling) or any_of(self._taken):
            filling = self._filling[:, None]
            taken = np.where(filling > 0.0, self._taken + filling * dt / 3600.0, 0.0)
            self._taken = clamp(taken, 0.0, 1.0)
        p, count = self._p, self._read.size
        write_each, read_each = written / count, read / count
        self._written += write_each * dt
        self._read += read_each * dt
        received, sent = self._network
        received += write_each * dt
        sent += read_each * dt
        busy = write_each / p.write_bytes_per_second + read_each / p.read_bytes_per_second
        use = np.minimum(busy / self._speeds, 1.0)
        self._use = use[:, None] + np.zeros(self._read.shape)
        self._work = self._use * self._speeds[:, None]
        self._busy += self._use * dt
        share = lag(dt, _LOAD_SECONDS)
        self._load += (2.0 + _STORAGE_LOAD * self._use - self._load) * share
        noise = _LOAD_NOISE * self._rng.standard_normal(self._hosts.shape)
        self._host_load += (np.maximum(self._hosts + noise, 0.0) - self._host_load) * share
        self._run(write_each, read_each, dt)

    def _run(self, written: float, read: float, dt: float) -> None:
        """Let the servers' operating systems do what serves this."""
        if not self._systems:
            return
        troubles, use, work = HEALTHY, self._use, self._work
        whole = all_of(self._up)
        load = HostLoad(
            user=1.0,
            system=1.0 + _STORAGE_SYSTEM * work,
            blocked=(_STORAGE_LOAD - _STORAGE_SYSTEM) * use + _STORAGE_SYSTEM * (use - work),
            memory=(1.0 - self._memory) * self._p.memory_bytes,
            cached=read,
            written=written,
            read=read,
        )
        storage, cpu = self._systems["storage"], self._systems["cpu"]
        storage.step(load, troubles, dt, None if whole else np.broadcast_to(self._up, use.shape))
        busy = HostLoad(
            user=0.9 * self._host_load,
            system=0.1 * self._host_load,
            memory=(1.0 - self._host_memory) * self._p.memory_bytes,
        )
        shape = self._hosts.shape
        cpu.step(busy, troubles, dt, None if whole else np.broadcast_to(self._up, shape))

    def _power(self) -> Floats:
        p = self._p
        drawn = p.server_idle_watts + p.server_busy_watts * self._work
        return drawn if all_of(self._up) else self._up * drawn

    def _host_power(self) -> Floats:
        p = self._p
        busy = np.minimum(self._host_load / (2.0 * _CPU_LOAD), 1.0)
        drawn = p.cpu_server_idle_watts + p.cpu_server_busy_watts * busy
        return drawn if all_of(self._up) else self._up * drawn

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's storage class."""
        p, shape = self._p, self._read.shape
        values = {
            **self._system("storage"),
            "power": self._power(),
            "load1": self._load,
            "memory_available": self._memory * p.memory_bytes,
            "read_bytes": self._read,
            "written_bytes": self._written,
            "io_seconds": self._busy,
            "size_bytes": np.full(shape, p.capacity_bytes),
            "avail_bytes": self._available,
            "net_rx_bytes": self._network[0],
            "net_tx_bytes": self._network[1],
        }
        return self._reported(values)

    def cpu_outputs(self) -> dict[str, Floats]:
        """Return all signals of the catalogue's CPU server class."""
        values = {
            **self._system("cpu"),
            "power": self._host_power(),
            "load1": self._host_load,
            "memory_available": self._host_memory * self._p.memory_bytes,
        }
        return self._reported(values)

    def _system(self, device: str) -> dict[str, Floats]:
        """Return what the operating systems of a class of servers show, if it is shown."""
        return self._systems[device].outputs() if device in self._systems else {}

    def _reported(self, values: dict[str, Floats]) -> dict[str, Floats]:
        """Return the values with ``up``, the only one known without power."""
        known = np.where(self._up, 0.0, np.nan)
        reported = {name: value + known for name, value in values.items()}
        return {"up_node": self._up + np.zeros(values["power"].shape), **reported}
