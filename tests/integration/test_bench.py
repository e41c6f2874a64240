"""The benchmarks' machinery with real processes: what they count is what was sent."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from twin.bench import suite
from twin.bench.broker import BrokerKind, running_broker
from twin.bench.bus import measure_bus
from twin.bench.clock import Budget
from twin.bench.data import lived_in, scaled_site, scaled_site_text
from twin.bench.process import cpu_seconds, free_port, peak_bytes, started, until
from twin.bench.prometheus import PrometheusReport, scrape_site
from twin.bench.receiver import Sent, measure_receiver
from twin.bench.site_run import RunningSite, SitePlan, run_site, watch
from twin.bench.stages import measure_stages
from twin.bench.suite import STAGES, Effort, measure
from twin.bus import Bus
from twin.catalog import UnitKind
from twin.errors import ConfigError, ServiceError
from twin.site import Layout, load_site, series_by_detail
from twin.wire import EmulatorStatus, Encoder, Topics

pytestmark = pytest.mark.integration

LEAST = Effort(Budget(0.0, 2), 200, (128,), 0.5, 2.0)


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
    with pytest.raises(ServiceError, match="the loop ended during the run"):
        cpu_seconds({"loop": child.pid})


async def test_a_prometheus_takes_all_in(tmp_path: Path) -> None:
    """It finds every target, takes in the site's series, and is measured with the site."""
    path, layout = tmp_path / "site.yaml", Layout(scaled_site(64))
    path.write_text(scaled_site_text(64))
    reports: list[PrometheusReport] = []

    async def during(running: RunningSite) -> None:
        reports.append(await scrape_site(running, interval=5.0, duration=15.0))

    site = await run_site(SitePlan(str(path), layout.site.name, 64, warmup=1.0), during)
    (report,) = reports
    assert report.targets == 2
    assert report.scrapes_failed == 0
    assert report.scrapes > 0
    own = report.samples_per_scrape - series_by_detail(layout)["gpu"]
    assert 0 < own < 300
    assert report.series >= report.samples_per_scrape
    assert site.rss_mib["prometheus"] > 0
    assert site.cpu_cores["prometheus"] > 0


async def test_a_receiver_is_measured() -> None:
    """What it is sent is on its page, and both halves of its work have a cost."""
    layout = Layout(load_site("colossus-array"))
    encoder, topics = Encoder(layout, UnitKind.RACK), Topics(layout.site.name)
    encoder.load(lived_in(layout))
    numbers = itertools.count(1)

    # By what it says of its interval no rack counts as silent, however long a round takes.
    status = EmulatorStatus(emulator="source", state="online", interval=60.0)

    async def send(bus: Bus, rounds: int) -> None:
        for number in itertools.islice(numbers, rounds):
            if number == 1:
                told = topics.status(status.emulator)
                await bus.publish(told, status.encode(), qos=1, retain=True)
            for rack in range(layout.site.racks):
                topic = topics.frame(UnitKind.RACK, layout.unit_name(UnitKind.RACK, rack))
                await bus.publish(topic, encoder.encode(rack, float(number), number))

    port = free_port()
    async with running_broker(BrokerKind.MOSQUITTO) as broker:
        command = [sys.executable, "-m", "twin", "aggregate", "--site", "colossus-array"]
        command += ["--broker", str(broker.url), "--port", str(port)]
        with started(command, "twin aggregate") as child:
            url = f"http://127.0.0.1:{port}/arrays/a001/metrics"
            cost = await measure_receiver(broker.url, child, url, send, Sent(3, 24, 24 * 5_045))
    assert (cost.messages, cost.samples) == (24, 24 * 5_045)
    assert cost.series > 40_000
    assert cost.us_per_message == pytest.approx(5_045 * cost.us_per_sample)
    assert min(cost.us_per_sample, cost.us_per_series, cost.rss_mib) > 0


def test_a_program_that_is_not_there() -> None:
    """It is named, with the remedy."""
    with (
        pytest.raises(ConfigError, match="no-such-program cannot be run"),
        started(["no-such-program"], "it"),
    ):
        pass


@pytest.mark.full
def test_the_whole_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All stages follow in their order, and every figure is a number that JSON has."""
    # prometheus_client takes half a minute for a page of an array as large as the real one.
    small = tmp_path / "small.yaml"
    small.write_text(scaled_site_text(64), encoding="utf-8")
    monkeypatch.setattr(suite, "_ARRAY", str(small))
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


def test_stages() -> None:
    """Each stage of a rack in a block takes time, and its values are those of a frame."""
    layout = Layout(scaled_site(1_024))
    cost = measure_stages(layout, 4, BrokerKind.MOSQUITTO, 40, Budget(0.0, rounds=1))
    assert list(cost.stages_us) == ["encode", "publish", "receive", "check", "store"]
    assert min(cost.stages_us["encode"], cost.stages_us["publish"], cost.stages_us["check"]) > 0
    assert min(cost.step_us, cost.copy_us, cost.page_copy_us, cost.expose_us, cost.convert_us) > 0
    assert cost.values == sum(
        layout.per_unit(device) * sum(signal.on_wire for signal in layout.reported[device.name])
        for device in layout.devices_of(UnitKind.RACK)
    )
    assert cost.values * 4 < cost.frame_bytes < cost.page_bytes
