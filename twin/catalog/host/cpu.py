"""CPU: seconds, clocks, soft interrupts and scheduler, a series a thread.

The ranks of a training job spin on threads of their own; what else runs is spread over the
others. So the seconds of all threads follow from the host's, add up to them, and never go back.

At ``aggregate`` idle, user, system and iowait keep a series a thread: shares are taken of them as
means over threads, as sums over sums and over the count of threads, and no fewer series give the
same in all three ways. Of each other family the first thread stays, for the mean of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, HostLevel, SeriesGroup
from twin.catalog.host.kind import HOT_THREADS, NODE, HostKind
from twin.catalog.host.texts import family
from twin.catalog.model import Labels
from twin.catalog.place import Count, Place, one

__all__ = ["cpu_families", "hot_threads"]

_MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
_PER_THREAD = ("idle", "iowait", "system", "user")
_GOVERNORS = ("performance", "powersave")
_LEAST_HERTZ, _MOST_HERTZ = 8e8, 3.8e9
_FULL, _AGGREGATE = (HostLevel.FULL,), (HostLevel.AGGREGATE,)


def hot_threads(threads: int) -> Values:
    """Return which threads the ranks spin on, as 1 and 0, (threads,)."""
    hot = np.zeros(threads)
    hot[np.arange(min(HOT_THREADS, threads)) * threads // HOT_THREADS] = 1.0
    return hot


def _mode(values: DeviceValues, mode: str, threads: int) -> Values:
    """Return the seconds that each thread was in a mode, (hosts, threads)."""
    if mode in ("irq", "nice", "steal"):
        return np.zeros((values["uptime"].size, threads))
    hot = hot_threads(threads)
    rest = (1.0 - hot) / max(threads - hot.sum(), 1.0)
    each = values.each
    found: Values
    if mode == "user":
        found = each("cpu_hot") * hot / hot.sum() + each("cpu_user") * rest
    elif mode == "iowait":
        found = each("cpu_iowait") * rest
    elif mode in ("system", "softirq"):
        found = each(f"cpu_{mode}") / threads + np.zeros(threads)
    else:
        kinds = ("hot", "user", "system", "iowait", "softirq", "idle")
        total = np.sum([each(f"cpu_{kind}") for kind in kinds], axis=0) / threads
        others = ("user", "iowait", "system", "softirq")
        found = total - np.sum([_mode(values, other, threads) for other in others], axis=0)
    return found


def _group(key: str, names: tuple[str, ...], count: Count,
           labels: Callable[[Place], Sequence[Labels]]) -> SeriesGroup:  # fmt: skip
    return SeriesGroup(key, NODE, names, count, labels)


def cpu_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of the collectors cpu, cpufreq, softnet and schedstat."""
    threads = kind.threads
    return (
        *_seconds(kind, "cpu_modes", _MODES, threads, _FULL),
        *_seconds(kind, "cpu_busy", _PER_THREAD, threads, _AGGREGATE),
        *_rest(kind),
        *_of_threads(kind, "cpu", threads, _FULL),
        *_of_threads(kind, "cpu_first", one, _AGGREGATE),
        *_throttles(kind),
    )


def _seconds(kind: HostKind, key: str, modes: tuple[str, ...], count: Count,
             levels: tuple[HostLevel, ...]) -> tuple[DerivedFamily, ...]:  # fmt: skip
    """Return ``cpu_seconds_total`` of some modes for each thread."""

    def labels(place: Place) -> Sequence[Labels]:
        return tuple(
            (("cpu", str(cpu)), ("mode", mode))
            for cpu in range(count(place.site))
            for mode in modes
        )

    def seconds(values: DeviceValues) -> Values:
        threads = kind.threads(values.site)
        found = np.stack([_mode(values, mode, threads) for mode in modes], axis=2)
        return found.reshape(len(found), -1)

    group = _group(key, ("cpu", "mode"), lambda site: count(site) * len(modes), labels)
    return (family("cpu_seconds_total", group, seconds, levels=levels),)


def _rest(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the other modes at ``aggregate``: the mean of all threads as that of the first."""
    modes = tuple(mode for mode in _MODES if mode not in _PER_THREAD)
    labels = tuple((("cpu", "0"), ("mode", mode)) for mode in modes)

    def mean(values: DeviceValues) -> Values:
        threads = kind.threads(values.site)
        return np.stack([_mode(values, mode, threads).mean(axis=1) for mode in modes], axis=1)

    group = _group("cpu_rest", ("cpu", "mode"), lambda _: len(modes), lambda _: labels)
    return (family("cpu_seconds_total", group, mean, levels=_AGGREGATE),)


def _of_threads(kind: HostKind, key: str, count: Count,
                levels: tuple[HostLevel, ...]) -> tuple[DerivedFamily, ...]:  # fmt: skip
    """Return the other families of so many threads."""

    def cpus(place: Place) -> Sequence[Labels]:
        return tuple((("cpu", str(cpu)),) for cpu in range(count(place.site)))

    def governors(place: Place) -> Sequence[Labels]:
        return tuple(
            (*own, ("governor", governor)) for own in cpus(place) for governor in _GOVERNORS
        )

    def guests(place: Place) -> Sequence[Labels]:
        return tuple((*own, ("mode", mode)) for own in cpus(place) for mode in ("nice", "user"))

    plain = _group(key, ("cpu",), count, cpus)
    twice = _group(f"{key}_governor", ("cpu", "governor"), lambda site: 2 * count(site), governors)
    guest = _group(f"{key}_guest", ("cpu", "mode"), lambda site: 2 * count(site), guests)

    def each(values: DeviceValues, signal: str, factor: float = 1.0) -> Values:
        return values.each(signal) * factor / kind.threads(values.site)

    def ran(values: DeviceValues) -> Values:
        threads = kind.threads(values.site)
        modes = [_mode(values, mode, threads) for mode in ("user", "system", "softirq")]
        busy: Values = np.sum(modes, axis=0)
        return busy if count(values.site) == threads else busy.mean(axis=1, keepdims=True)

    def performance(values: DeviceValues) -> Values:
        return np.tile([1.0, 0.0], count(values.site))

    dynamic = (
        family("schedstat_running_seconds_total", plain, ran, levels=levels),
        family("schedstat_waiting_seconds_total", plain,
               lambda v: each(v, "pressure_cpu_waiting", 20.0), levels=levels),
        family("schedstat_timeslices_total", plain, lambda v: each(v, "context_switches"),
               levels=levels),
        family("softnet_processed_total", plain, lambda v: each(v, "interrupts", 0.3),
               levels=levels),
        family("cpu_scaling_frequency_hertz", plain, lambda v: v.each("cpu_frequency"),
               levels=levels),
    )  # fmt: skip
    fixed = {
        "cpu_scaling_frequency_min_hertz": _LEAST_HERTZ,
        "cpu_scaling_frequency_max_hertz": _MOST_HERTZ,
        "cpu_online": 1.0,
        "softnet_dropped_total": 0.0,
        "softnet_times_squeezed_total": 0.0,
        "softnet_received_rps_total": 0.0,
        "softnet_flow_limit_count_total": 0.0,
        "softnet_cpu_collision_total": 0.0,
        "softnet_backlog_len": 0.0,
    }
    return (
        *dynamic,
        *(
            family(name, plain, lambda _, value=value: value, steady=True, levels=levels)  # type: ignore[misc]  # a default keeps the value of each
            for name, value in fixed.items()
        ),
        family("cpu_scaling_governor", twice, performance, steady=True, levels=levels),
        family("cpu_guest_seconds_total", guest, lambda _: 0.0, steady=True, levels=levels),
    )


def _throttles(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the counters of thermal throttling, a core and a package."""

    def cores(place: Place) -> Sequence[Labels]:
        half = kind.threads(place.site) // (2 * kind.SOCKETS)
        return tuple(
            (("core", str(core)), ("package", str(package)))
            for package in range(kind.SOCKETS)
            for core in range(half)
        )

    core = _group("core", ("core", "package"),
                  lambda site: kind.threads(site) // (2 * kind.SOCKETS) * kind.SOCKETS,
                  cores)  # fmt: skip
    packages = tuple((("package", str(package)),) for package in range(kind.SOCKETS))
    package = _group("package", ("package",), lambda _: kind.SOCKETS, lambda _: packages)
    return (
        family("cpu_core_throttles_total", core, lambda _: 0.0, steady=True, levels=_FULL),
        family("cpu_package_throttles_total", package, lambda _: 0.0, steady=True),
    )
