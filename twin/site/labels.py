"""Labels of every series: the exporter's own, and the place."""

from __future__ import annotations

from twin.catalog import DeviceClass, Labels, Names, Place, Signal
from twin.site.layout import Layout

__all__ = ["series_labels"]


def series_labels(
    layout: Layout,
    signal: Signal,
    device: DeviceClass,
    unit: int,
    index: int,
    names: Names | None = None,
) -> Labels:
    """Return all labels of one series, those of the exporter first.

    Args:
        layout: the site, or a part of it.
        signal: the signal.
        device: its device class.
        unit: index of the unit.
        index: index of the device in the unit.
        names: of hosts and GPUs; None for those of the site file.
    """
    layout, unit = layout.entire, layout.number(device.frame, unit)
    host, slot = divmod(index, device.per_host(layout.site))
    place = Place(names or layout, device.frame, unit, host, slot, index)
    exporter, name = signal.family, device.hosts.name(place)
    return (
        *zip(exporter.names(layout.site), exporter.identify(place), strict=True),
        *exporter.more(place),
        *signal.labels,
        ("job", exporter.job),
        ("instance", name if exporter.port is None else f"{name}:{exporter.port}"),
        *layout.place(device.frame, unit),
    )
