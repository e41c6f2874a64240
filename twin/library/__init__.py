"""The twin as a library: sites, runs, sweeps, and a twin that is led step by step.

``import twin`` gives the names of :data:`twin.__all__`, each imported when it is first used.
"""

from twin.library.events import RunEvent
from twin.library.plans import PlannedFault
from twin.library.run import FinishedRun
from twin.library.sites import load_site
from twin.library.stepping import SteppedTwin
from twin.library.summary import RunSummary
from twin.library.sweeping import SweepTable, simulate, sweep

__all__ = [
    "FinishedRun",
    "PlannedFault",
    "RunEvent",
    "RunSummary",
    "SteppedTwin",
    "SweepTable",
    "load_site",
    "simulate",
    "sweep",
]
