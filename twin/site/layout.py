"""Index arithmetic of a site: units, devices, their names and their labels.

A **unit** is what publishes one kind of frame: a rack, a Megapack, a generator, the
grid feed, the job. A device is the ``j``-th of its class in the ``i``-th unit. All
arrays of the twin have the shape ``(units, devices a unit)``; within a rack, GPUs and
NICs are ordered server by server.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from twin.catalog import (
    DEVICES,
    ROLLUPS,
    DeviceClass,
    Family,
    Frame,
    Level,
    Rollup,
    Signal,
)
from twin.site.ec2 import ec2_labels
from twin.site.model import Site
from twin.site.network import FabricShape
from twin.site.parameters import GpuModel
from twin.site.target import Target, find_target

__all__ = ["Labels", "Layout", "Target"]

Labels = tuple[tuple[str, str], ...]
"""Label names and values, in the order in which they are exposed."""

_NAMESPACE = uuid.UUID("6f1d6f5e-6a53-4a52-9a54-b7a3cb1f0d0e")
_PCI_BUS = ("18", "2A", "3A", "5D", "9A", "AB", "BA", "DB")
"""PCI buses of the eight GPUs of an HGX H100 host (nvidia-smi)."""

_PHASES = ("L1", "L2", "L3")
_HOST_IDENTITY = {
    "node_disk": ("md0",),
    "node_filesystem": ("/dev/md0", "", "xfs", "/data"),
    "netdev": ("eth0",),
}
"""What node_exporter calls the disks, the filesystem and the port of a storage server."""
_EXPORTER_OF_UP = {"up_dcgm": "dcgm", "up_neuron": "neuron"}
"""Signals that say whether the exporter of a server's accelerators answers."""

_IN_AN_ARRAY = (Frame.RACK, Frame.ARRAY)
"""What belongs to an array; its series are on the array's page."""


@dataclass(frozen=True)
class Layout:
    """The arithmetic of one site."""

    site: Site

    # -- counts ---------------------------------------------------------------

    def units(self, frame: Frame) -> int:
        """Return how many units publish ``frame``."""
        return {
            Frame.RACK: self.site.racks,
            Frame.ARRAY: self.site.arrays,
            Frame.PLANE: self.fabric.planes,
            Frame.SERVICE: self._service[0],
            Frame.MEGAPACK: self.site.megapacks.count,
            Frame.GENSET: self.site.gensets.count,
            Frame.GRID: 1,
            Frame.JOB: 1,
        }[frame]

    def per_unit(self, device: DeviceClass) -> int:
        """Return how many devices of the class one unit has."""
        site = self.site
        dcgm = site.gpu.exporter == "dcgm"
        chips = 0 if dcgm else site.gpus_per_rack
        return {
            "gpu": site.gpus_per_rack if dcgm else 0,
            "neuron": chips,
            "neuroncore": chips * site.gpu.logical_cores,
            "neuron_runtime": 0 if dcgm else site.servers_per_rack,
            "nic": site.nics_per_rack,
            "server": site.servers_per_rack,
            "psu": site.servers_per_rack * site.server.psus,
            "pump": site.cooling.pumps,
            "cdu_psu": site.cooling.psus,
            "chiller": site.chillers,
            "pdu": site.pdus_per_rack * len(_PHASES),
            "leaf": self.fabric.rails,
            "port": self.fabric.rails * self.fabric.ports,
            "spine": self.fabric.spines,
            "storage": self._service[1],
            "cpu": self._service[2],
            "grid": site.grid.feeds,
        }.get(device.name, 1)

    @cached_property
    def fabric(self) -> FabricShape:
        """Counts of the site's switches and their ports."""
        return FabricShape.of(self.site)

    @cached_property
    def _service(self) -> tuple[int, int, int]:
        """Service racks, and NVMe and CPU servers in each."""
        storage, thousands = self.site.storage, self.site.gpus / 1000.0
        servers = max(1, ceil(storage.servers_per_thousand_gpus * thousands))
        racks = ceil(servers / storage.servers_per_rack)
        cpus = max(1, ceil(storage.cpu_servers_per_thousand_gpus * thousands))
        return racks, ceil(servers / racks), ceil(cpus / racks)

    @cached_property
    def support_power_watts(self) -> float:
        """Power of all switches and service racks at full load, in W."""
        network, storage, fabric = self.site.network, self.site.storage, self.fabric
        switches = fabric.leaves + fabric.planes * fabric.spines
        racks, servers, cpus = self._service
        full = storage.server_idle_watts + storage.server_busy_watts
        cpu = storage.cpu_server_idle_watts + storage.cpu_server_busy_watts
        switch = network.switch_idle_watts + network.switch_traffic_watts
        return switches * switch + racks * (servers * full + cpus * cpu)

    def shape(self, device: DeviceClass) -> tuple[int, int]:
        """Return the shape of every array of the class: units, devices a unit."""
        return self.units(device.frame), self.per_unit(device)

    @property
    def accelerators(self) -> tuple[int, int]:
        """Racks and accelerators a rack, whatever exporter tells of them."""
        return self.site.racks, self.site.gpus_per_rack

    @cached_property
    def devices(self) -> tuple[DeviceClass, ...]:
        """The device classes that the units of this site have."""
        return tuple(device for device in DEVICES if self.per_unit(device) > 0)

    def devices_of(self, frame: Frame) -> tuple[DeviceClass, ...]:
        """Return the device classes that travel in ``frame`` on this site."""
        return tuple(device for device in self.devices if device.frame is frame)

    @cached_property
    def reported(self) -> dict[str, tuple[Signal, ...]]:
        """Signals that this site reports, by device class."""
        extra = self.site.telemetry.extra_signals
        exporter = self.site.gpu.exporter
        return {
            device.name: tuple(
                signal
                for signal in device
                if (extra or not signal.extra)
                and _EXPORTER_OF_UP.get(signal.name, exporter) == exporter
            )
            for device in DEVICES
        }

    def rolled_up(self, rollup: Rollup) -> tuple[DeviceClass, Signal]:
        """Return what a roll-up is taken over on this site."""
        if rollup.instead is None or self.per_unit(rollup.device):
            return rollup.device, rollup.signal
        return rollup.instead

    def series(self) -> dict[str, int]:
        """Return the series of the site at each level of detail.

        ``site`` is the site's own meters and roll-ups, ``rack`` adds the roll-ups of
        every rack, ``gpu`` everything.
        """
        by_device = {
            device.name: self.units(device.frame)
            * self.per_unit(device)
            * sum(signal.series for signal in self.reported[device.name])
            for device in DEVICES
        }
        rollups = sum(self.per_unit(self.rolled_up(rollup)[0]) > 0 for rollup in ROLLUPS)
        site = rollups + sum(
            by_device[device.name] for device in DEVICES if device.frame not in _IN_AN_ARRAY
        )
        rack = site + rollups * self.site.racks
        full = rack + sum(
            by_device[device.name] for device in DEVICES if device.frame in _IN_AN_ARRAY
        )
        return {"site": site, "rack": rack, "gpu": full}

    def gpu_model(self, rack: int) -> GpuModel:
        """Return the GPU model of a rack."""
        return self._models[rack] if self.site.blocks else self.site.gpu

    @cached_property
    def _models(self) -> list[GpuModel]:
        return [block.gpu for block in self.site.blocks for _ in range(block.racks)]

    # -- names ----------------------------------------------------------------

    def unit_name(self, frame: Frame, unit: int) -> str:
        """Return the name of a unit, as it stands in topics and labels."""
        return {
            Frame.RACK: f"r{unit + 1:04d}",
            Frame.ARRAY: self.array_name(unit),
            Frame.PLANE: f"p{unit + 1:02d}",
            Frame.SERVICE: f"s{unit + 1:03d}",
            Frame.MEGAPACK: f"mp{unit + 1:03d}",
            Frame.GENSET: f"g{unit + 1:02d}",
            Frame.GRID: "grid",
            Frame.JOB: "pretrain",
        }[frame]

    def unit_index(self, frame: Frame, name: str) -> int | None:
        """Return the index of the unit called ``name``, or None."""
        return self._unit_names[frame].get(name)

    @cached_property
    def _unit_names(self) -> dict[Frame, dict[str, int]]:
        return {
            frame: {self.unit_name(frame, i): i for i in range(self.units(frame))}
            for frame in Frame
        }

    def array_of(self, rack: int) -> int:
        """Return the array that a rack belongs to."""
        return rack // self.site.racks_per_array

    def array_name(self, array: int) -> str:
        """Return the name of an array."""
        return f"a{array + 1:03d}"

    def array_index(self, name: str) -> int | None:
        """Return the index of the array called ``name``, or None."""
        match = re.fullmatch(r"a(\d{3,5})", name)
        index = int(match[1]) - 1 if match else -1
        valid = 0 <= index < self.site.arrays and self.array_name(index) == name
        return index if valid else None

    def racks_of(self, array: int) -> range:
        """Return the racks of an array."""
        first = array * self.site.racks_per_array
        return range(first, min(first + self.site.racks_per_array, self.site.racks))

    def hall_name(self, array: int) -> str:
        """Return the hall of an array; halls take arrays in order, as evenly as they can."""
        return f"h{array * self.site.halls // self.site.arrays + 1}"

    def hostname(self, rack: int, server: int) -> str:
        """Return the host name of a server."""
        return f"{self.unit_name(Frame.RACK, rack)}-n{server + 1}"

    def gpu_uuid(self, rack: int, gpu: int) -> str:
        """Return a GPU's UUID: the same for the same place of the same site."""
        return f"GPU-{uuid.uuid5(_NAMESPACE, f'{self.site.name}/{rack}/{gpu}')}"

    # -- labels ---------------------------------------------------------------

    def labels(self, signal: Signal, device: DeviceClass, unit: int, index: int) -> Labels:
        """Return all labels of one series, those of the exporter first.

        Args:
            signal: the signal.
            device: its device class.
            unit: index of the unit.
            index: index of the device in the unit.
        """
        family = signal.family
        host, identity = self._identity(family, device, unit, index)
        return (
            *zip(self._label_names(family), identity, strict=True),
            *signal.labels,
            ("job", family.job),
            ("instance", host if family.port is None else f"{host}:{family.port}"),
            *self.place(device.frame, unit),
        )

    def place(self, frame: Frame, unit: int) -> Labels:
        """Return the labels that say where a unit stands."""
        site = ("site", self.site.name)
        if frame not in _IN_AN_ARRAY:
            return (site,)
        array = unit if frame is Frame.ARRAY else self.array_of(unit)
        hall = (site, ("hall", self.hall_name(array)), ("array", self.array_name(array)))
        return hall if frame is Frame.ARRAY else (*hall, ("rack", self.unit_name(frame, unit)))

    def _label_names(self, family: Family) -> tuple[str, ...]:
        if family.key != "dcgm":
            return family.labels
        host = self.site.telemetry.hostname_label
        return tuple(host if name == "Hostname" else name for name in family.labels)

    def _identity(  # noqa: PLR0911 - one return a device class
        self, family: Family, device: DeviceClass, unit: int, index: int
    ) -> tuple[str, tuple[str, ...]]:
        """Return the host part of ``instance`` and the exporter's identity values."""
        site = self.site
        name = self.unit_name(device.frame, unit)
        match device.name:
            case "gpu":
                server, gpu = divmod(index, site.server.gpus)
                host = self.hostname(unit, server)
                bus = _PCI_BUS[gpu % len(_PCI_BUS)]
                return host, (
                    str(gpu),
                    self.gpu_uuid(unit, index),
                    f"{gpu // len(_PCI_BUS):08d}:{bus}:00.0",
                    f"nvidia{gpu}",
                    self.gpu_model(unit).name,
                    host,
                    site.server.driver_version,
                )
            case "neuron" | "neuroncore" | "neuron_runtime":
                return self._neuron_identity(family, device, unit, index)
            case "nic":
                server, nic = divmod(index, site.server.nics)
                return self.hostname(unit, server), self._nic_identity(family, nic)
            case "server":
                inlet = ("4", "Inlet Temp") if family.key == "ipmi_inlet" else ()
                return self.hostname(unit, index), inlet
            case "psu":
                server, psu = divmod(index, site.server.psus)
                side, base = ("Output", 60) if family.key == "psu_output" else ("Input", 50)
                return self.hostname(unit, server), (str(base + psu), f"PS{psu + 1} {side} Power")
            case "pump" | "cdu_psu":
                return f"{name}-cdu", (str(index + 1),)
            case "cdu":
                return f"{name}-cdu", ()
            case "pdu":
                pdu, phase = divmod(index, len(_PHASES))
                return f"{name}-pdu{pdu + 1}", (str(pdu + 1), _PHASES[phase])
            case "leaf" | "port":
                return self._leaf_identity(family, unit, index)
            case _:
                return self._site_identity(family, device, name, index)

    def _neuron_identity(
        self, family: Family, device: DeviceClass, rack: int, index: int
    ) -> tuple[str, tuple[str, ...]]:
        """Return the same for what neuron-monitor tells of, which numbers server by server."""
        server, number = divmod(index, max(1, self.per_unit(device) // self.site.servers_per_rack))
        host = self.hostname(rack, server)
        values = {
            "neuron_device_index": str(number),
            "neuroncore": str(number),
            **ec2_labels(self.site, host, self.array_name(self.array_of(rack))),
        }
        return host, tuple(values[name] for name in family.labels)

    @staticmethod
    def _site_identity(
        family: Family, device: DeviceClass, name: str, index: int
    ) -> tuple[str, tuple[str, ...]]:
        """Return the same for what belongs to no array."""
        number = str(index + 1)
        match device.name:
            case "spine":
                return f"{name}-spine{number}", ()
            case "storage" | "cpu":
                kind = "n" if device.name == "storage" else "c"
                return f"{name}-{kind}{number}", _HOST_IDENTITY.get(family.key, ())
            case "chiller":
                return f"chiller{number}", (number,)
            case "grid":
                return name, (number,)
            case "facility" | "water":
                return "facility", ()
            case _:
                return name, (name,)

    def _leaf_identity(self, family: Family, array: int, index: int) -> tuple[str, tuple[str, ...]]:
        """Return a leaf's host name, and what names its port: alias, description, index, name."""
        shape, name = self.fabric, self.array_name(array)
        if not family.labels:
            return f"{name}-leaf{index + 1}", ()
        leaf, port = divmod(index, shape.ports)
        interface = shape.port_name(port)
        if port < shape.downlinks:
            rack, server = divmod(port, self.site.servers_per_rack)
            host = self.hostname(array * self.site.racks_per_array + rack, server)
            alias = f"{host} mlx5_{leaf}"
        else:
            plane, spine = shape.spine_of(array * shape.rails + leaf, port - shape.downlinks)
            alias = f"{self.unit_name(Frame.PLANE, plane)}-spine{spine + 1}"
        return f"{name}-leaf{leaf + 1}", (alias, interface, str(port + 1), interface)

    def _nic_identity(self, family: Family, nic: int) -> tuple[str, ...]:
        network = self.site.network
        return {
            "infiniband": (f"mlx5_{nic}", "1"),
            "infiniband_info": (
                network.board_id,
                f"mlx5_{nic}",
                network.firmware_version,
                network.hca_type,
            ),
            "netdev": (f"eth{nic}",),
            "module": (f"eth{nic}",),
            "laser": (f"eth{nic}", "0"),
        }[family.key]

    # -- targets --------------------------------------------------------------

    def target(self, text: str) -> Target:
        """Return the place that ``text`` names.

        Raises:
            TargetError: it is no address, or the site has no such place.
        """
        return find_target(self, text)

    # -- detail ---------------------------------------------------------------

    def rollup_labels(self, level: Level, rack: int) -> Labels:
        """Return the labels of a roll-up; ``rack`` is unused at site level."""
        if level is Level.SITE:
            return (("site", self.site.name),)
        return self.place(Frame.RACK, rack)
