"""The plant: pure, vectorised, coupled physics of a whole site.

State is arrays, time is simulated, and nothing here reads a clock or touches I/O.
Each subsystem is one module; :mod:`twin.plant.plant` is the order in which they act
on each other.
"""

from twin.plant.conditions import Conditions
from twin.plant.plant import Plant
from twin.plant.trace import PowerTrace, load_trace, trace_names

__all__ = ["Conditions", "Plant", "PowerTrace", "load_trace", "trace_names"]
