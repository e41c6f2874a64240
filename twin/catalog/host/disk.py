"""Disks, their arrays and file systems: diskstats, mdadm, filesystem and nvme.

What travels is of the two arrays: a member of the data array (RAID 0) has its part of the
traffic, a member of the system's mirror all that is written and half of what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin.catalog.arrays import Values, np
from twin.catalog.derived import DerivedFamily, DeviceValues, SeriesGroup
from twin.catalog.host.kind import NODE, HostKind, serial
from twin.catalog.host.texts import constants, family
from twin.catalog.model import Labels
from twin.catalog.place import Place

__all__ = ["disk_families"]

_READ_BYTES, _WRITE_BYTES = 131_072.0, 262_144.0
"""Mean size of a request in B, est."""
_DATA = ("read_bytes", "written_bytes", "io_seconds")
_OS = ("os_read_bytes", "os_written_bytes", "os_io_seconds")
_QUEUE = 4.0
"""Requests that wait while a disk is busy, est."""
_FILES = 1.2e8
"""Inodes of the root file system: one for each 16 KiB, as mkfs.ext4 makes."""
_MD_STATES = ("active", "check", "inactive", "recovering", "resync")
_MODEL, _REVISION = "SAMSUNG MZWLO3T8HCLS-00A07", "GDC7302Q"
_BLOCK = 512.0


def disk_families(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of the collectors diskstats, mdadm, filesystem and nvme."""
    return (*_stats(kind), *_arrays(kind), *_filesystems(kind), *_nvme(kind))


def _flows(kind: HostKind, values: DeviceValues, of: int) -> Values:
    """Return one of (read, written, busy) of each device but the data array, (hosts, devices)."""
    columns = []
    for disk in kind.disks(values.site):
        data = disk.array == "data"
        column = values[(_DATA if data else _OS)[of]]
        if of == 0 and not data and not disk.members:
            column = column / kind.OS_DISKS
        columns.append(column / kind.data_disks if data and of < 2 else column)  # noqa: PLR2004 - busy is the third
    return np.stack(columns, axis=1)


def _stats(kind: HostKind) -> tuple[DerivedFamily, ...]:
    def labels(place: Place) -> Sequence[Labels]:
        return tuple((("device", disk.device),) for disk in kind.disks(place.site))

    disks = SeriesGroup("disk", NODE, ("device",), lambda site: len(kind.disks(site)), labels)
    found = list(_of_devices(disks, lambda v, of: _flows(kind, v, of)))
    found += [
        family(name, disks, lambda v, of=of: _flows(kind, v, of), "os_io_seconds")  # type: ignore[misc]  # a default keeps the value of each
        for of, name in enumerate(
            ("disk_read_bytes_total", "disk_written_bytes_total", "disk_io_time_seconds_total")
        )
    ]
    if kind.data_disks:
        array = SeriesGroup(
            "disk_data", NODE, ("device",), labels=lambda _: ((("device", kind.data_device),),)
        )
        found += _of_devices(array, lambda v, of: v.each(_DATA[of]))
    return (*found, *_disk_info(kind))


def _of_devices(
    group: SeriesGroup, flows: Callable[[DeviceValues, int], Values]
) -> tuple[DerivedFamily, ...]:
    """Return what the kernel counts of block devices, beside octets and busy time."""
    known = "os_io_seconds"

    def of(name: str, number: int, factor: float) -> DerivedFamily:
        return family(name, group, lambda v: factor * flows(v, number), known)

    return (
        of("disk_reads_completed_total", 0, 1.0 / _READ_BYTES),
        of("disk_writes_completed_total", 1, 1.0 / _WRITE_BYTES),
        of("disk_reads_merged_total", 0, 0.05 / _READ_BYTES),
        of("disk_writes_merged_total", 1, 0.4 / _WRITE_BYTES),
        of("disk_read_time_seconds_total", 2, 0.6 * _QUEUE),
        of("disk_write_time_seconds_total", 2, 0.4 * _QUEUE),
        of("disk_io_time_weighted_seconds_total", 2, _QUEUE),
        of("disk_flush_requests_total", 1, 0.02 / _WRITE_BYTES),
        of("disk_flush_requests_time_seconds_total", 2, 0.01),
        *constants(group, dict.fromkeys(_QUIET, 0.0), known),
    )


_QUIET = ("disk_io_now", "disk_discards_completed_total", "disk_discards_merged_total",
          "disk_discarded_sectors_total", "disk_discard_time_seconds_total")  # fmt: skip


def _disk_info(kind: HostKind) -> tuple[DerivedFamily, ...]:
    def labels(place: Place) -> Sequence[Labels]:
        arrays = [disk.device for disk in kind.disks(place.site) if disk.members]
        arrays += [kind.data_device] * bool(kind.data_disks)
        found = [_info(name, "9", name.removeprefix("md"), "", "", "", "") for name in arrays]
        for number in range(kind.nvmes):
            code = serial(place, f"disk{number}", 14)
            found.append(_info(f"nvme{number}n1", "259", str(number), _MODEL, _REVISION, f"S{code}",
                               f"eui.{code.lower()}00"))  # fmt: skip
        return found

    info = SeriesGroup(
        "disk_info", NODE,
        ("device", "major", "minor", "model", "path", "revision", "rotational", "serial", "wwn"),
        lambda _: kind.nvmes + 1 + bool(kind.data_disks), labels,
    )  # fmt: skip
    return constants(info, {"disk_info": 1.0})


def _info(device: str, major: str, minor: str, model: str, revision: str, number: str,
          wwn: str) -> Labels:  # fmt: skip
    path = f"pci-0000:{int(minor) + 1:02x}:00.0-nvme-1" if model else ""
    return (("device", device), ("major", major), ("minor", minor), ("model", model),
            ("path", path), ("revision", revision), ("rotational", "0"), ("serial", number),
            ("wwn", wwn))  # fmt: skip


def _arrays(kind: HostKind) -> tuple[DerivedFamily, ...]:
    """Return the families of mdadm: the mirror of the system's disks, and the data array."""
    sizes = {kind.os_device: kind.OS_DISKS}
    if kind.data_disks:
        sizes[kind.data_device] = kind.data_disks
    names, disks = tuple(sizes), tuple(float(count) for count in sizes.values())

    def each(*more: tuple[str, str]) -> Callable[[Place], Sequence[Labels]]:
        every = more or ((),)
        return lambda _: tuple(
            (("device", name), *([pair] if pair else [])) for name in names for pair in every
        )

    def group(key: str, names_of: tuple[str, ...], per: int,
              labels: Callable[[Place], Sequence[Labels]]) -> SeriesGroup:  # fmt: skip
        return SeriesGroup(key, NODE, names_of, lambda _: per * len(names), labels)

    plain = group("md", ("device",), 1, each())
    kinds = ("active", "failed", "spare")
    by_disk = group("md_disks", ("device", "state"), 3, each(*(("state", k) for k in kinds)))
    by_state = group("md_state", ("device", "state"), 5, each(*(("state", s) for s in _MD_STATES)))

    def failed(values: DeviceValues) -> Values:
        missing = values.each("os_disks_failed")
        return np.concatenate([missing, np.zeros((missing.size, len(names) - 1))], axis=1)

    def disks_by_state(values: DeviceValues) -> Values:
        lost = failed(values)
        parts = np.stack([np.array(disks) - lost, lost, np.zeros(lost.shape)], axis=2)
        return parts.reshape(len(lost), -1)

    def blocks(values: DeviceValues) -> Values:
        data = kind.data_bytes(values.site)
        return np.array([kind.OS_BYTES, data][: len(names)]) / (2.0 * _BLOCK)

    return (
        family("md_disks", by_disk, disks_by_state, "os_disks_failed"),
        family("md_degraded", plain, failed, "os_disks_failed"),
        family("md_disks_required", plain, lambda _: np.array(disks), steady=True),
        family("md_raid_disks", plain, lambda _: np.array(disks), steady=True),
        family("md_blocks", plain, blocks, steady=True),
        family("md_blocks_synced", plain, blocks, steady=True),
        family("md_state", by_state, lambda _: np.tile([1.0, 0, 0, 0, 0], len(names)), steady=True),
    )


def _filesystems(kind: HostKind) -> tuple[DerivedFamily, ...]:
    def labels(place: Place) -> Sequence[Labels]:
        return tuple(
            (("device", m.device), ("device_error", ""), ("fstype", m.fstype),
             ("mountpoint", m.mountpoint))
            for m in kind.mounts(place.site)
        )  # fmt: skip

    names = ("device", "device_error", "fstype", "mountpoint")
    every = SeriesGroup("filesystem", NODE, names, lambda site: len(kind.mounts(site)), labels)

    def sizes(values: DeviceValues) -> Values:
        return np.array([mount.bytes for mount in kind.mounts(values.site)])

    def left(values: DeviceValues, reserve: float) -> Values:
        size = sizes(values)
        free = np.tile(0.98 * size, (values["uptime"].size, 1))
        free[:, 0] = values["root_available"] + reserve * size[0]
        return free

    def inodes(values: DeviceValues) -> Values:
        return np.where(sizes(values) > 1e12, _FILES, 8.0e6)  # noqa: PLR2004 - the root

    def readonly(values: DeviceValues) -> Values:
        state = np.zeros((values["uptime"].size, sizes(values).size))
        state[:, 0] = values["root_readonly"]
        return state

    root = (
        family("filesystem_size_bytes", every, sizes, steady=True),
        family("filesystem_avail_bytes", every, lambda v: left(v, 0.0), "root_available"),
        family("filesystem_free_bytes", every, lambda v: left(v, 0.05), "root_available"),
        family("filesystem_files", every, inodes, steady=True),
        family("filesystem_files_free", every, lambda v: 0.985 * inodes(v), steady=True),
        family("filesystem_readonly", every, readonly, "root_readonly"),
        family("filesystem_device_error", every, lambda _: 0.0, steady=True),
        *_mount_info(kind),
    )
    if not kind.data_disks:
        return root
    own = (("device", f"/dev/{kind.data_device}"), ("device_error", ""),
           ("fstype", kind.data_fstype), ("mountpoint", kind.data_mount))  # fmt: skip
    data = SeriesGroup("filesystem_data", NODE, names, labels=lambda _: (own,))
    files = 3.6e9 if kind.data_fstype == "xfs" else 1.9e9
    return (
        *root,
        family("filesystem_free_bytes", data, lambda v: v["avail_bytes"], "avail_bytes"),
        *constants(data, {
            "filesystem_files": files,
            "filesystem_files_free": 0.97 * files,
            "filesystem_readonly": 0.0,
            "filesystem_device_error": 0.0,
        }),
    )  # fmt: skip


def _mount_info(kind: HostKind) -> tuple[DerivedFamily, ...]:
    def labels(place: Place) -> Sequence[Labels]:
        mounts = [
            (m.device, "0" if m.device == "tmpfs" else "9", m.minor, m.mountpoint)
            for m in kind.mounts(place.site)
        ]
        if kind.data_disks:
            name = kind.data_device
            mounts.append((f"/dev/{name}", "9", name.removeprefix("md"), kind.data_mount))
        names = ("device", "major", "minor", "mountpoint")
        return tuple(tuple(zip(names, mount, strict=True)) for mount in mounts)

    group = SeriesGroup(
        "mount", NODE, ("device", "major", "minor", "mountpoint"),
        lambda site: len(kind.mounts(site)) + bool(kind.data_disks), labels,
    )  # fmt: skip
    return constants(group, {"filesystem_mount_info": 1.0})


def _nvme(kind: HostKind) -> tuple[DerivedFamily, ...]:
    def labels(place: Place) -> Sequence[Labels]:
        return tuple(
            (("cntlid", "1"), ("device", f"nvme{number}"), ("firmware_revision", _REVISION),
             ("model", _MODEL), ("serial", f"S{serial(place, f'disk{number}', 14)}"),
             ("state", "live"))
            for number in range(kind.nvmes)
        )  # fmt: skip

    def names(more: tuple[tuple[str, str], ...]) -> Callable[[Place], Sequence[Labels]]:
        return lambda _: tuple(
            (*more, ("device", f"nvme{number}"), ("nsid", "1")) for number in range(kind.nvmes)
        )

    info = SeriesGroup(
        "nvme", NODE, ("cntlid", "device", "firmware_revision", "model", "serial", "state"),
        lambda _: kind.nvmes, labels,
    )  # fmt: skip
    spaces = SeriesGroup("nvme_ns", NODE, ("device", "nsid"), lambda _: kind.nvmes, names(()))
    state = (("ana_state", "optimized"),)
    info_of = SeriesGroup(
        "nvme_ns_info", NODE, ("ana_state", "device", "nsid"), lambda _: kind.nvmes, names(state)
    )

    def sizes(values: DeviceValues) -> Values:
        data = kind.data_bytes(values.site) / max(kind.data_disks, 1)
        return np.array([kind.OS_BYTES] * kind.OS_DISKS + [data] * kind.data_disks)

    return (
        *constants(info, {"nvme_info": 1.0}),
        *constants(info_of, {"nvme_namespace_info": 1.0}),
        *constants(spaces, {"nvme_namespace_logical_block_size_bytes": _BLOCK}),
        *(
            family(f"nvme_namespace_{what}_bytes", spaces, sizes, steady=True)
            for what in ("capacity", "size", "used")
        ),
    )
