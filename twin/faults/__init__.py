"""Faults: each a typed class, grouped by the system it strikes.

To add one, write its class in the module of its system and name it in ``FAULTS``;
the command line, the bus and ``docs/faults.md`` follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.faults.base import Fault
from twin.faults.cooling import BothPumpsFailure, PumpFailure
from twin.faults.gpu import GpuOffBus
from twin.faults.nic import NicFlap
from twin.faults.power import MegapackTrip
from twin.faults.schedule import FaultSchedule, Strike, parse_fault
from twin.faults.telemetry import GatewaySilent

__all__ = ["FAULTS", "Fault", "FaultSchedule", "Strike", "parse_fault"]

FAULTS: Mapping[str, type[Fault]] = MappingProxyType(
    {
        fault.kind: fault
        for fault in (
            PumpFailure,
            BothPumpsFailure,
            GpuOffBus,
            NicFlap,
            MegapackTrip,
            GatewaySilent,
        )
    }
)
"""All faults by kind."""
