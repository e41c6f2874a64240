"""A past that ends now, and from which a running twin goes on."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from twin.aggregator import AlertServer
from twin.catalog import Detail
from twin.emulator.state import StateFile
from twin.errors import ConfigError
from twin.history.past import PastPlan
from twin.history.remote_write import RemoteWriteTarget
from twin.history.rule_history import has_rules
from twin.history.writing import HistoryReport, kept_states, write_history
from twin.site import DetailPlan, Layout

__all__ = ["LivedPast"]

_STEP = 60
_PATH = "/api/v1/write"
_MOST_SECONDS = 31 * 86_400.0


@dataclass(frozen=True, slots=True)
class LivedPast:
    """What is written before a twin starts.

    Attributes:
        layout: the site.
        detail: how much of each array is exposed; GPUs are left out of the past.
        seconds: how long it is.
        store: that scrapes the twin.
        seed: of all random numbers.
        workload: what the training jobs run.
        failures: as ``twin emulate --failures``.

    Raises:
        ConfigError: it is too short or too long.
    """

    layout: Layout
    detail: DetailPlan
    seconds: float
    store: AlertServer
    seed: int
    workload: str
    failures: str

    def __post_init__(self) -> None:
        if not _STEP <= self.seconds <= _MOST_SECONDS:
            raise ConfigError(f"--history is {self.seconds:g} s; give 1m to 31d")

    @property
    def scrapes(self) -> int:
        """How many it has."""
        return int(self.seconds // _STEP)

    def write(self, now: float, state: Path, report: HistoryReport) -> int:
        """Write it, keep the plant's state in a folder, and return how many samples it has.

        Args:
            now: unix time at which it ends.
            state: folder from which an emulator goes on.
            report: is told how far it is.

        Raises:
            ConfigError: the folder has a state already.
            ServiceError: the store refuses samples, or stays away.
        """
        kept = StateFile(state, self.layout, self.workload)
        if kept.path.exists():
            raise ConfigError(
                f"--history: {kept.path} is the state of a twin that has a past already; leave "
                "--history out, or choose another --state"
            )
        length = self.scrapes * _STEP
        start = int(now) // _STEP * _STEP - length
        levels = tuple(
            Detail.RACK if level.covers(Detail.RACK) else level for level in self.detail.levels
        )
        detail = DetailPlan(levels)
        plan = PastPlan(self.layout, detail, start, 1, _STEP, self.seed, self.workload,
                        self.failures, day=length,
                        rules=has_rules(None, self.layout, detail))  # fmt: skip
        url = f"{self.store.url.rstrip('/')}{_PATH}"
        with tempfile.TemporaryDirectory() as folder:
            target = RemoteWriteTarget(url, Path(folder), self.store.headers)
            samples = write_history(plan, target, report)
            shutil.copyfile(kept_states(target)[start + length], kept.path)
        return samples
