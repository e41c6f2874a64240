"""The operating system of a GPU server, as node_exporter's default collectors show it.

That of storage and CPU servers stands with them in :mod:`twin.catalog.storage`; both are made of
the same signals and families, :mod:`twin.catalog.host`.
"""

from __future__ import annotations

from twin.catalog.device import DeviceClass
from twin.catalog.host import HostKind, host_families, host_signals
from twin.catalog.host.kind import NODE, hosts_shown
from twin.catalog.host.texts import signal
from twin.catalog.model import Exporter, Signal
from twin.catalog.place import SERVERS, UnitKind

__all__ = ["GPU_HOST", "HOST", "data_signals"]

_RAID_BYTES = 2.97e13
"""Eight disks of 3.84 TB as RAID 0, less the file system's own."""

GPU_HOST = HostKind(
    threads=lambda site: site.server.cpu_threads,
    memory=lambda site: site.server.memory_bytes,
    data_disks=8,
    data_device="md1",
    data_mount="/raid",
    data_fstype="ext4",
    data_bytes=lambda _: _RAID_BYTES,
    vendor="NVIDIA",
    product="DGXH100",
    cpu="Intel(R) Xeon(R) Platinum 8480C",
    in_array=True,
    hostname=lambda place: place.hostname,
)
"""A GPU server: a DGX H100 or its like, with two system disks of 1.92 TB; layout est."""


def _host(key: str, labels: tuple[str, ...], values: tuple[str, ...]) -> Exporter:
    return Exporter(key, NODE.job, NODE.port, labels, NODE.source, identify=lambda _: values)


def data_signals(disk: Exporter, filesystem: Exporter, **fields: object) -> tuple[Signal, ...]:
    """Return the signals of a host's data array and its file system.

    Args:
        disk: how node_exporter identifies the array.
        filesystem: how it identifies the file system.
        fields: of the signals.
    """

    def of(name: str, family: str, exporter: Exporter, **own: object) -> Signal:
        return signal(name, family, exporter, **own, **fields)

    return (
        of("read_bytes", "disk_read_bytes_total", disk),
        of("written_bytes", "disk_written_bytes_total", disk),
        of("io_seconds", "disk_io_time_seconds_total", disk, decimals=2),
        of("size_bytes", "filesystem_size_bytes", filesystem),
        of("avail_bytes", "filesystem_avail_bytes", filesystem),
    )


HOST = DeviceClass(
    name="host",
    frame=UnitKind.RACK,
    title="operating system of a server",
    hosts=SERVERS,
    per_host=lambda site: int(hosts_shown(site)),
    signals=(
        *host_signals(),
        *data_signals(
            _host("raid_disk", ("device",), (GPU_HOST.data_device,)),
            _host("raid", ("device", "device_error", "fstype", "mountpoint"),
                  (f"/dev/{GPU_HOST.data_device}", "", GPU_HOST.data_fstype, GPU_HOST.data_mount)),
        ),
    ),
    derived=host_families(GPU_HOST),
)  # fmt: skip
