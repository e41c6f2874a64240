"""The benchmarks' machinery with real processes: what they count is what was sent."""

from __future__ import annotations

import json
import sys

import pytest

from twin.bench.broker import BrokerKind, running_broker
from twin.bench.bus import measure_bus
from twin.bench.clock import Budget
from twin.bench.process import cpu_seconds, peak_bytes, started, until
from twin.bench.site_run import SitePlan, run_site, watch
from twin.bench.suite import STAGES, Effort, measure
from twin.errors import ConfigError, ServiceError

pytestmark = pytest.mark.integration

LEAST = Effort(Budget(0.0, 20), 200, (128,), 0.5, 2.0)


@pytest.mark.parametrize("kind", BrokerKind)
async def test_a_site_loses_nothing(kind: BrokerKind) -> None:
    """Every frame that the emulator published is one that the aggregator took over."""
    plan = SitePlan("demo", "demo", 1_024, broker=kind, warmup=1.0)
    report = await run_site(plan, lambda running: watch(running, 3.0, 1.0))
    assert report.frames_published == report.frames_received > 0
    assert (report.frames_missing, report.gaps, report.refused) == (0, 0, 0)
    assert 0 < report.lag_p50_seconds <= report.lag_p99_seconds
    assert set(report.cpu_cores) == set(report.rss_mib) == {"broker", "emulator", "aggregator"}
    assert report.rss_total_mib == sum(report.rss_mib.values())


async def test_a_broken_option_is_told() -> None:
    """What a process says when it ends is in the error, not lost."""
    plan = SitePlan("demo", "demo", 1_024, emulate=("--workload", "nonsense"))
    with pytest.raises(ServiceError, match=r"twin emulate ended with status 2: twin: .*nonsense"):
        await run_site(plan, lambda running: watch(running, 1.0, 1.0))


@pytest.mark.parametrize("kind", BrokerKind)
async def test_bus(kind: BrokerKind) -> None:
    """Messages pass either broker, and each end has its cost."""
    async with running_broker(kind) as broker:
        cost = await measure_bus(broker, 1_000, 200)
    assert (cost.broker, cost.size_bytes) == (kind.value, 1_000)
    assert cost.publish_us > 0
    assert cost.messages_per_second > 0


async def test_processes_are_measured_and_ended() -> None:
    """CPU time and memory are those of the other process, which is gone afterwards."""
    work = "import time; sum(range(3_000_000)); print('ready', flush=True); time.sleep(60)"
    with started([sys.executable, "-c", work], "a loop") as child:
        await until(lambda: child.last_words() == "ready", child)
        assert 0 < cpu_seconds({"it": child.pid})["it"] < 60
        assert peak_bytes(child.pid) > 1 << 20
    assert child.process.poll() is not None


def test_a_program_that_is_not_there() -> None:
    """It is named, with the remedy."""
    with (
        pytest.raises(ConfigError, match="no-such-program cannot be run"),
        started(["no-such-program"], "it"),
    ):
        pass


def test_the_whole_suite() -> None:
    """All stages follow in their order, and every figure is a number that JSON has."""
    begun: list[str] = []
    result = measure(LEAST, begun.append)
    assert tuple(begun) == STAGES
    figures = json.loads(json.dumps(result.figures()))
    for key in ("step_100k_ms", "expose_us_per_series", "expose_vs_prometheus_client",
                "ingest_json_samples_per_s", "ingest_cbor_samples_per_s"):  # fmt: skip
        assert figures[key] > 0
    assert figures["end_to_end"]["frames_missing"] == 0
    assert [site["interval_seconds"] for site in figures["largest"]] == [1.0, 10.0]
    assert figures["largest"][0]["gpus"] <= figures["largest"][1]["gpus"]
