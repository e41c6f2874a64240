"""Natural failures: random faults at the rates published for large clusters.

Meta counted 419 unexpected interruptions in 54 days on 16,384 H100 (Llama 3, by cause).
Each cause is a Poisson process with a rate proportional to the number of GPUs; each event is
one of the faults of :data:`twin.faults.FAULTS`. Other fleets (:mod:`twin.faults.fleets`) have
other rates, and lemons: nodes that fail again and again. Durations (until the device or its spare
is back) and the split of a cause into faults are estimates.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.faults.fleets import FLEETS, LLAMA_3, Fleet, early_failures
from twin.faults.repairs import REPAIRS
from twin.site import Layout, job_places

__all__ = [
    "CAUSES",
    "JOB_ALONE",
    "REPAIR",
    "USER_CODES",
    "USER_XID",
    "Cause",
    "Failure",
    "NaturalFailures",
    "failures_of",
]

_DAYS, _GPUS = 54, 16_384
_NODE_GPUS = 8
_STREAM, _LEMON_STREAM, _REPAIR_STREAM = 40, 41, 42
_HOUR = 3600.0
_DRAINED = 900.0
"""Time to find a fault that slows a job down and to drain its server, est. 10 to 20 min:
ByteDance evicts a server whose link flaps twice in 5 min (arXiv 2509.16293)."""
_SLOWS = frozenset({"nvlink-error", "nic-flap", "gpu-cold-plate"})
"""Faults that slow a job down: only when they are found is the server drained and repaired."""
_OF_NO_NODE = "leaf-down"
REPAIR = "repair"
"""What has no cause of its own: a drained server that is out for repair."""
_MOST_FACTOR = 10_000.0
USER_XID = "gpu-xid"
"""The fault by which a job's own code fails on a GPU, with one of the codes below."""
USER_CODES = {31: 0.6, 13: 0.25, 43: 0.15}
"""XIDs of user code and their shares, est.: page faults (31) are the commonest, graphics engine
exceptions (13) next; 43 is what the driver says of a channel that such an error stopped."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause of interruptions.

    Attributes:
        name: as in the published table.
        count: its interruptions in 54 days on 16,384 GPUs.
        faults: kinds of fault that represent it, each with its share and mean duration in s,
            both est.
        repair: what has to be repaired, a row of :data:`REPAIRS`; empty where no node is at fault.
    """

    name: str
    count: int
    faults: tuple[tuple[str, float, float], ...]
    repair: str = ""

    def rate(self, gpus: int, fleet: Fleet = LLAMA_3) -> float:
        """Return the rate of this cause on a number of GPUs of a fleet, in 1/s."""
        if self is JOB_ALONE:
            return fleet.jobs_per_1000_node_days / 1000.0 / 86_400.0 * gpus / _NODE_GPUS
        if fleet.counts:
            share = fleet.counts.get(self.name, 0) / sum(fleet.counts.values())
            return share * fleet.per_1000_node_days / 1000.0 / 86_400.0 * gpus / _NODE_GPUS
        own = self.count / (_DAYS * 86_400.0) * gpus / _GPUS
        return own if fleet.name == LLAMA_3.name else own * _more_often(self, fleet)

    @property
    def hits(self) -> str:
        """What it takes from the site: a job alone, a GPU, a link, or a node."""
        found = dict.fromkeys(
            "job" if kind == USER_XID else _HIT[FAULTS[kind].target] for kind, *_ in self.faults
        )
        return ", ".join(found)


_HIT = {"job": "job", "gpu": "GPU", "nic": "link", "leaf": "links of a rail", "server": "node",
        "psu": "node"}  # fmt: skip
CAUSES = (
    Cause("faulty GPU", 148,
          (("gpu-off-bus", 0.7, 4 * _HOUR), ("gpu-hang", 0.15, 4 * _HOUR),
           ("nvlink-error", 0.15, _DRAINED)), "GPU"),
    Cause("GPU HBM3 memory", 72,
          (("gpu-double-bit", 0.8, 4 * _HOUR), ("gpu-row-remap-failure", 0.2, 4 * _HOUR)),
          "GPU memory"),
    Cause("software", 54, (("job-crash", 0.6, 30.0), (USER_XID, 0.4, 30.0))),
    Cause("network switch or cable", 35,
          (("nic-down", 0.6, 2 * _HOUR), ("nic-flap", 0.3, _DRAINED), ("leaf-down", 0.1, _HOUR)),
          "cable"),
    Cause("host maintenance", 32, (("server-down", 1.0, _HOUR),), "software"),
    Cause("GPU SRAM memory", 19, (("gpu-double-bit", 1.0, _HOUR),), "GPU memory"),
    Cause("GPU system processor", 17, (("gsp-timeout", 1.0, 900.0),), "GPU"),
    Cause("NIC", 7, (("nic-down", 1.0, 4 * _HOUR),), "NIC"),
    Cause("NCCL watchdog time-out", 7, (("software-hang", 1.0, 60.0),)),
    Cause("silent data corruption", 6, (("job-crash", 1.0, 30.0),)),
    Cause("GPU thermal interface and sensor", 6, (("gpu-cold-plate", 1.0, _DRAINED),), "GPU"),
    Cause("SSD", 3, (("server-down", 1.0, 4 * _HOUR),), "host"),
    Cause("power supply", 3, (("psu-failure", 1.0, 8 * _HOUR),), "power supply"),
    Cause("server chassis", 2, (("server-down", 1.0, 8 * _HOUR),), "host"),
    Cause("IO expansion board", 2, (("server-down", 1.0, 8 * _HOUR),), "host"),
    Cause("CPU", 2, (("server-down", 1.0, 8 * _HOUR),), "host"),
    Cause("system memory", 2, (("server-down", 1.0, 8 * _HOUR),), "host"),
    Cause("dependency", 2, (("job-crash", 1.0, 30.0),)),
)  # fmt: skip
"""The published causes (The Llama 3 Herd of Models, table 5) and the faults they become."""


JOB_ALONE = Cause(
    "job alone", 0, (("job-crash", 0.5, 30.0), (USER_XID, 0.3, 30.0), ("software-hang", 0.2, 60.0))
)
"""What interrupts a job of a fleet of many jobs beside failures of nodes; what it is, is est."""
_OF_SHELVES = {"psu-failure": "shelf-psu-failure"}
"""Faults of servers' supplies, and what they are where power shelves feed the rack."""


def _more_often(cause: Cause, fleet: Fleet) -> float:
    """Return how many times as often as in Llama 3 a cause comes in a fleet."""
    weights = {own.name: fleet.weights.get(own.name, 1.0) for own in CAUSES}
    whole = sum(own.count * weights[own.name] for own in CAUSES) / sum(own.count for own in CAUSES)
    each = fleet.per_1000_node_days / LLAMA_3.per_1000_node_days
    return each * weights[cause.name] / whole


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """One scheduled fault.

    Attributes:
        at: simulated seconds since the start.
        cause: name of its cause.
        kind: of fault.
        target: the place that it affects.
        seconds: its duration.
        code: XID that a GPU raises, None for other faults.
    """

    at: float
    cause: str
    kind: str
    target: str
    seconds: float
    code: int | None = None

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters of the fault."""
        return {} if self.code is None else {"code": float(self.code)}


class NaturalFailures:
    """The failures of a site in order of time, the same for the same seed.

    Args:
        layout: the site.
        seed: of all random numbers.
        factor: multiple of the published rates.
        fleet: whose rates they are.
        age: of the site at the start in days, None for an old one: a new one fails more often.
    """

    def __init__(
        self,
        layout: Layout,
        seed: int = 0,
        factor: float = 1.0,
        fleet: Fleet = LLAMA_3,
        age: float | None = None,
    ) -> None:
        self._layout, self._fleet, self._age = layout, fleet, age
        servers = layout.site.servers
        lemons = ceil(fleet.lemons * servers) if fleet.lemons else 0
        drawn = np.random.default_rng([seed, _LEMON_STREAM]).permutation(servers)
        self.lemons: tuple[int, ...] = tuple(sorted(drawn[:lemons].tolist()))
        """Servers that fail again and again, by their index on the site."""
        self._training = [job for job in job_places(layout.site) if job.trains]
        self.left_out = 0
        """Failures that did not start, since as many faults were in force as can be told."""
        self._factor = factor
        self._coming = heapq.merge(
            *(
                self._repaired(cause, [seed, _STREAM, index])
                for index, cause in enumerate((*CAUSES, JOB_ALONE))
                if cause is not JOB_ALONE or fleet.jobs_per_1000_node_days
            )
        )
        self._next = next(self._coming)

    def until(self, time: float) -> list[Failure]:
        """Return the failures up to ``time`` that have not been returned before.

        Args:
            time: simulated seconds since the start.
        """
        due = []
        while self._next.at <= time:
            due.append(self._next)
            self._next = next(self._coming)
        return due

    def apply(self, schedule: FaultSchedule, time: float, epoch: float) -> list[Failure]:
        """Start the failures up to ``time`` and return those that started.

        A place where the same fault is already in force is skipped. A failure that a full
        schedule does not take is left out, and counted.

        Args:
            schedule: that they are added to.
            time: simulated seconds since the start.
            epoch: simulated time of the start, on the schedule's clock.
        """
        struck = []
        for failure in self.until(time):
            if schedule.is_full:
                self.left_out += 1
                continue
            identifier = f"natural-{failure.kind}-{failure.at:.0f}"
            try:
                schedule.inject(
                    identifier, failure.kind, failure.target, epoch + failure.at, failure.seconds,
                    failure.parameters,
                )  # fmt: skip
            except ConfigError:
                continue
            struck.append(failure)
        return struck

    def _repaired(self, cause: Cause, seed: list[int]) -> Iterator[Failure]:
        """Yield the failures of one cause, which last as long as repairs do where the fleet says.

        A server that a fault slows down is drained when that is found, and then out for repair.
        """
        failures = self._of(cause, np.random.default_rng(seed))
        if not (self._fleet.repaired and cause.repair):
            yield from failures
            return
        repair, drained = REPAIRS[cause.repair], list[Failure]()
        rng = np.random.default_rng([*seed, _REPAIR_STREAM])  # its own: failures come as without
        for own in failures:
            while drained and drained[0].at <= own.at:
                yield heapq.heappop(drained)
            seconds = repair.seconds(float(rng.random()))
            if own.kind not in _SLOWS:
                yield own if own.kind == _OF_NO_NODE else replace(own, seconds=seconds)
                continue
            yield own
            server = own.target.rpartition("/")[0]
            out = Failure(own.at + own.seconds, REPAIR, "server-down", server, seconds)
            heapq.heappush(drained, out)

    def _of(self, cause: Cause, rng: np.random.Generator) -> Iterator[Failure]:
        """Yield the failures of one cause, endlessly unless it has no possible target."""
        gpus = self._exposed(cause)
        if not gpus or not cause.rate(gpus, self._fleet):
            return
        most = 1.0 if self._age is None else early_failures(self._age)
        mean = 1.0 / (most * self._factor * cause.rate(gpus, self._fleet))
        kinds, shares, lasting = zip(*cause.faults, strict=True)
        time = 0.0
        while True:
            time += float(rng.exponential(mean))
            if self._age is not None:
                now = early_failures(self._age + time / 86_400.0)
                if rng.random() >= now / most:
                    continue
            fault = int(rng.choice(len(kinds), p=shares))
            kind = kinds[fault]
            if self._layout.site.shelves.count:
                kind = _OF_SHELVES.get(kind, kind)
            user = kind == USER_XID
            target = self._user(rng) if user else self._place(FAULTS[kind].target, rng)
            seconds = max(1.0, float(rng.exponential(lasting[fault])))
            codes = list(USER_CODES)
            raised = int(rng.choice(codes, p=list(USER_CODES.values()))) if user else None
            yield Failure(time, cause.name, kind, target, seconds, raised)

    def _exposed(self, cause: Cause) -> int:
        """Return the number of GPUs that a cause can affect: all, or for software the training."""
        if any(FAULTS[kind].target == "job" for kind, *_ in cause.faults):
            return sum(job.gpus for job in self._training)
        return self._layout.site.gpus

    def _job(self, rng: np.random.Generator) -> str:
        """Return the name of a random training job, weighted by size."""
        jobs = self._training
        if len(jobs) == 1:
            return jobs[0].name
        ends = np.cumsum([len(job.racks) for job in jobs])
        return jobs[int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))].name

    def _user(self, rng: np.random.Generator) -> str:
        """Return the address of a random GPU of a random training job."""
        name, site = self._job(rng), self._layout.site
        (racks,) = (job.racks for job in self._training if job.name == name)
        rack = self._layout.unit_name(UnitKind.RACK, int(rng.choice(racks)))
        server, gpu = rng.integers(site.servers_per_rack) + 1, rng.integers(site.server.gpus)
        return f"{rack}/n{server}/gpu{gpu}"

    def _place(self, kind: str, rng: np.random.Generator) -> str:
        """Return the address of a random place of that kind, all equally likely."""
        layout, site = self._layout, self._layout.site
        if kind == "job":
            return self._job(rng)
        rack, place = int(rng.integers(site.racks)), None
        if self.lemons and rng.random() < self._fleet.lemon_failures:
            rack, place = divmod(
                self.lemons[int(rng.integers(len(self.lemons)))], site.servers_per_rack
            )
        if kind == "leaf":
            leaf = int(rng.integers(layout.site.fabric.rails)) + 1
            return f"{layout.unit_name(UnitKind.ARRAY, layout.array_of(rack))}/leaf{leaf}"
        if kind == "shelf_psu":
            supply = int(rng.integers(site.shelves.supplies)) + 1
            return f"{layout.unit_name(UnitKind.RACK, rack)}/shelf_psu{supply}"
        if place is None:
            place = int(rng.integers(site.servers_per_rack))
        server = f"{layout.unit_name(UnitKind.RACK, rack)}/n{place + 1}"
        if kind == "server":
            return server
        # The last NIC is for storage: only the compute NICs can interrupt the job.
        first, count = {
            "gpu": (0, site.server.gpus),
            "nic": (0, max(1, site.server.nics - 1)),
            "psu": (1, site.server.psus),
        }[kind]
        return f"{server}/{kind}{first + rng.integers(count)}"


_SPEC = re.compile(
    r"(?P<fleet>[a-z0-9-]+)(?P<repairs>\+repairs)?"
    r"(?::(?P<factor>[0-9.eE+-]+))?(?:@(?P<age>[0-9.]+)d)?"
)


def failures_of(spec: str, layout: Layout, seed: int) -> NaturalFailures | None:
    """Return the failures of a ``spec``: ``none``, or ``FLEET``, ``FLEET:FACTOR``, ``FLEET@AGEd``.

    ``natural`` is the fleet of Llama 3; ``FLEET+repairs`` lets nodes come back as measured.

    Raises:
        ConfigError: ``spec`` is none of these.
    """
    if spec == "none":
        return None
    fleets = {"natural": LLAMA_3} | {fleet.name: fleet for fleet in FLEETS}
    match = _SPEC.fullmatch(spec)
    try:
        factor = float(match["factor"] or 1.0) if match else 0.0
        age = float(match["age"]) if match and match["age"] else None
    except ValueError:
        factor = 0.0
    if match is None or match["fleet"] not in fleets or not 0 < factor <= _MOST_FACTOR:
        raise ConfigError(
            f"failures {spec!r} is not known; use none, or one of {', '.join(fleets)}, for example "
            "natural:100 for a hundred times as many, rsc-1@30d for nodes that are 30 days old, or "
            "natural+repairs for nodes that come back as repairs were measured"
        )
    fleet = fleets[match["fleet"]]
    if match["repairs"]:
        fleet = replace(fleet, repaired=True)
    return NaturalFailures(layout, seed, factor, fleet, age)
