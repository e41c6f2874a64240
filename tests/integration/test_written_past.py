"""A past written to real stores: each has every series."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.conftest import Prometheus, started
from tests.integration.past import NOTHING
from twin.history import PastPlan, write_history
from twin.history.remote_write import RemoteWriteTarget
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

pytestmark = pytest.mark.integration

TINY = {"name": "tiny", "racks": 1, "racks_per_array": 1, "servers_per_rack": 1}


class Receiver(Prometheus):
    """A Prometheus that is written to."""

    def command(self) -> list[str]:
        """Return the command line."""
        return [*super().command(), "--web.enable-remote-write-receiver"]


class Nobody:
    """One who is told and does nothing."""

    def scraped(self) -> None:
        """Take note of a scrape."""

    def written(self, day: int, samples: int) -> None:
        """Take note of a day."""


def past_of(hours: int) -> PastPlan:
    """Return the plan of two short days, some hours ago."""
    layout = Layout(site_of(TINY, "tiny"))
    start = int(time.time()) // 3600 * 3600 - hours * 3600
    plan = DetailPlan.of_site(layout.site).changed(["rack"])
    return PastPlan(layout, plan, start, 2, 15, 1, failures="none", day=120)


def test_prometheus_has_what_is_written(servers: ExitStack, tmp_path: Path) -> None:
    """Every series of the past is there at its last scrape."""
    store = started(Receiver(tmp_path, NOTHING), servers)
    plan = past_of(3)
    target = RemoteWriteTarget(f"{store.url}/api/v1/write", tmp_path / "days")
    samples = write_history(plan, target, Nobody())
    at = plan.start + 240
    answer = store.get("/api/v1/query", query='count({__name__!=""})', time=str(at))
    assert int(answer["data"]["result"][0]["value"][1]) == samples / 16
    assert write_history(plan, target, Nobody()) == 0
