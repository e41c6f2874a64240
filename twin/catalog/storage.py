"""NVMe storage servers and CPU servers of the service racks.

Names, types and help follow node_exporter 1.12 and ipmi_exporter, with the labels that both have
on such a server. A few values of the operating system are there whatever the site says of its
hosts; the rest is as on a GPU server.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.host import HostKind, host_families, host_signals
from twin.catalog.host.kind import NODE
from twin.catalog.host.texts import signal
from twin.catalog.model import UP_CODES, Exporter, MetricType, Signal, Unit
from twin.catalog.nic import NIC
from twin.catalog.operating_system import data_signals
from twin.catalog.place import Hosts, UnitKind
from twin.catalog.server import SERVER

__all__ = ["CPU", "CPU_HOST", "STORAGE", "STORAGE_HOST"]

_node = partial(Exporter, job=NODE.job, port=NODE.port, source=NODE.source)
_DISK = _node(key="node_disk", labels=("device",), identify=lambda _: ("md0",))
_FILESYSTEM = _node(
    key="node_filesystem",
    labels=("device", "device_error", "fstype", "mountpoint"),
    identify=lambda _: ("/dev/md0", "", "xfs", "/data"),
)

_STORAGE_HOSTS = Hosts(
    lambda site: site.storage_per_service_rack,
    lambda place: f"{place.unit_name}-n{place.host + 1}",
)
_CPU_HOSTS = Hosts(
    lambda site: site.cpus_per_service_rack,
    lambda place: f"{place.unit_name}-c{place.host + 1}",
)
_service_host = partial(
    HostKind,
    threads=lambda site: site.storage.cpu_threads,
    memory=lambda site: site.storage.memory_bytes,
    data_device="md0",
    data_mount="/data",
    data_fstype="xfs",
    vendor="Supermicro",
    cpu="Intel(R) Xeon(R) Gold 6438Y+",
    in_array=False,
)
STORAGE_HOST = _service_host(
    data_disks=24,
    data_bytes=lambda site: site.storage.capacity_bytes,
    product="SSG-221E-NE324R",
    hostname=_STORAGE_HOSTS.name,
)
"""A storage server, est."""
CPU_HOST = _service_host(
    data_disks=0,
    data_bytes=lambda _: 0.0,
    product="SYS-221H-TNR",
    hostname=_CPU_HOSTS.name,
)
"""A CPU server, est."""

_SERVER = (
    Signal("up_node", "up", SERVER["up_node"].family, MetricType.GAUGE, Unit.NONE,
           SERVER["up_node"].help, high=1, codes=UP_CODES),
    Signal("power", SERVER["power"].metric, SERVER["power"].family, MetricType.GAUGE, Unit.WATTS,
           SERVER["power"].help, high=100_000),
    signal("load1", "load1", NODE, decimals=2),
    signal("memory_available", "memory_MemAvailable_bytes", NODE),
)  # fmt: skip
_SYSTEM = host_signals(without=tuple(each.name for each in _SERVER))

STORAGE = DeviceClass(
    name="storage",
    frame=UnitKind.SERVICE,
    title="storage server",
    hosts=_STORAGE_HOSTS,
    signals=(
        *_SERVER,
        *data_signals(_DISK, _FILESYSTEM),
        Signal("net_rx_bytes", NIC["net_rx_bytes"].metric, NIC["net_rx_bytes"].family,
               MetricType.COUNTER, Unit.BYTES, NIC["net_rx_bytes"].help),
        Signal("net_tx_bytes", NIC["net_tx_bytes"].metric, NIC["net_tx_bytes"].family,
               MetricType.COUNTER, Unit.BYTES, NIC["net_tx_bytes"].help),
        *_SYSTEM,
    ),
    derived=host_families(STORAGE_HOST),
)  # fmt: skip

CPU = DeviceClass(
    name="cpu",
    frame=UnitKind.SERVICE,
    title="CPU server",
    hosts=_CPU_HOSTS,
    signals=(*_SERVER, *_SYSTEM),
    derived=host_families(CPU_HOST),
)
