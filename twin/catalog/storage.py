"""NVMe storage servers and CPU servers of the service racks.

Names, types and help follow node_exporter 1.12 (``collector/diskstats_common.go``,
``filesystem_common.go``, ``loadavg.go``, ``meminfo.go``, Apache-2.0) and ipmi_exporter,
with the labels that both have on such a server.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.model import UP_CODES, Exporter, MetricType, Signal, Unit
from twin.catalog.nic import NIC
from twin.catalog.place import Hosts, UnitKind
from twin.catalog.server import SERVER

__all__ = ["CPU", "STORAGE"]

_node = partial(Exporter, job="node-exporter", port=9100, source="prometheus/node_exporter 1.12")
_HOST = _node(key="node_host", labels=())
_DISK = _node(key="node_disk", labels=("device",), identify=lambda _: ("md0",))
_FILESYSTEM = _node(
    key="node_filesystem",
    labels=("device", "device_error", "fstype", "mountpoint"),
    identify=lambda _: ("/dev/md0", "", "xfs", "/data"),
)

_disk = partial(Signal, family=_DISK, kind=MetricType.COUNTER)
_filesystem = partial(Signal, family=_FILESYSTEM, kind=MetricType.GAUGE, unit=Unit.BYTES)
_host = partial(Signal, family=_HOST, kind=MetricType.GAUGE)

_SERVER = (
    Signal("up_node", "up", SERVER["up_node"].family, MetricType.GAUGE, Unit.NONE,
           SERVER["up_node"].help, high=1, codes=UP_CODES),
    Signal("power", SERVER["power"].metric, SERVER["power"].family, MetricType.GAUGE, Unit.WATTS,
           SERVER["power"].help, high=100_000),
    _host("load1", "node_load1", unit=Unit.NONE, decimals=2, help="1m load average."),
    _host("memory_available", "node_memory_MemAvailable_bytes", unit=Unit.BYTES,
          help="Memory information field MemAvailable_bytes."),
)  # fmt: skip

STORAGE = DeviceClass(
    name="storage",
    frame=UnitKind.SERVICE,
    title="storage server",
    hosts=Hosts(
        lambda site: site.storage_per_service_rack,
        lambda place: f"{place.unit_name}-n{place.host + 1}",
    ),
    signals=(
        *_SERVER,
        _disk("read_bytes", "node_disk_read_bytes_total", unit=Unit.BYTES,
              help="The total number of bytes read successfully."),
        _disk("written_bytes", "node_disk_written_bytes_total", unit=Unit.BYTES,
              help="The total number of bytes written successfully."),
        _disk("io_seconds", "node_disk_io_time_seconds_total", unit=Unit.SECONDS, decimals=2,
              help="Total seconds spent doing I/Os."),
        _filesystem("size_bytes", "node_filesystem_size_bytes",
                    help="Filesystem size in bytes."),
        _filesystem("avail_bytes", "node_filesystem_avail_bytes",
                    help="Filesystem space available to non-root users in bytes."),
        Signal("net_rx_bytes", NIC["net_rx_bytes"].metric, NIC["net_rx_bytes"].family,
               MetricType.COUNTER, Unit.BYTES, NIC["net_rx_bytes"].help),
        Signal("net_tx_bytes", NIC["net_tx_bytes"].metric, NIC["net_tx_bytes"].family,
               MetricType.COUNTER, Unit.BYTES, NIC["net_tx_bytes"].help),
    ),
)  # fmt: skip

CPU = DeviceClass(
    name="cpu",
    frame=UnitKind.SERVICE,
    title="CPU server",
    hosts=Hosts(
        lambda site: site.cpus_per_service_rack,
        lambda place: f"{place.unit_name}-c{place.host + 1}",
    ),
    signals=_SERVER,
)
