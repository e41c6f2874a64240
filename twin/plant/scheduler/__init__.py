"""Scheduler of a cluster: jobs that come and go on the racks that no job of the site file holds.

Everything is arrays: a table of jobs with a row each, and the row that owns each GPU. A job
gets GPUs of one server, or whole servers. What the jobs ask for is looked up in the table by
that row, so a thousand jobs cost hardly more than ten.
"""

from __future__ import annotations

from twin.plant.scheduler.arrivals import Lengths, ending_shares
from twin.plant.scheduler.deployments import Deployments, deployed_place
from twin.plant.scheduler.load import BatchLoad
from twin.plant.scheduler.nodes import NodeCause, NodeHealth, Nodes
from twin.plant.scheduler.placement import FOREIGN, IDLE
from twin.plant.scheduler.scheduler import Scheduler
from twin.plant.scheduler.statistics import CycleStatistics, SchedulerStatistics
from twin.plant.scheduler.table import ENDED, HOLDING, BatchState, JobTable, WaitReason

__all__ = [
    "ENDED",
    "FOREIGN",
    "HOLDING",
    "IDLE",
    "BatchLoad",
    "BatchState",
    "CycleStatistics",
    "Deployments",
    "JobTable",
    "Lengths",
    "NodeCause",
    "NodeHealth",
    "Nodes",
    "Scheduler",
    "SchedulerStatistics",
    "WaitReason",
    "deployed_place",
    "ending_shares",
]
