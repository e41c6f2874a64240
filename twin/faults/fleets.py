"""Fleets: how often the nodes of published clusters fail, and which of them.

Clusters differ sixfold in the failures of a node a day, so the rate is a preset with its source.
A node that has failed again and again for no cause that repairs find is called a lemon: a percent
of the nodes has most of the failures that interrupt large jobs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp

from twin.faults.repairs import REPAIRS_SOURCE

__all__ = ["FLEETS", "LLAMA_3", "Fleet", "early_failures"]

_NODE_GPUS = 8
_YOUNG_RATIO, _YOUNG_DAYS = 3.0, 60.0
"""Failures of a new system over those of an old one, and the days in which the difference falls to
a third, est. after the systems of LANL (Schroeder and Gibson 2006, fig. 4)."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How often the nodes of a cluster fail.

    Attributes:
        name: by which ``--failures`` chooses it.
        per_1000_node_days: failures of all causes in 1,000 days of a node of eight GPUs.
        weights: how much more often than in Llama 3 a cause comes, of all failures; 1 if left out.
        lemons: share of the nodes that are lemons.
        lemon_failures: share of the failures of nodes that are theirs.
        counts: failures by cause as counted, in place of ``weights``; none of a cause left out.
        repaired: whether failures last as repairs were measured to (:mod:`twin.faults.repairs`).
        jobs_per_1000_node_days: interruptions of training jobs beyond these, in 1,000 days of a
            node that the job has: the job ends and no node is at fault.
        source: where the figures come from.
    """

    name: str
    per_1000_node_days: float
    source: str
    weights: Mapping[str, float] = field(default_factory=dict)
    lemons: float = 0.0
    lemon_failures: float = 0.0
    jobs_per_1000_node_days: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    repaired: bool = False

    def job_hours(self, gpus: int) -> float:
        """Return the mean time in hours until a job on so many GPUs is interrupted."""
        each = self.per_1000_node_days + self.jobs_per_1000_node_days
        return 24_000.0 / (each * gpus / _NODE_GPUS)


LLAMA_3 = Fleet(
    "llama-3", 419 / 54 / 2048 * 1000,
    "The Llama 3 Herd of Models, table 5: 419 interruptions in 54 days of 2,048 nodes",
)  # fmt: skip
_LINKS = {"network switch or cable": 8.0, "NIC": 8.0}
"""InfiniBand links are the first cause of failures in both clusters."""
_REVISITING = "Kokolis et al. 2025, Revisiting Reliability (arXiv 2410.21680)"
_RSC_1_JOB_HOURS, _RSC_1_JOB_NODES = 7.9, 128
"""Measured mean time to failure of jobs of 1,024 GPUs on RSC-1. Of 8 GPUs it is 47.7 days, and
in proportion to this 42. Failures of nodes alone make it 28.8 h; the paper's projection to
16,384 GPUs, 1.8 h, has these alone."""
_STEPFUN = {
    "faulty GPU": 86,
    "GPU HBM3 memory": 61,
    "GPU system processor": 9,
    "GPU thermal interface and sensor": 2,
    "network switch or cable": 40,
    "NIC": 30,
    "power supply": 26,
    "server chassis": 40,
    "CPU": 3,
    "SSD": 4,
    "host maintenance": 283,
}
"""Faults of the trace by the causes here: fans, motherboards and risers as chassis; what is of
software or unknown, and stress tests that failed, as maintenance of the host."""
FLEETS = (
    LLAMA_3,
    Fleet(
        "rsc-1",
        6.50,
        f"{_REVISITING}, 16,000 A100, many jobs",
        _LINKS,
        0.012,
        0.7,
        24_000.0 / (_RSC_1_JOB_HOURS * _RSC_1_JOB_NODES) - 6.50,
    ),
    Fleet("rsc-2", 2.34, f"{_REVISITING}, 8,000 A100, many jobs", _LINKS, 0.017, 0.7),
    Fleet(
        "stepfun",
        584 / 348 / 400 * 1000,
        f"{REPAIRS_SOURCE}: 584 faults in 348 days of 400 servers",
        lemons=0.25,
        lemon_failures=0.6,
        counts=_STEPFUN,
        repaired=True,
    ),
)
"""Share of lemons' failures: in the RSC est., as of large jobs 14 % failed, and 4 % once lemons
were found. StepFun's are fitted to the 169 of its servers that had no fault at all; the 20 worst
then have a quarter of all faults, and 24 % were measured."""


def early_failures(days: float) -> float:
    """Return how many times as often a system fails after so many days as when it is old."""
    return 1.0 + (_YOUNG_RATIO - 1.0) * exp(-days / _YOUNG_DAYS)
