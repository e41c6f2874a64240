"""A past that ends now, and from which a running twin goes on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from twin.catalog import Detail
from twin.emulator.state import StateFile
from twin.errors import ConfigError
from twin.history.past import PastPlan
from twin.history.remote_write import RemoteWriteTarget
from twin.history.rule_history import has_rules
from twin.history.targets import BlocksTarget, SampleTarget
from twin.history.writing import HistoryReport, begun, kept_states, write_history
from twin.site import DetailPlan, Layout

__all__ = ["LivedPast", "of_racks", "written_to"]

_PATH = "/api/v1/write"
_LONGEST_PIECE = 21_600
"""Seconds that are lost at most where it is cut short."""
_MOST_SECONDS = 31 * 86_400.0


def of_racks(detail: DetailPlan) -> DetailPlan:
    """Return a detail without the devices of racks."""
    levels = (Detail.RACK if own.covers(Detail.RACK) else own for own in detail.levels)
    return detail.with_levels(levels)


def written_to(url: str, headers: Mapping[str, str], folder: Path) -> RemoteWriteTarget:
    """Return the target of a Prometheus.

    Args:
        url: of the Prometheus.
        headers: of its login.
        folder: where it is kept what it has.
    """
    return RemoteWriteTarget(f"{url.rstrip('/')}{_PATH}", folder, headers)


@dataclass(frozen=True, slots=True)
class LivedPast:
    """What is written before a twin starts.

    Attributes:
        layout: the site.
        detail: how much of each array is exposed.
        seconds: how long it is.
        seed: of all random numbers.
        workload: what the training jobs run.
        failures: as ``twin emulate --failures``.
        step: seconds between two scrapes.
        alerts: whether the rules are evaluated; None where that is quick.
        option: by which it was asked for.
        maintenance: whether the site is maintained.

    Raises:
        ConfigError: it is too short or too long.
    """

    layout: Layout
    detail: DetailPlan
    seconds: float
    seed: int
    workload: str
    failures: str
    step: int = 60
    alerts: bool | None = None
    option: str = "--history"
    maintenance: bool = False

    def __post_init__(self) -> None:
        if not self.step <= self.seconds <= _MOST_SECONDS:
            raise ConfigError(
                f"{self.option} is {self.seconds:g} s; give {self.step} s, as one step, to 31d"
            )

    def plan(self, now: float, target: SampleTarget) -> PastPlan:
        """Return the plan: what was begun in the target's folder, or what ends now.

        Args:
            now: unix time.
            target: what it is written to.
        """
        length = int(self.seconds) // self.step * self.step
        pieces = 1 if target.in_order else -(-length // _LONGEST_PIECE)
        piece = length // pieces // self.step * self.step
        start = begun(target)
        if start is None:
            start = int(now) // self.step * self.step - pieces * piece
        return PastPlan(self.layout, self.detail, start, pieces, self.step, self.seed,
                        self.workload, self.failures, day=piece,
                        rules=has_rules(self.alerts, self.layout, self.detail),
                        maintenance=self.maintenance)  # fmt: skip

    def write(
        self, plan: PastPlan, target: SampleTarget, state: Path, report: HistoryReport
    ) -> int:
        """Write it, keep the plant's state in a folder, and return how many samples it has.

        Args:
            plan: of :meth:`plan`.
            target: what it is written to.
            state: folder from which an emulator goes on.
            report: is told how far it is.

        Raises:
            ConfigError: the folder has a state already.
            ServiceError: the store refuses samples or stays away, or promtool fails.
        """
        kept = StateFile(state, self.layout, self.workload)
        if kept.path.exists():
            raise ConfigError(
                f"{self.option}: {kept.path} is the state of a twin that has a past already; leave "
                f"{self.option} out, or choose another --state"
            )
        samples = write_history(plan, target, report)
        whole = kept.path.with_suffix(".new")
        shutil.copyfile(kept_states(target)[plan.start + plan.days * plan.day], whole)
        whole.rename(kept.path)
        return samples

    def is_there(self, target: SampleTarget, state: Path) -> str | None:
        """Return why nothing is to be written, None where there is something.

        Args:
            target: what it is written to.
            state: folder of the state at its end.
        """
        if StateFile(state, self.layout, self.workload).path.exists():
            return f"the past is there, and its end in {state}"
        if isinstance(target, BlocksTarget) and target.is_used and begun(target) is None:
            return f"{target.folder} has samples of its own, so no past is written"
        return None
