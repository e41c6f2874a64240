"""Annotations of every chart: faults, and events of the job."""

from __future__ import annotations

from twin.catalog import JOB
from twin.grafana.selectors import of, own

__all__ = ["CHECKPOINTS", "FAULTS", "INTERRUPTIONS"]

FAULTS = own("fault_active").equals(1)
INTERRUPTIONS = of(JOB, "state", 'state=~"stalled|crashed|starting|loading"').equals(1)
CHECKPOINTS = of(JOB, "state", 'state="checkpoint"').equals(1)
