"""What the pipeline survives, on real servers.

Each fault says what is seen in metrics, which shipped alert fires, how long until all is whole
again, and that nothing is lost that need not be. The figures are in docs/reliability.md;
``TWIN_FAULT_FIGURES=file`` writes them, ``TWIN_PAUSE_SECONDS=60`` pauses the broker for so long.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.reliability import client
from tests.integration.reliability.pipeline import RACKS, UNITS, Pipeline

if TYPE_CHECKING:
    from tests.integration.reliability.conftest import Fault, Figures, Running

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("reliability")]

PAUSE_SECONDS = float(os.environ.get("TWIN_PAUSE_SECONDS", "0"))
CLOCK_TRIES = 3
"""Racks also fall silent for a machine that stands still for seconds, but hardly each time."""


def broker_killed(pipeline: Pipeline) -> Figures:
    """Frames are lost only while the broker is away, and all that was retained comes back."""
    behind = pipeline.summary().get("lag_seconds") or 0.0
    began = time.monotonic()
    pipeline.broker.kill()
    seen = pipeline.until(lambda: pipeline.total("twin_broker_connected") == 0)
    alert = seen + pipeline.until(lambda: pipeline.firing("BrokerDisconnected"))
    pipeline.broker.start()
    away = time.monotonic() - began
    whole = pipeline.until(pipeline.whole)
    pipeline.until(lambda: not pipeline.firing("BrokerDisconnected"))
    _, lost, unsent = pipeline.account()
    assert unsent > 0, "the emulator counts what it could not send"
    # An emulator that was late makes up for it, and has more to send in that time.
    assert lost <= UNITS * (away + whole + behind + 2.0)
    assert pipeline.total("twin_emulator_up") == 1
    assert pipeline.falls() == 0
    return {"seen": seen, "alert": alert, "away": away, "whole": whole, "lost": lost}


def broker_paused(pipeline: Pipeline) -> Figures:
    """A broker that hangs is seen as silence; when it goes on so does everything else."""
    began = time.monotonic()
    pipeline.signal(pipeline.broker, signal.SIGSTOP)
    seen = pipeline.until(lambda: pipeline.summary().get("racks_reporting") == 0)
    alert = seen + pipeline.until(lambda: pipeline.firing("RackSilent"))
    if PAUSE_SECONDS:
        pipeline.until(lambda: time.monotonic() - began > PAUSE_SECONDS)
    pipeline.signal(pipeline.broker, signal.SIGCONT)
    away = time.monotonic() - began
    whole = pipeline.until(pipeline.whole)
    pipeline.until(lambda: not pipeline.firing("RackSilent"))
    _, lost, _ = pipeline.account()
    assert lost <= UNITS * (away + whole + 2.0)
    assert pipeline.falls() == 0
    return {"seen": seen, "alert": alert, "away": away, "whole": whole, "lost": lost}


def emulator_killed(pipeline: Pipeline) -> Figures:
    """The Last Will ends all series at once; started again, counters and charge go on."""
    charge = pipeline.values("megapack_energy_available_joules")
    pipeline.emulator.kill()
    seen = pipeline.until(lambda: pipeline.summary().get("racks_reporting") == 0)
    assert pipeline.total("twin_unit_missing", "will") == UNITS
    alert = seen + pipeline.until(lambda: pipeline.firing("EmulatorLost"))
    pipeline.emulator.start()
    whole = pipeline.until(pipeline.whole)
    pipeline.until(lambda: not pipeline.firing("EmulatorLost"))
    assert pipeline.falls() == 0, "a counter fell: Prometheus would add all that it ever counted"
    assert pipeline.values("megapack_energy_available_joules") == pytest.approx(charge, rel=0.02)
    assert "state taken up" in pipeline.emulator.log.read_text()
    return {"seen": seen, "alert": alert, "whole": whole}


def emulator_stopped(pipeline: Pipeline) -> Figures:
    """An orderly end is told as one, keeps the state, and takes no longer than promised."""
    began = time.monotonic()
    assert pipeline.emulator.end() == 0
    ended = time.monotonic() - began
    seen = pipeline.until(lambda: pipeline.total("twin_unit_missing", "offline") == UNITS)
    pipeline.emulator.start()
    whole = pipeline.until(pipeline.whole)
    assert pipeline.falls() == 0
    return {"ended": ended, "seen": seen, "whole": whole}


def stopped_without_broker(pipeline: Pipeline) -> Figures:
    """A broker that hangs delays the orderly end of nobody beyond the promise."""
    pipeline.signal(pipeline.broker, signal.SIGSTOP)
    figures = {}
    for name, process in (("emulator", pipeline.emulator), ("aggregator", pipeline.aggregator)):
        began = time.monotonic()
        assert process.end() == 0
        figures[name] = time.monotonic() - began
    pipeline.signal(pipeline.broker, signal.SIGCONT)
    pipeline.emulator.start()
    pipeline.aggregator.start()
    figures["whole"] = pipeline.until(pipeline.whole)
    assert pipeline.falls() == 0
    return figures


def aggregator_killed(pipeline: Pipeline) -> Figures:
    """Prometheus says that its targets are down; a new aggregator knows all within an interval."""
    pipeline.aggregator.kill()
    seen = pipeline.until(lambda: pipeline.query('count(up{job=~"twin.*"} == 0)') == [3.0])
    alert = seen + pipeline.until(lambda: pipeline.firing("ScrapeTargetDown"))
    pipeline.aggregator.start()
    whole = pipeline.until(pipeline.whole)
    pipeline.until(lambda: not pipeline.firing("ScrapeTargetDown"))
    assert pipeline.total("twin_frames_lost_total") == 0
    assert pipeline.total("twin_emulator_frames_unsent_total") == 0, "the emulator noticed nothing"
    assert pipeline.falls() == 0
    return {"seen": seen, "alert": alert, "whole": whole}


def prometheus_killed(pipeline: Pipeline) -> Figures:
    """Killed or stopped, Prometheus has its history again, and the twin noticed nothing."""
    figures = {}
    for how in ("kill", "stop"):
        before = pipeline.values("count_over_time(twin_simulation_time_seconds[10m])")
        getattr(pipeline.prometheus, how)()
        pipeline.prometheus.start()
        figures[f"whole_after_{how}"] = pipeline.until(pipeline.whole)
        after = pipeline.values("count_over_time(twin_simulation_time_seconds[10m])")
        assert after[0] >= before[0] - 2.0, "what was scraped before is still there"
    assert pipeline.total("twin_frames_lost_total") == 0
    assert pipeline.falls() == 0
    return figures


def cut_emulator(pipeline: Pipeline) -> Figures:
    """Without the network between emulator and broker units fall silent, and come back."""
    return _cut(pipeline, "emulator-broker", "RackSilent")


def cut_aggregator(pipeline: Pipeline) -> Figures:
    """Without the network between broker and aggregator units fall silent, and come back."""
    return _cut(pipeline, "aggregator-broker", "RackSilent")


def cut_prometheus(pipeline: Pipeline) -> Figures:
    """Without the network between aggregator and Prometheus targets are down; no frame is lost."""
    figures = _cut(pipeline, "prometheus-aggregator", "ScrapeTargetDown")
    assert pipeline.account()[1:] == (0.0, 0.0)
    return figures


def _cut(pipeline: Pipeline, wire: str, alert: str) -> Figures:
    began = time.monotonic()
    pipeline.wires[wire].cut()
    fires = pipeline.until(lambda: pipeline.firing(alert))
    pipeline.wires[wire].heal()
    away = time.monotonic() - began
    whole = pipeline.until(pipeline.whole)
    pipeline.until(lambda: not pipeline.firing(alert))
    _, lost, _ = pipeline.account()
    assert lost <= UNITS * (away + whole + 2.0)
    assert pipeline.falls() == 0
    return {"alert": fires, "away": away, "whole": whole, "lost": lost}


def flood(pipeline: Pipeline) -> Figures:
    """A stranger who publishes ten times as much as all units is refused, and costs no frame."""
    before = pipeline.total("twin_frames_ingested_total")
    with client.flooding(pipeline, per_second=10 * UNITS):
        alert = pipeline.until(lambda: pipeline.firing("MessagesRefused"))
        pipeline.until(lambda: pipeline.total("twin_frames_ingested_total") > before + 5 * UNITS)
        whole = pipeline.until(pipeline.whole)
    refused = pipeline.total("twin_messages_refused_total")
    assert refused > 5 * UNITS
    assert pipeline.account()[1:] == (0.0, 0.0)
    return {"alert": alert, "whole": whole, "refused": refused, "lost": 0.0}


def queue_full(pipeline: Pipeline) -> Figures:
    """What a broker drops because a reader hangs shows as lost frames, each of them counted."""
    # So much fits into the buffers of the connection that small frames fill them too slowly.
    with client.flooding(pipeline, per_second=400, size=200_000):
        pipeline.signal(pipeline.aggregator, signal.SIGSTOP)
        pipeline.until(lambda: client.dropped(pipeline) > 10 * UNITS)
        pipeline.signal(pipeline.aggregator, signal.SIGCONT)
        alert = pipeline.until(lambda: pipeline.firing("FramesLost"))
    whole = pipeline.until(pipeline.whole)
    # The emulator tells what it sent only now and then; on a connection that has lost its slots for
    # that it takes a new one.
    pipeline.until(lambda: abs(client.unaccounted(pipeline)) <= 4 * UNITS)
    lost = pipeline.total("twin_frames_lost_total")
    assert lost > 0
    return {"alert": alert, "whole": whole, "lost": lost}


def many_scrapers(pipeline: Pipeline) -> Figures:
    """Two hundred scrapers at a time and a few that take nothing are served, or told why not."""
    with client.stuck(pipeline, 20):
        answers, took = client.scrape(pipeline, 200)
        assert pipeline.until(pipeline.whole) < 30.0
    assert set(answers) <= {200, 503}
    assert answers[200] >= 150
    assert pipeline.account()[1:] == (0.0, 0.0), "no frame was late for it"
    return {"served": answers[200], "told_busy": answers[503], "seconds": took}


def clock_set(pipeline: Pipeline) -> Figures:
    """A wall clock that is set by an hour, forward or back, silences nobody and spoils no lag."""
    figures: Figures = {}
    for name, offset in (("forward", 3600), ("back", -3600)):
        for _ in range(CLOCK_TRIES):
            restarts = pipeline.total("twin_unit_restarts_total")
            client.set_clock(pipeline, offset)
            whole = pipeline.until(lambda: client.lag_is_right(pipeline))
            if client.all_report(pipeline, 3.0):
                break
            client.set_clock(pipeline, -offset)
            pipeline.until(lambda: pipeline.summary().get("racks_reporting") == RACKS)
        else:
            pytest.fail(f"set {name}, racks fell silent {CLOCK_TRIES} times")
        assert pipeline.total("twin_unit_restarts_total") == restarts
        figures[f"whole_{name}"] = whole
    assert pipeline.account()[1:] == (0.0, 0.0)
    return figures


FAULTS: tuple[tuple[Fault, dict[str, Any]], ...] = (
    (emulator_killed, {}),
    (broker_killed, {}),
    (broker_paused, {}),
    (cut_emulator, {}),
    (cut_aggregator, {}),
    (cut_prometheus, {}),
    (aggregator_killed, {}),
    (queue_full, {"settings": client.SMALL_QUEUE}),
    (emulator_stopped, {}),
    (stopped_without_broker, {}),
    (prometheus_killed, {}),
    (flood, {}),
    (many_scrapers, {}),
    (clock_set, {"environment": client.FAKE_CLOCK}),
)


QUICK = {broker_killed, aggregator_killed}
"""The end of a part, for every run; tests/integration/test_stack.py has that of an emulator."""


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        pytest.param(*row, id=row[0].__name__, marks=[pytest.mark.full] * (row[0] not in QUICK))
        for row in FAULTS  # a shifted clock needs libfaketime
    ],
)
def test_survived(running: Running, fault: Fault, options: dict[str, Any]) -> None:
    """The fault is seen, alerted on and over as its function says, and nothing more is lost."""
    assert options is not None
    assert running.figures(fault)
