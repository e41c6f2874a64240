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

from twin.catalog import DEVICES, ROLLUPS, DeviceClass, Family, Frame, Level, Signal, devices_of
from twin.errors import TargetError
from twin.site.model import Site
from twin.site.parameters import GpuModel

__all__ = ["Labels", "Layout", "Target"]

Labels = tuple[tuple[str, str], ...]
"""Label names and values, in the order in which they are exposed."""

_NAMESPACE = uuid.UUID("6f1d6f5e-6a53-4a52-9a54-b7a3cb1f0d0e")
_PCI_BUS = ("18", "2A", "3A", "5D", "9A", "AB", "BA", "DB")
"""PCI buses of the eight GPUs of an HGX H100 host (nvidia-smi)."""

_PHASES = ("L1", "L2", "L3")
_TARGET = re.compile(
    r"(?P<rack>r\d{4,6})"
    r"(?:/(?P<server>n(?:\d|[1-9]\d))(?:/(?P<part>gpu|nic|psu)(?P<index>\d|[1-9]\d))?"
    r"|/pump(?P<pump>\d))?"
    r"|(?P<megapack>mp\d{3,5})|(?P<genset>g\d{2,4})|(?P<array>a\d{3,5})|(?P<grid>grid)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A place of the site that a fault can strike.

    Attributes:
        text: as a person writes it, for example ``r0003/n2/gpu5``.
        kind: ``rack``, ``server``, ``gpu``, ``nic``, ``psu``, ``pump``, ``megapack``,
            ``genset``, ``array`` or ``grid``.
        unit: index of the unit (of the first rack, for an array).
        device: index of the device in its unit; 0 where there is only one.
    """

    text: str
    kind: str
    unit: int
    device: int = 0


@dataclass(frozen=True)
class Layout:
    """The arithmetic of one site."""

    site: Site

    # -- counts ---------------------------------------------------------------

    def units(self, frame: Frame) -> int:
        """Return how many units publish ``frame``."""
        return {
            Frame.RACK: self.site.racks,
            Frame.MEGAPACK: self.site.megapacks.count,
            Frame.GENSET: self.site.gensets.count,
            Frame.GRID: 1,
            Frame.JOB: 1,
        }[frame]

    def per_unit(self, device: DeviceClass) -> int:
        """Return how many devices of the class one unit has."""
        site = self.site
        return {
            "gpu": site.gpus_per_rack,
            "nic": site.nics_per_rack,
            "server": site.servers_per_rack,
            "psu": site.servers_per_rack * site.server.psus,
            "pump": site.cooling.pumps,
            "pdu": site.pdus_per_rack * len(_PHASES),
        }.get(device.name, 1)

    def shape(self, device: DeviceClass) -> tuple[int, int]:
        """Return the shape of every array of the class: units, devices a unit."""
        return self.units(device.frame), self.per_unit(device)

    @cached_property
    def reported(self) -> dict[str, tuple[Signal, ...]]:
        """Signals that this site reports, by device class."""
        extra = self.site.telemetry.extra_signals
        return {device.name: tuple(s for s in device if extra or not s.extra) for device in DEVICES}

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
        site = len(ROLLUPS) + sum(
            by_device[device.name] for device in DEVICES if device.frame is not Frame.RACK
        )
        rack = site + len(ROLLUPS) * self.site.racks
        full = rack + sum(by_device[device.name] for device in devices_of(Frame.RACK))
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
            ("instance", f"{host}:{family.port}"),
            *self.place(device.frame, unit),
        )

    def place(self, frame: Frame, unit: int) -> Labels:
        """Return the labels that say where a unit stands."""
        site = ("site", self.site.name)
        if frame is not Frame.RACK:
            return (site,)
        array = self.array_of(unit)
        return (
            site,
            ("hall", self.hall_name(array)),
            ("array", self.array_name(array)),
            ("rack", self.unit_name(frame, unit)),
        )

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
            case "pump":
                return f"{name}-cdu", (str(index + 1),)
            case "cdu":
                return f"{name}-cdu", ()
            case "pdu":
                pdu, phase = divmod(index, len(_PHASES))
                return f"{name}-pdu{pdu + 1}", (str(pdu + 1), _PHASES[phase])
            case "grid":
                return name, ("1",)
            case "facility":
                return "facility", ()
            case _:
                return name, (name,)

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
        match = _TARGET.fullmatch(text)
        if match is None:
            raise TargetError(
                f"target {text!r} is no address; write a rack (r0001), a server (r0001/n3), a part "
                "(r0001/n3/gpu5, r0001/n3/nic0, r0001/n3/psu1, r0001/pump1), an array (a001), a "
                "Megapack (mp001), a generator (g01) or grid"
            )
        groups = match.groupdict()
        if groups["array"]:
            array = self.array_index(text)
            if array is None:
                raise self._absent(text, "arrays", self.array_name(self.site.arrays - 1))
            return Target(text, "array", self.racks_of(array).start)
        for frame in (Frame.MEGAPACK, Frame.GENSET, Frame.GRID):
            if groups[frame.value]:
                return Target(text, frame.value, self._unit(frame, text))
        return self._rack_target(text, groups)

    def _unit(self, frame: Frame, name: str) -> int:
        index = self.unit_index(frame, name)
        if index is None:
            count = self.units(frame)
            last = self.unit_name(frame, count - 1) if count else "none"
            raise self._absent(name, f"{frame.value}s", last)
        return index

    def _rack_target(self, text: str, groups: dict[str, str | None]) -> Target:
        site = self.site
        rack = self._unit(Frame.RACK, groups["rack"] or "")
        if groups["pump"]:
            pump = int(groups["pump"]) - 1
            if not 0 <= pump < site.cooling.pumps:
                raise self._absent(text, "pumps", f"pump{site.cooling.pumps}")
            return Target(text, "pump", rack, pump)
        if not groups["server"]:
            return Target(text, "rack", rack)
        server = int(groups["server"][1:]) - 1
        if not 0 <= server < site.servers_per_rack:
            raise self._absent(text, "servers a rack", f"n{site.servers_per_rack}")
        if not groups["part"]:
            return Target(text, "server", rack, server)
        part, index = groups["part"], int(groups["index"] or 0)
        first = 1 if part == "psu" else 0
        count = {"gpu": site.server.gpus, "nic": site.server.nics, "psu": site.server.psus}[part]
        if not first <= index < first + count:
            raise self._absent(text, f"{part}s a server", f"{part}{first + count - 1}")
        return Target(text, part, rack, server * count + index - first)

    def _absent(self, text: str, what: str, last: str) -> TargetError:
        return TargetError(
            f"target {text!r} does not exist on site {self.site.name!r}; "
            f"the last of its {what} is {last}"
        )

    # -- detail ---------------------------------------------------------------

    def rollup_labels(self, level: Level, rack: int) -> Labels:
        """Return the labels of a roll-up; ``rack`` is unused at site level."""
        if level is Level.SITE:
            return (("site", self.site.name),)
        return self.place(Frame.RACK, rack)
