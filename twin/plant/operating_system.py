"""Operating systems of hosts: running and waiting tasks, and the kernel's counters since boot.

One model for GPU, storage and CPU servers: a :class:`HostLoad` says what is asked of each host
in a step, and what follows is the same for all. Times are in s, rates per second, sizes in B;
``(units, hosts a unit)`` is the shape of every array. All numbers are estimates unless a source
stands beside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from twin.catalog.host import HOT_THREADS, KERNEL_RATIO
from twin.plant.host_load import HEALTHY, HostLoad, HostSize, HostTroubles
from twin.plant.units import Floats, all_of, any_of, clamp, frozen, lag

__all__ = ["OperatingSystems"]

_DAY = 86_400
_LOADS = {"load1": 60.0, "load5": 300.0, "load15": 900.0}
"""Windows of the load averages in s: the kernel damps them exponentially."""
_MOST_BUSY = 0.995
"""Share of its time that a thread is busy at most: a little of it is always idle."""
_SWITCHES, _SWITCHES_PER_THREAD = 25_000.0, 10_000.0
_INTERRUPTS, _INTERRUPTS_PER_THREAD = 8_000.0, 6_000.0
_FORKS = 6.0
_FAULTS, _FAULTS_PER_THREAD = 4_000.0, 1_500.0
_MANAGEMENT_RX, _MANAGEMENT_TX, _LOOPBACK = 42_000.0, 260_000.0, 90_000.0
"""Traffic of monitoring and logins on the management port, and over the loopback device."""
_OS_READ, _OS_WRITTEN, _OS_BYTES_PER_SECOND = 20_000.0, 800_000.0, 6.0e9
"""Traffic of the system's disks, and what they can do."""
_LOG_BYTES = 20_000.0
"""What logs grow by a second."""
_ROOT_USED = 0.34
_FREED_SECONDS = 30.0
"""How fast the space of files that fill a disk comes back once they are deleted."""
_CACHE_FLOOR, _FREE_FLOOR = 2.0e10, 2.0e10
"""What the page cache keeps of its own, and what the kernel keeps free of it."""
_DIRTY_SECONDS = 12.0
_WATTS_IDLE, _WATTS_SPAN, _WATTS_KNEE = 100.0, 230.0, 6.0
"""Power of a CPU package: idle, the rise, and how early it comes with the threads in use."""
_KELVIN_PER_WATT, _PACKAGE_SECONDS = 0.155, 20.0
_PACKAGES_APART = np.array([0.0, 1.5])[:, None, None]
"""What each package is warmer by than the first, in K."""
_MOST_HERTZ, _HERTZ_LOST = 3.75e9, 0.9e9
_CLOCK_SIGMA, _CLOCK_SECONDS = 2.0e-5, 120.0
"""How far NTP lets a clock wander, in s, and how fast."""
_SYNCHRONIZED_WITHIN = 0.1
_MOST_OFFSET = 0.5
"""Greatest offset that adjtimex states, in s."""
_THRASH_FAULTS, _OOM_EVERY = 3_000.0, 90.0
"""Major faults a second of a host that is short of memory, and seconds between two kills."""
_OF_DATA = frozenset({"read_bytes", "written_bytes", "io_seconds", "size_bytes", "avail_bytes"})
"""What a host without a data array does not show."""
_SHORT = 0.03
"""Share of the memory below which a host is short of it."""


def _least(value: Floats | float, most: float) -> Floats | float:
    """Return at most ``most``: of a number at the price of one, which most loads are."""
    return min(value, most) if isinstance(value, float) else np.minimum(value, most)


def _most(value: Floats | float, least: float) -> Floats | float:
    """Return at least ``least``, as :func:`_least` returns at most."""
    return max(value, least) if isinstance(value, float) else np.maximum(value, least)


@lru_cache(maxsize=64)
def _load_lags(dt: float) -> Floats:
    """Return the share of the way that each load average goes in a step."""
    return frozen(np.array([lag(dt, seconds) for seconds in _LOADS.values()])[:, None, None])


class OperatingSystems:
    """The operating systems of all hosts of one kind.

    Args:
        shape: units, hosts a unit.
        size: their hardware.
        usual: what is asked of them when all is well, by which they have run since they booted.
        rng: source of all randomness.
    """

    def __init__(
        self, shape: tuple[int, int], size: HostSize, usual: HostLoad, rng: np.random.Generator
    ) -> None:
        self._size, self._rng, self._shape = size, rng, shape
        self._uptime: Floats = np.floor(rng.uniform(3.0, 30.0, shape) * _DAY)
        self._now: dict[str, Floats] = {}
        self._blocked: Floats | float = 0.0
        self._cache: Floats = rng.uniform(0.15, 0.75, shape) * size.memory
        self._extra: Floats = np.zeros(shape)
        self._filled: Floats = np.zeros(shape)
        self._logs: Floats = np.zeros(shape)
        self._root: Floats = (1.0 - _ROOT_USED) * size.root * rng.uniform(0.97, 1.03, shape)
        self._data: Floats = 0.5 * size.data * rng.uniform(0.9, 1.1, shape)
        self._dirty: Floats = np.full(shape, 5.0e7)
        self._wander: Floats = rng.normal(0.0, _CLOCK_SIGMA, shape)
        self._all_up: NDArray[np.bool_] = frozen(np.ones(shape, dtype=np.bool_))
        self._up = self._all_up
        rates = self._rates(usual, HEALTHY, np.zeros(shape))
        # Of all that is counted, so that a step adds it at once.
        self._counted = tuple(rates)
        self._counts: Floats = np.empty((len(rates), *shape))
        self._risen: Floats = np.empty((len(rates), *shape))
        self._numbers: list[float | None] = [None] * len(rates)
        """What stands in the rows of ``_risen`` that are numbers."""
        self._well = False
        self._clock: tuple[Floats | float, Floats | float] = (0.0, 0.0)
        """What faults put the clocks ahead, and ahead of those of the gateways."""
        # Where a job runs, it has run for most of the time.
        counts = self._by_name
        for name, rate in rates.items():
            counts[name][...] = np.floor(0.8 * rate * self._uptime)
        counts["cpu_idle"] += np.floor(0.2 * size.threads * self._uptime)
        for name in ("oom_kills", "ecc_correctable", "ecc_uncorrectable"):
            counts[name][...] = 0.0
        tasks = self._now["tasks"]
        self._loads = np.stack([tasks * rng.uniform(0.9, 1.1, shape) for _ in _LOADS])
        self._warmth = self._targets(usual)
        self._remember(usual, HEALTHY, 0.0)
        self._note(HEALTHY)

    def step(
        self, load: HostLoad, troubles: HostTroubles, dt: float, up: NDArray[np.bool_] | None
    ) -> None:
        """Advance by ``dt`` seconds.

        Args:
            load: what is asked.
            troubles: what is wrong.
            dt: step in s.
            up: hosts that have booted, None for all.
        """
        noise = self._rng.standard_normal(self._shape)
        rates = self._rates(load, troubles, noise)
        self._rise(rates, dt)
        self._uptime += dt
        self._loads += (self._now["tasks"] - self._loads) * _load_lags(dt)
        self._remember(load, troubles, dt)
        warmer = self._targets(load) - self._warmth
        self._warmth = self._warmth + warmer * lag(dt, _PACKAGE_SECONDS)
        step = _CLOCK_SIGMA * self._rng.standard_normal(self._shape)
        step *= math.sqrt(2.0 * dt / _CLOCK_SECONDS)
        self._wander += step - self._wander * lag(dt, _CLOCK_SECONDS)
        self._note(troubles)
        self._boot(up)

    def _rise(self, rates: Mapping[str, Floats | float], dt: float) -> None:
        """Let the counts rise; most rates are numbers that stay what they are."""
        risen, numbers = self._risen, self._numbers
        for row, rate in enumerate(rates.values()):
            if type(rate) is not float:
                risen[row], numbers[row] = rate, None
            elif rate != numbers[row]:
                risen[row] = numbers[row] = rate
        self._counts += risen * dt

    def _note(self, troubles: HostTroubles) -> None:
        """Take note of what is shown as it is."""
        self._clock = troubles.offset, troubles.ahead
        if not (self._well and troubles is HEALTHY):
            self._now["readonly"] = self._each(troubles.readonly)
            self._now["failed"] = self._each(troubles.disk_failed)
        self._well = troubles is HEALTHY

    def _each(self, value: Floats | NDArray[np.bool_] | float) -> Floats:
        """Return a value of each host."""
        each = np.empty(self._shape)
        each[...] = value
        return each

    def _precise(self, value: Floats | float) -> Floats | float:
        """Return a value of each host in double precision; a number is one already."""
        return value if isinstance(value, float) else self._each(value)

    def _boot(self, up: NDArray[np.bool_] | None) -> None:
        """Let hosts that are down begin anew: their counters, caches and what filled them."""
        self._up = self._all_up if up is None else up
        if all_of(self._up):
            return
        down = ~self._up
        self._counts[:, down] = 0.0
        self._loads[:, down] = 0.0
        for values in (self._uptime, self._extra):
            values[down] = 0.0
        self._cache[down] = _CACHE_FLOOR
        self._dirty[down] = 0.0

    # -- what runs --------------------------------------------------------------

    def _rates(
        self, load: HostLoad, troubles: HostTroubles, noise: Floats
    ) -> dict[str, Floats | float]:
        """Return what rises each second, and take note of what runs."""
        size = self._size
        pool = size.threads - HOT_THREADS
        wanted = np.maximum(load.user + 0.05 * load.user * noise, 0.0)
        if troubles is not HEALTHY:
            wanted = wanted + troubles.runaway
        system = _least(self._precise(load.system), 0.05 * size.threads)
        softirq = 0.02 * system + 0.1
        most = _MOST_BUSY - (system + softirq) / size.threads
        user = np.minimum(wanted, most * pool)
        # What finds no other thread takes turns with the ranks.
        hot = np.minimum(load.hot + wanted - user, most * HOT_THREADS)
        speed = _most(troubles.disk_speed, 1e-3)
        busy = _least((load.read / max(size.read, 1.0) + load.written / max(size.write, 1.0))
                      / speed, 1.0)  # fmt: skip
        os_busy = _least((_OS_READ + _OS_WRITTEN + troubles.fill) / _OS_BYTES_PER_SECOND
                         / speed + 0.002 / speed, 1.0)  # fmt: skip
        short = self._short()
        blocked = load.blocked + 6.0 * (busy > 0.9) + 8.0 * (os_busy > 0.5) + 30.0 * short  # noqa: PLR2004 - a disk that is busy all the time, and the system's
        iowait: Floats | float = 0.0
        if not isinstance(blocked, float) or blocked:
            left = np.maximum(pool - user - system - softirq, 0.0)
            iowait = np.minimum(0.15 * blocked, 0.9 * left)
        taken = hot + user + system
        idle = size.threads - hot - user - system - softirq - iowait
        running = load.hot + wanted + system
        self._now["running"], self._blocked = running, blocked
        self._now["tasks"] = running + blocked
        self._now["used"] = taken / size.threads
        crowd = clamp(running / size.threads - 0.95, 0.0, 1.0)
        stuck = _least(_most(blocked / 60.0, 0.0), 0.6)
        return {
            "cpu_hot": hot,
            "cpu_user": user,
            "cpu_system": system,
            "cpu_iowait": iowait,
            "cpu_softirq": softirq,
            "cpu_idle": idle,
            "context_switches": _SWITCHES + _SWITCHES_PER_THREAD * running,
            "interrupts": _INTERRUPTS + _INTERRUPTS_PER_THREAD * running,
            "forks": _FORKS,
            "pressure_cpu_waiting": 0.001 + 0.0005 * running + crowd,
            "pressure_io_waiting": 0.001 + stuck,
            "pressure_io_stalled": 0.0005 + 0.5 * stuck,
            "pressure_memory_waiting": 0.5 * short,
            "pressure_memory_stalled": 0.2 * short,
            "page_faults": _FAULTS + _FAULTS_PER_THREAD * running,
            "major_faults": 0.2 + _THRASH_FAULTS * short,
            "management_rx_bytes": _MANAGEMENT_RX,
            "management_tx_bytes": _MANAGEMENT_TX,
            "loopback_bytes": _LOOPBACK,
            "os_read_bytes": _OS_READ + 4096.0 * _THRASH_FAULTS * short,
            "os_written_bytes": _OS_WRITTEN + troubles.fill,
            "os_io_seconds": os_busy,
            "read_bytes": load.read,
            "written_bytes": load.written,
            "io_seconds": busy,
            "ecc_correctable": troubles.correctable,
            "ecc_uncorrectable": troubles.uncorrectable,
            "oom_kills": short / _OOM_EVERY,
        }

    def _targets(self, load: HostLoad) -> Floats:
        """Return the temperature at which each package settles, (packages, units, hosts a unit)."""
        watts = _WATTS_IDLE + _WATTS_SPAN * -np.expm1(-_WATTS_KNEE * self._now["used"])
        warm: Floats = load.inlet + _KELVIN_PER_WATT * watts
        targets: Floats = warm + _PACKAGES_APART
        return targets

    # -- memory and disks ---------------------------------------------------------

    def _short(self) -> Floats | float:
        """Return 1 for hosts that are short of memory, else 0; a number where none is."""
        if "available" not in self._now:
            return 0.0
        short = self._now["available"] < _SHORT * self._size.memory
        return short.astype(np.float64) if any_of(short) else 0.0

    def _remember(self, load: HostLoad, troubles: HostTroubles, dt: float) -> None:
        """Fill memory and disks."""
        size, held = self._size, self._precise(load.memory)
        room = (1.0 - KERNEL_RATIO) * size.memory
        self._leak(troubles.leak, 0.99 * room - held, dt)
        self._dirty += (load.dirty - self._dirty) * lag(dt, _DIRTY_SECONDS)
        free_of_programs = room - held - self._extra
        most = np.maximum(free_of_programs - _FREE_FLOOR, 0.005 * size.memory)
        self._cache = np.minimum(self._cache + load.cached * dt, np.minimum(most, free_of_programs))
        self._now["held"] = held + self._extra
        left = free_of_programs - self._dirty - 0.005 * size.memory
        self._now["available"] = np.maximum(left, 0.0)
        self._logs = self._logs + _LOG_BYTES * dt
        freed = self._filled * (1.0 - lag(dt, _FREED_SECONDS))
        if troubles is not HEALTHY:
            filled = self._filled + troubles.fill * dt
            freed = np.minimum(np.where(np.greater(troubles.fill, 0.0), filled, freed), self._root)
        self._filled = freed

    def _leak(self, rate: Floats | float, room: Floats | float, dt: float) -> None:
        """Let a program take ever more memory, of so much room, until it ends."""
        if isinstance(rate, float) and not rate:
            self._extra = np.zeros(self._shape)
            return
        taken = np.where(np.greater(rate, 0.0), self._extra + rate * dt, 0.0)
        # A program cannot have more than there is; the kernel keeps a little for itself.
        self._extra = np.minimum(taken, np.maximum(room, 0.0))

    # -- telemetry ------------------------------------------------------------------

    @property
    def _by_name(self) -> dict[str, Floats]:
        """Parts of the counts by their names, which follow them when a state is put back."""
        return dict(zip(self._counted, self._counts, strict=True))

    def outputs(self) -> dict[str, Floats]:
        """Return all signals of a host, NaN where it is down."""
        now, size = self._now, self._size
        held, counts = now["held"], self._by_name
        offset, ahead = (own + self._wander for own in self._clock)
        # Logs are rotated: they grow for a week and a fifth of them stays.
        logs = np.mod(self._logs, 7 * _DAY * _LOG_BYTES)
        values = {
            "uptime": self._uptime,
            **dict(zip(_LOADS, self._loads, strict=True)),
            **counts,
            "oom_kills": np.floor(counts["oom_kills"]),
            "memory_available": now["available"],
            "memory_anonymous": 0.8 * held,
            "memory_shared": 0.2 * held,
            "memory_cache": self._cache,
            "dirty": self._dirty,
            "writeback": 0.08 * self._dirty,
            "procs_running": np.maximum(np.rint(now["running"]), 1.0),
            "procs_blocked": np.rint(self._each(self._blocked)),
            "cpu_frequency": _MOST_HERTZ - _HERTZ_LOST * now["used"],
            "package0_temperature": self._warmth[0],
            "package1_temperature": self._warmth[1],
            "clock_offset": clamp(offset, -_MOST_OFFSET, _MOST_OFFSET),
            "clock_ahead": ahead,
            "clock_synchronized": (abs(offset) < _SYNCHRONIZED_WITHIN).astype(np.float64),
            "root_available": np.maximum(self._root - self._filled - logs, 0.0),
            "root_readonly": now["readonly"],
            "os_disks_failed": now["failed"],
            "size_bytes": np.full(self._shape, size.data),
            "avail_bytes": size.data - self._data,
        }
        if not size.data:
            values = {name: value for name, value in values.items() if name not in _OF_DATA}
        if all_of(self._up):
            return values
        return {name: np.where(self._up, value, np.nan) for name, value in values.items()}
