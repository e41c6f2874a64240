"""What a scheduler's messages say of the jobs of a site file."""

from __future__ import annotations

import json

from tests.aggregator.twinning import SCHEDULED
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.site import Layout, parse_site

JOB = """
training: {startup_seconds: 20, restart_delay_seconds: 10, reload_seconds: 30}
jobs: [{name: pretrain, racks: 1}]
"""


def test_a_job_that_starts_again_is_told_as_starting_and_then_as_running() -> None:
    """Racks and the queue say where a crashed job stands: gone, starting, running."""
    site = parse_site(SCHEDULED.replace("KIND", "kubernetes") + JOB, "test")
    core = EmulatorCore(EmulatorConfig(Layout(site), seed=1), 1_700_000_000.0)
    of_rack: list[str] = []
    of_queue: list[str] = []
    core.inject("a", "job-crash", "pretrain", seconds=2.0)
    for _ in range(120):
        core.step(1.0)
        for message in core.outbox():
            if message.topic.endswith("/jobs/r0001"):
                held = json.loads(message.payload)["allocations"]
                of_rack.append(held[0]["state"] if held else "")
            elif message.topic.endswith("/queue"):
                jobs = json.loads(message.payload)["jobs"]
                of_queue.append(next(job["state"] for job in jobs if job["job"] == 1))
    assert _changes(of_rack)[-3:] == ["", "starting", "running"]
    assert _changes(of_queue)[-3:] == ["pending", "starting", "running"]


def _changes(states: list[str]) -> list[str]:
    """Return the states, each run of equal ones once."""
    return [now for last, now in zip([None, *states], states, strict=False) if now != last]
