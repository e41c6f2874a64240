"""Traffic of a training step over the NICs, by its place in the step.

In the course of a step stages pass activations on; around its boundary pipelines exchange
gradients and parameters at line rate. Every step sends the same bytes, however slow its GPUs
or the fabric are and wherever the plant's own steps end.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin.plant.performance import LINE_RATE, TrainingStep
from twin.site import Site

__all__ = ["Passage", "StepTraffic"]

_MOST_HALF = 0.25
"""Half-width of the boundary's exchange at most, as a fraction of a step."""
_FORWARD = 1.5
"""What stages send in an evaluation over what they send in a step: half the bytes, as there is
no way back, in a third of the time."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of time of a step.

    Attributes:
        phase: place in the step at its end.
        use: mean use of the compute NICs, over line rate.
        burst: share of it within the boundary's exchange.
    """

    phase: float
    use: float
    burst: float


class StepTraffic:
    """What each compute NIC sends in a step, and receives.

    Args:
        site: of the job.
        cost: of its steps.
        seconds: mean duration of a step.

    Attributes:
        half: half-width of the boundary's exchange, as a fraction of the step.
        quiet: use of the NICs in the rest of the step, over line rate.
        evaluating: use of the NICs in an evaluation, over line rate.
        loading: use of the NICs while parameters are loaded, over line rate.
    """

    def __init__(self, site: Site, cost: TrainingStep, seconds: float) -> None:
        share = site.server.gpus / max(1, site.server.nics - 1) / site.network.bytes_per_second
        burst = cost.boundary_bytes * share / LINE_RATE
        self.seconds = seconds
        self.half = min(_MOST_HALF, 0.5 * burst / seconds)
        rest = (1.0 - 2.0 * self.half) * seconds
        steady = (cost.stage_bytes + cost.early_bytes) * share / rest
        self.quiet = min(LINE_RATE, steady)
        self.evaluating = min(LINE_RATE, _FORWARD * cost.stage_bytes * share / seconds)
        gathered = max(0.0, cost.state_bytes - cost.saved_bytes) * share
        self.loading = min(LINE_RATE, gathered / max(site.training.reload_seconds, 1.0))

    def slowdown(self, flow: float) -> float:
        """Return how much longer a step takes when the fabric gives ``flow`` of its best."""
        width = 2.0 * self.half
        return width * (1.0 / flow - 1.0) + (1.0 - width) * (1.0 / self._unhindered(flow) - 1.0)

    def _unhindered(self, flow: float) -> float:
        """Return the pace outside the boundary's exchange; what stages send has room to spare."""
        return min(1.0, flow * LINE_RATE / self.quiet) if self.quiet > 0.0 else 1.0

    def passage(self, phase: float, seconds: float, pace: float, flow: float) -> Passage:
        """Return where a step is after ``seconds``, and what was sent meanwhile.

        Args:
            phase: place in the step, 0 to 1; it may end in the next step.
            seconds: to go on for.
            pace: of the job without the fabric, in steps a second.
            flow: throughput of the fabric over its best.
        """
        half, left, sent, burst = self.half, seconds, 0.0, 0.0
        whole, place = divmod(phase, 1.0)
        # The edge is taken from the region and not from the place, so that every turn moves on.
        region = 0 if place < half else 1 if place < 1.0 - half else 2
        while left > 0.0:
            inside = region != 1
            edge = (half, 1.0 - half, 1.0)[region]
            speed = pace * (flow if inside else self._unhindered(flow))
            moved = min(max(edge - place, 0.0), left * speed)
            taken = min(left, moved / speed)
            if moved >= edge - place:
                place, region = edge, region + 1
                if region > 2:  # noqa: PLR2004 - the next step begins
                    whole, place, region = whole + 1.0, 0.0, 0
            else:
                place, taken = place + moved, left
            sent += moved * (LINE_RATE if inside else self.quiet)
            burst += taken if inside else 0.0
            left -= taken
        phase = whole + place
        return Passage(phase, sent * self.seconds / seconds, burst / seconds)
