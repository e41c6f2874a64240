"""Alerts on storage."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import STORAGE
from twin.catalog.selectors import of

__all__ = ["STORAGE_RULES"]

_storage = partial(of, STORAGE)

STORAGE_RULES = Rules(
    Domain.STORAGE,
    "Storage servers, by the metrics of node_exporter.",
    (),
    (
        Alert(
            name="DiskSaturated",
            severity=Severity.WARNING,
            expr=f"rate({_storage('io_seconds')}[5m]) > {limit.DISK_BUSY}",
            hold=300,
            summary="Disk {{ $labels.device }} of {{ $labels.instance }} is never idle",
            meaning="The disk gets more requests than it can serve: checkpoints take longer, and "
            "all GPUs wait for them.",
            steps=(
                (
                    "Find the process that reads or writes most with `iotop`, then check the job's "
                    "data loader."
                ),
            ),
        ),
        Alert(
            name="FilesystemFilling",
            severity=Severity.WARNING,
            why="Only large filesystems: system disks have their own rules.",
            expr=f"""
            {_storage("avail_bytes")}
              / ({_storage("size_bytes")} > 1e13)
              < {limit.FILESYSTEM_LEFT}
            """,
            hold=300,
            summary="{{ $labels.mountpoint }} of {{ $labels.instance }} has "
            "{{ $value | humanizePercentage }} left",
            meaning="When it is full, the next checkpoint fails, and the job with it.",
            steps=(
                "Delete old checkpoints.",
                "Find the largest directories: `du -x -d 2`.",
            ),
        ),
    ),
)
