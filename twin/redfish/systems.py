"""Resources of computer systems: themselves, their processors and the GPUs' memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from twin.catalog import Signal
from twin.catalog.host.kind import serial
from twin.redfish.metric_rows import filled
from twin.redfish.node import Kit, Node
from twin.redfish.ports import port_nodes, ports_of
from twin.redfish.schemas import ROOT, Payload, link, links, resource, status
from twin.redfish.sensors import numbered, worst
from twin.redfish.table import ProcessorRow, SystemRow
from twin.redfish.view import BmcView

__all__ = ["system_nodes"]

_BYTES_OF_GIBIBYTE = 2**30
_GPU_UUID = "GPU-"
_SMOOTHING = "Oem/Nvidia/PowerSmoothing"
"""Where NVIDIA's controllers have it, below a processor."""


def system_nodes(kit: Kit) -> Iterator[Node]:
    """Yield the resources of every system."""
    if not kit.kind.systems:
        return
    paths = [kit.system_path(row) for row in kit.kind.systems]
    yield Node.collection(f"{ROOT}/Systems", "ComputerSystem", "Computer Systems", paths)
    for row in kit.kind.systems:
        yield from _SystemNodes(kit, row).nodes()


class _SystemNodes:
    """The resources of one system.

    Args:
        kit: what the kind of BMC has.
        row: that declares it.
    """

    def __init__(self, kit: Kit, row: SystemRow) -> None:
        self._kit = kit
        self._row = row
        self._path = kit.system_path(row)
        site = kit.layout.site
        self._processors = [
            (own, slot)
            for own in row.processors
            for slot in range(own.count if own.device is None else own.device.per_host(site))
        ]
        self._memories = [(own, slot) for own, slot in self._processors if own.memory]

    def nodes(self) -> Iterator[Node]:
        """Yield them."""
        path = self._path
        yield Node(path, self._itself)
        processors = [self._processor_path(own, slot) for own, slot in self._processors]
        yield Node.collection(f"{path}/Processors", "Processor", "Processors", processors)
        for (row, slot), own in zip(self._processors, processors, strict=True):
            yield Node(own, partial(self._processor, row, slot))
            if row.metrics:
                yield Node(f"{own}/ProcessorMetrics", partial(self._metrics, row, slot))
            if row.temperature:
                yield Node(f"{own}/EnvironmentMetrics", partial(self._environment, row, slot))
            yield from port_nodes(self._kit, row, slot, own)
            if self._smooths(row):
                yield Node(f"{own}/{_SMOOTHING}", partial(self._smoothing, row, slot))
        if not self._memories:
            return
        memories = [self._memory_path(own, slot) for own, slot in self._memories]
        yield Node.collection(f"{path}/Memory", "Memory", "Memory", memories)
        for (row, slot), own in zip(self._memories, memories, strict=True):
            yield Node(own, partial(self._memory, row, slot))
            yield Node(f"{own}/MemoryMetrics", partial(self._memory_metrics, row, slot))

    def _itself(self, view: BmcView) -> Payload:
        row, kit = self._row, self._kit
        healths = [self._health(view, own, slot) for own, slot in self._processors]
        on = kit.kind.on(view)
        chassis = next(own for own in kit.chassis if own.id == row.chassis)
        system = resource(
            self._path,
            "ComputerSystem",
            row.name,
            SystemType="Physical",
            Manufacturer=row.manufacturer or None,
            Model=None if row.model is None else row.model(view),
            SerialNumber=serial(view.place, "chassis" if row.host else row.id),
            HostName=view.managed if row.host else None,
            PowerState="On" if on else "Off",
            Status={"State": "Enabled" if on else "Disabled", "Health": worst(iter(healths)),
                    "HealthRollup": worst(iter(healths))},
            ProcessorSummary={"Count": len(self._processors)},
            Processors=link(f"{self._path}/Processors"),
            Memory=link(f"{self._path}/Memory") if self._memories else None,
            Links={"Chassis": links([chassis.path]),
                   "ManagedBy": links(kit.managers_of(row.chassis))},
        )  # fmt: skip
        if row.host and kit.kind.memory is not None:
            gibibytes = round(kit.kind.memory(view) / _BYTES_OF_GIBIBYTE, 1)
            system["MemorySummary"] = {"TotalSystemMemoryGiB": gibibytes}
        if row.host and kit.kind.booted is not None:
            system["BootProgress"] = {"LastState": self._progress(view)}
        return system

    def _progress(self, view: BmcView) -> str:
        """Return how far the host has booted, in Redfish's words."""
        kind = self._kit.kind
        if not kind.on(view) or kind.booted is None:
            return "None"
        return "OSRunning" if kind.booted(view) else "OSBootStarted"

    # -- processors ------------------------------------------------------------

    def _processor_path(self, row: ProcessorRow, slot: int) -> str:
        return f"{self._path}/Processors/{numbered(row.id, slot + row.first)}"

    def _answers(self, view: BmcView, row: ProcessorRow, slot: int) -> bool:
        device, signal = row.anchor
        return view.value(device, signal, slot if row.device is not None else 0) is not None

    def _health(self, view: BmcView, row: ProcessorRow, slot: int) -> str:
        """Return its health: a processor that does not answer in a running system is lost."""
        if self._answers(view, row, slot) or not self._kit.kind.on(view):
            return "OK"
        return "Critical"

    def _processor(self, row: ProcessorRow, slot: int, view: BmcView) -> Payload:
        path, number = self._processor_path(row, slot), slot + row.first
        there = self._answers(view, row, slot)
        chassis = numbered(row.chassis, number)
        processor = resource(
            path,
            "Processor",
            numbered(row.name, number),
            ProcessorType=row.type,
            Manufacturer=row.manufacturer or None,
            Model=row.model(view),
            SerialNumber=serial(view.place, numbered(row.id, number)),
            Status=status(self._health(view, row, slot), there=there),
            Metrics=link(f"{path}/ProcessorMetrics") if row.metrics else None,
            Ports=link(f"{path}/Ports") if ports_of(self._kit, row) else None,
            EnvironmentMetrics=link(f"{path}/EnvironmentMetrics") if row.temperature else None,
            Links={"Chassis": link(f"{ROOT}/Chassis/{chassis}"),
                   **({"Memory": links([self._memory_path(row, slot)])} if row.memory else {})},
        )  # fmt: skip
        if row.oem[0]:
            processor |= self._nvidia(view, row, slot)
        return processor

    def _nvidia(self, view: BmcView, row: ProcessorRow, slot: int) -> Payload:
        """Return what is NVIDIA's of a GPU: its name in the driver, memory, and partitions."""
        at = view.host * view.slots(row.device) + slot if row.device is not None else slot
        names = view.identity
        smoothing = f"{self._processor_path(row, slot)}/{_SMOOTHING}"
        more = {"PowerSmoothing": link(smoothing)} if self._smooths(row) else {}
        return {
            "UUID": names.gpu_uuids[at].removeprefix(_GPU_UUID),
            "MemorySummary": {"TotalMemorySizeMiB": view.gpu_model.framebuffer_mib},
            "Oem": {
                "Nvidia": {
                    "@odata.type": row.oem[0],
                    "MIGModeEnabled": bool(view.store.names.instances(view.rack)),
                    **more,
                }
            },
        }

    def _smooths(self, row: ProcessorRow) -> bool:
        """Whether the bus says anything of its power smoothing."""
        if row.device is None or not row.smoothing:
            return False
        return self._kit.has(row.device, row.smoothing[0].shown)

    def _smoothing(self, row: ProcessorRow, slot: int, view: BmcView) -> Payload:
        found = {
            "@odata.id": f"{self._processor_path(row, slot)}/{_SMOOTHING}",
            "@odata.type": "#NvidiaPowerSmoothing.v1_1_0.NvidiaPowerSmoothing",
            "Id": "PowerSmoothing",
            "Name": f"{numbered(row.id, slot + row.first)} Power Smoothing",
            "PowerSmoothingSupported": True,
        }
        return filled(found, row.smoothing, self._reader(view, row, slot), "")

    def _metrics(self, row: ProcessorRow, slot: int, view: BmcView) -> Payload:
        path = f"{self._processor_path(row, slot)}/ProcessorMetrics"
        name = f"metrics of {numbered(row.name, slot + row.first)}"
        metrics = resource(path, "ProcessorMetrics", name)
        return filled(metrics, row.metrics, self._reader(view, row, slot), row.oem[1])

    @staticmethod
    def _reader(view: BmcView, row: ProcessorRow, slot: int) -> Callable[[Signal], float | None]:
        """Return what reads a signal of a processor."""
        device = row.device
        return lambda signal: None if device is None else view.value(device, signal, slot)

    def _environment(self, row: ProcessorRow, slot: int, view: BmcView) -> Payload:
        """Return the environment: that of its own chassis, or its temperature in another."""
        number = slot + row.first
        path = f"{self._processor_path(row, slot)}/EnvironmentMetrics"
        name = f"environment of {numbered(row.name, number)}"
        chassis = numbered(row.chassis, number)
        metrics = resource(path, "EnvironmentMetrics", name)
        own = next((one for one in self._kit.chassis if one.id == chassis), None)
        templates = {"TemperatureCelsius": row.temperature}
        if own is not None and own.row.device is row.device and row.device is not None:
            templates |= {"PowerWatts": own.row.power, "EnergyJoules": own.row.energy}
        for name, template in templates.items():
            place = self._kit.sensors.get((chassis, numbered(template, number)))
            if place is not None:
                metrics[name] = place.excerpt(view)
        return metrics

    # -- memory ----------------------------------------------------------------

    def _memory_path(self, row: ProcessorRow, slot: int) -> str:
        return f"{self._path}/Memory/{numbered(row.memory, slot + row.first)}"

    def _memory(self, row: ProcessorRow, slot: int, view: BmcView) -> Payload:
        path = self._memory_path(row, slot)
        memory = resource(
            path,
            "Memory",
            f"memory of {numbered(row.name, slot + row.first)}",
            MemoryType="DRAM",
            MemoryDeviceType="HBM3",
            CapacityMiB=view.gpu_model.framebuffer_mib,
            Status=status(self._health(view, row, slot), there=self._answers(view, row, slot)),
            Metrics=link(f"{path}/MemoryMetrics"),
            Links={"Processors": links([self._processor_path(row, slot)])},
        )
        return filled(memory, row.memory_state, self._reader(view, row, slot), row.memory_oem[0])

    def _memory_metrics(self, row: ProcessorRow, slot: int, view: BmcView) -> Payload:
        path = f"{self._memory_path(row, slot)}/MemoryMetrics"
        name = f"metrics of the memory of {numbered(row.name, slot + row.first)}"
        metrics = resource(path, "MemoryMetrics", name)
        return filled(metrics, row.memory_metrics, self._reader(view, row, slot), row.memory_oem[1])
