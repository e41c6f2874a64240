"""Ports of a processor: the NVLinks of a GPU, each with its state and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from twin.catalog import Signal
from twin.redfish.metric_rows import filled
from twin.redfish.node import Kit, Node
from twin.redfish.schemas import Payload, link, resource, status
from twin.redfish.sensors import numbered
from twin.redfish.table import PortRow, ProcessorRow
from twin.redfish.view import BmcView

__all__ = ["port_nodes", "ports_of"]


def port_nodes(kit: Kit, row: ProcessorRow, slot: int, processor: str) -> Iterator[Node]:
    """Yield the ports of a processor, none where the site has none.

    Args:
        kit: of the BMC's kind.
        row: of the processor.
        slot: its number among those of its row.
        processor: path of it.
    """
    ports = ports_of(kit, row)
    if not ports or row.ports is None:
        return
    folder = f"{processor}/Ports"
    paths = [f"{folder}/{numbered(row.ports.id, number)}" for number in range(ports)]
    yield Node.collection(folder, "Port", "Ports", paths)
    for number, path in enumerate(paths):
        yield Node(path, partial(_port, row, row.ports, slot, number, path))
        yield Node(f"{path}/Metrics", partial(_metrics, row, row.ports, slot, number, path))


def ports_of(kit: Kit, row: ProcessorRow) -> int:
    """Return how many ports a processor has, 0 where the site does not say anything of them."""
    if row.ports is None or not kit.has(row.ports.device, row.ports.state):
        return 0
    return row.ports.count(kit.layout.site)


def _index(view: BmcView, row: ProcessorRow, ports: PortRow, slot: int, number: int) -> int:
    """Return the index of a port among those of the rack."""
    of_host = 1 if row.device is None else row.device.per_host(view.site)
    return (view.host * of_host + slot) * ports.count(view.site) + number


def _port(
    row: ProcessorRow, ports: PortRow, slot: int, number: int, path: str, view: BmcView
) -> Payload:
    index = _index(view, row, ports, slot, number)
    code = view.value_in_rack(ports.device, ports.state, index)
    up = code == 0
    health = None if code is None else "OK" if up else "Critical"
    return resource(
        path,
        "Port",
        numbered(ports.name, number),
        PortProtocol=ports.protocol,
        PortType="BidirectionalPort",
        LinkState="Enabled",
        LinkStatus=None if code is None else "LinkUp" if up else "LinkDown",
        Status=status(health, there=code is not None),
        Metrics=link(f"{path}/Metrics"),
    )


def _metrics(
    row: ProcessorRow, ports: PortRow, slot: int, number: int, path: str, view: BmcView
) -> Payload:
    index = _index(view, row, ports, slot, number)

    def read(signal: Signal) -> float | None:
        return view.value_in_rack(ports.device, signal, index)

    name = f"metrics of {numbered(ports.name, number)}"
    metrics = resource(f"{path}/Metrics", "PortMetrics", name)
    return filled(metrics, ports.metrics, read, ports.oem)
