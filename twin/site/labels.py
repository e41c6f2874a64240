"""Labels of every series: the exporter's own, and the place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from twin.catalog import (
    DeviceClass,
    Exporter,
    Labels,
    Names,
    Place,
    SeriesGroup,
    Signal,
    UnitKind,
)
from twin.site.layout import Layout

__all__ = ["derived_labels", "derived_split", "place_labels", "series_copies", "series_labels"]


def place_labels(layout: Layout, frame: UnitKind, unit: int) -> Labels:
    """Return the labels that say where a unit stands."""
    site = ("site", layout.site.name)
    if not frame.in_array:
        return (site,)
    array = unit if frame is UnitKind.ARRAY else layout.array_of(unit)
    name = layout.unit_name(UnitKind.ARRAY, array)
    hall = (site, ("hall", layout.hall_name(array)), ("array", name))
    return hall if frame is UnitKind.ARRAY else (*hall, ("rack", layout.unit_name(frame, unit)))


def series_labels(
    layout: Layout,
    signal: Signal,
    device: DeviceClass,
    unit: int,
    index: int,
    names: Names | None = None,
) -> Labels:
    """Return all labels of one series; of several of the same device those of the first."""
    return series_copies(layout, signal, device, unit, index, names)[0]


def series_copies(
    layout: Layout,
    signal: Signal,
    device: DeviceClass,
    unit: int,
    index: int,
    names: Names | None = None,
) -> tuple[Labels, ...]:
    """Return all labels of the series that a signal of a device has, those of the exporter first.

    Args:
        layout: the site, or a part of it.
        signal: the signal.
        device: its device class.
        unit: index of the unit.
        index: index of the device in the unit.
        names: of hosts and GPUs; None for those of the site file.
    """
    place = _place(layout, device, unit, index, names)
    exporter = signal.family
    own = (
        *zip(exporter.names(place.site), exporter.identify(place), strict=True),
        *exporter.more(place),
    )
    rest = (
        *signal.labels,
        *_target(layout, exporter, device, place),
    )
    copies = ((),) if exporter.copies is None else exporter.copies(place)
    at, instances = exporter.instances_at, exporter.instances(place)
    if instances:
        # An instance has one job: of several on a GPU each has some of its instances.
        return tuple(
            (*own[:at], *instance, *own[at:], *copies[n % len(copies)], *rest)
            for n, instance in enumerate(instances)
        )
    return tuple((*own, *copy, *rest) for copy in copies)


def derived_labels(
    layout: Layout,
    group: SeriesGroup,
    device: DeviceClass,
    unit: int,
    index: int,
    names: Names | None = None,
) -> Iterator[Labels]:
    """Yield all labels of each series that a device gives for the families of a group.

    Args:
        layout: the site, or a part of it.
        group: which series.
        device: the device class.
        unit: index of the unit.
        index: index of the device in the unit.
        names: of hosts and GPUs; None for those of the site file.
    """
    own, target = derived_split(layout, group, device, unit, index, names)
    for labels in own:
        yield (*labels, *target)


def derived_split(
    layout: Layout,
    group: SeriesGroup,
    device: DeviceClass,
    unit: int,
    index: int,
    names: Names | None = None,
) -> tuple[Sequence[Labels], Labels]:
    """Return the same in two: the own labels of each series, and those that all of them end with.

    Arguments are those of :func:`derived_labels`.
    """
    place = _place(layout, device, unit, index, names)
    return group.labels(place), _target(layout, group.exporter, device, place)


def _place(
    layout: Layout, device: DeviceClass, unit: int, index: int, names: Names | None
) -> Place:
    layout, unit = layout.entire, layout.number(device.frame, unit)
    host, slot = divmod(index, device.per_host(layout.site))
    return Place(names or layout.names, device.frame, unit, host, slot, index)


def _target(layout: Layout, exporter: Exporter, device: DeviceClass, place: Place) -> Labels:
    """Return job, instance and place of a device, as an exporter has them."""
    name = device.hosts.name(place)
    return (
        ("job", exporter.job),
        ("instance", name if exporter.port is None else f"{name}:{exporter.port}"),
        *place_labels(layout.entire, device.frame, place.unit),
    )
