"""The plant: pure, vectorised, coupled physics of a whole site.

State is arrays, time is simulated, and nothing here reads a clock or touches I/O.
Each subsystem is one module; :mod:`twin.plant.plant` is the order in which they act
on each other.
"""

from twin.plant.conditions import Conditions, DraftConditions
from twin.plant.gpu_errors import ENDS_APPLICATION, NEEDS_RESET, WARNS
from twin.plant.nvlink import FATAL_ERRORS_PER_SECOND
from twin.plant.plant import Plant
from twin.plant.trace import PowerTrace, load_trace, trace_names

__all__ = [
    "ENDS_APPLICATION",
    "FATAL_ERRORS_PER_SECOND",
    "NEEDS_RESET",
    "WARNS",
    "Conditions",
    "DraftConditions",
    "Plant",
    "PowerTrace",
    "load_trace",
    "trace_names",
]
