"""Labels of every series: the exporter's own, and the place."""

from __future__ import annotations

from twin.catalog import DeviceClass, Exporter, Signal, UnitKind
from twin.catalog.power import PHASES
from twin.site.ec2 import ec2_labels
from twin.site.layout import Labels, Layout

__all__ = ["series_labels"]

_PCI_BUS = ("18", "2A", "3A", "5D", "9A", "AB", "BA", "DB")
"""PCI buses of the eight GPUs of an HGX H100 host (nvidia-smi)."""

_HOST_IDENTITY = {
    "node_disk": ("md0",),
    "node_filesystem": ("/dev/md0", "", "xfs", "/data"),
    "netdev": ("eth0",),
}
"""What node_exporter calls the disks, the filesystem and the port of a storage server."""

_HPC_JOB = "hpc_job"
"""Label of a GPU's job (dcgm-exporter, ``--hpc-job-mapping-dir``)."""


def series_labels(
    layout: Layout, signal: Signal, device: DeviceClass, unit: int, index: int
) -> Labels:
    """Return all labels of one series, those of the exporter first.

    Args:
        layout: the site, or a part of it.
        signal: the signal.
        device: its device class.
        unit: index of the unit.
        index: index of the device in the unit.
    """
    unit, layout = layout.number(device.frame, unit), layout.entire
    family = signal.family
    host, identity = _identity(layout, family, device, unit, index)
    return (
        *zip(_label_names(layout, family), identity, strict=True),
        *_job_labels(layout, family, unit),
        *signal.labels,
        ("job", family.job),
        ("instance", host if family.port is None else f"{host}:{family.port}"),
        *layout.place(device.frame, unit),
    )


def _label_names(layout: Layout, family: Exporter) -> tuple[str, ...]:
    if family.key != "dcgm":
        return family.labels
    host = layout.site.telemetry.hostname_label
    return tuple(host if name == "Hostname" else name for name in family.labels)


def _job_labels(layout: Layout, family: Exporter, rack: int) -> Labels:
    """Return what dcgm-exporter adds to a job's GPUs where the scheduler tells it of jobs."""
    if family.key != "dcgm" or not layout.site.jobs:
        return ()
    job = layout.job_of(rack)
    return () if job is None else ((_HPC_JOB, job),)


def _identity(  # noqa: PLR0911 - one return a device class
    layout: Layout, family: Exporter, device: DeviceClass, unit: int, index: int
) -> tuple[str, tuple[str, ...]]:
    """Return the host part of ``instance`` and the exporter's identity values."""
    site = layout.site
    name = layout.unit_name(device.frame, unit)
    match device.name:
        case "gpu":
            server, gpu = divmod(index, site.server.gpus)
            host = layout.hostname(unit, server)
            bus = _PCI_BUS[gpu % len(_PCI_BUS)]
            return host, (
                str(gpu),
                layout.gpu_uuid(unit, index),
                f"{gpu // len(_PCI_BUS):08d}:{bus}:00.0",
                f"nvidia{gpu}",
                layout.gpu_model(unit).name,
                host,
                site.server.driver_version,
            )
        case "neuron" | "neuroncore" | "neuron_runtime":
            return _neuron_identity(layout, family, device, unit, index)
        case "nic":
            server, nic = divmod(index, site.server.nics)
            return layout.hostname(unit, server), _nic_identity(layout, family, nic)
        case "server":
            inlet = ("4", "Inlet Temp") if family.key == "ipmi_inlet" else ()
            return layout.hostname(unit, index), inlet
        case "psu":
            server, psu = divmod(index, site.server.psus)
            side, base = ("Output", 60) if family.key == "psu_output" else ("Input", 50)
            return layout.hostname(unit, server), (str(base + psu), f"PS{psu + 1} {side} Power")
        case "pump" | "cdu_psu":
            return f"{name}-cdu", (str(index + 1),)
        case "cdu":
            return f"{name}-cdu", ()
        case "pdu" | "pdu_breaker":
            return _pdu_identity(family, name, index)
        case "leaf" | "port":
            return _leaf_identity(layout, family, unit, index)
        case _:
            return _site_identity(family, device, name, index)


def _pdu_identity(family: Exporter, rack: str, index: int) -> tuple[str, tuple[str, ...]]:
    if family.key == "pdu":
        pdu, phase = divmod(index, len(PHASES))
        return f"{rack}-pdu{pdu + 1}", (str(pdu + 1), PHASES[phase])
    return f"{rack}-pdu{index + 1}", (str(index + 1),)


def _neuron_identity(
    layout: Layout, family: Exporter, device: DeviceClass, rack: int, index: int
) -> tuple[str, tuple[str, ...]]:
    """Return the same for what neuron-monitor tells of, which numbers server by server."""
    server, number = divmod(index, max(1, layout.per_unit(device) // layout.site.servers_per_rack))
    host = layout.hostname(rack, server)
    values = {
        "neuron_device_index": str(number),
        "neuroncore": str(number),
        **ec2_labels(layout.site, host, layout.array_name(layout.array_of(rack))),
    }
    return host, tuple(values[name] for name in family.labels)


def _site_identity(
    family: Exporter, device: DeviceClass, name: str, index: int
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


def _leaf_identity(
    layout: Layout, family: Exporter, array: int, index: int
) -> tuple[str, tuple[str, ...]]:
    """Return a leaf's host name, and what names its port: alias, description, index, name."""
    shape, name = layout.fabric, layout.array_name(array)
    if not family.labels:
        return f"{name}-leaf{index + 1}", ()
    leaf, port = divmod(index, shape.ports)
    interface = shape.port_name(port)
    if port < shape.downlinks:
        rack, server = divmod(port, layout.site.servers_per_rack)
        host = layout.hostname(array * layout.site.racks_per_array + rack, server)
        alias = f"{host} mlx5_{leaf}"
    else:
        plane, spine = shape.spine_of(array * shape.rails + leaf, port - shape.downlinks)
        alias = f"{layout.unit_name(UnitKind.PLANE, plane)}-spine{spine + 1}"
    return f"{name}-leaf{leaf + 1}", (alias, interface, str(port + 1), interface)


def _nic_identity(layout: Layout, family: Exporter, nic: int) -> tuple[str, ...]:
    network = layout.site.network
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
