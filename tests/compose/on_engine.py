"""The compose file on a real Docker Engine: up, its doors, every fault, down and up again.

Run by ``scripts/test-compose``, which sets up the engine; pytest does not collect it by
itself. The tests build on one another and run in order: one stack lives through them all.
Images are stand-ins where no registry can be reached. Grafana's is a placeholder, so what
Grafana itself does (its login, its data sources, its dashboards) is not tested here.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose.live_stack import GPUS, Stack, eventually
from twin.bus import connect
from twin.errors import BusError

PLACEHOLDER = "placeholder"
LATE = "EmulatorLate fires"
"""True of a machine that has too little time for the emulator, and it stays so for minutes."""
PASSING = (LATE, "cannot scrape ")
"""What the doctor may find for a moment: a scrape that took too long counts until the next one."""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Return the stack; whatever happens, nothing of it is left behind."""
    stack = Stack()
    stack.compose("down", "--volumes", "--remove-orphans")
    try:
        yield stack
    finally:
        if sys.exc_info()[0] is not None:
            sys.stderr.write(stack.compose("logs", "--tail", "30"))
        stack.compose("down", "--volumes", "--remove-orphans")


@pytest.fixture
def note(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Return a function that prints a figure although pytest captures what is printed."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n  {request.node.name}: {text}\n")

    return say


# -- up -------------------------------------------------------------------------------------------


def test_up(stack: Stack, note: Callable[..., None]) -> None:
    """One command on a machine that has nothing: all are healthy, and data is in Prometheus."""
    took = stack.up()
    data = stack.wait_for_all()
    note(f"healthy after {took:.0f} s, all {GPUS} GPUs in Prometheus {data:.0f} s later")
    found: list[str] = []

    def well() -> bool:
        found[:] = stack.findings()
        # What cannot be a moment's matter fails at once.
        assert all(sentence.startswith(PASSING) for sentence in found), found
        return all(sentence.startswith(LATE) for sentence in found)

    eventually(well, why=lambda: repr(found))


def test_services_are_confined(stack: Stack) -> None:
    """What the engine knows of every container: no root, no rights, nothing to write to."""
    ids = stack.compose("ps", "--quiet").split()
    assert len(ids) == 6
    inspected = subprocess.run(
        ["docker", "inspect", *ids], env=stack.environment, capture_output=True, check=True
    )
    users: list[int] = []
    for container in json.loads(inspected.stdout):
        host, config = container["HostConfig"], container["Config"]
        assert host["ReadonlyRootfs"]
        assert host["CapDrop"] == ["ALL"]
        assert not host["CapAdd"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] > 0
        assert host["LogConfig"]["Config"]["max-size"] == "10m"
        users.append(int(config["User"].partition(":")[0]))
        assert host["CpuQuota"] >= host["CpuPeriod"] > 0
        assert not re.search(r"[0-9a-f]{40}", json.dumps([config["Env"], config["Cmd"]]))
        for bound in host["PortBindings"].values():
            assert {own["HostIp"] for own in bound} == {"127.0.0.1"}
    assert 0 not in users
    assert len(set(users)) == len(users)


def test_a_service_cannot_see_anothers_secrets(stack: Stack) -> None:
    """Of all secrets the emulator has its own password only, and nothing else is even there."""
    script = "import pathlib; print(*sorted(pathlib.Path('/secrets').rglob('*')))"
    found = stack.compose("exec", "-T", "emulator", "python", "-c", script).split()
    assert found == ["/secrets/emulator", "/secrets/emulator/broker"]
    for service in ("prometheus", "alertmanager"):
        files = stack.compose("exec", "-T", service, "sh", "-c", "ls /secrets /secrets/monitoring")
        there = {
            "prometheus": {"prometheus", "read-token", "redfish-ca.pem"},
            "alertmanager": set(),
        }[service]
        assert set(files.split()) - {"/secrets:", "/secrets/monitoring:"} == {
            "monitoring", "health.yml", "web.yml", *there
        }  # fmt: skip


def test_no_process_shows_a_login(stack: Stack) -> None:
    """While the health checks of all services run, no list of processes has a password."""
    secrets = [*stack.logins.values()]
    basics = [base64.b64encode(f"health:{stack.logins['health']}".encode()).decode()]
    script = "for i in $(seq 200); do cat /proc/[0-9]*/cmdline 2>/dev/null; done | tr '\\0' ' '"
    for service in ("prometheus", "alertmanager", "mosquitto", "aggregator"):
        seen = stack.compose("exec", "-T", service, "sh", "-c", script)
        assert seen
        assert [secret for secret in (*secrets, *basics) if secret in seen] == []


def test_a_site_of_ones_own_is_there(stack: Stack) -> None:
    """A file in the folder of own sites is read inside by the path that it has outside."""
    stack.environment["SITE"] = "sites/nvl72.yaml"
    try:
        said = stack.compose(
            "run", "--rm", "--no-deps", "--entrypoint", "sh", "emulator", "-c",
            'twin sites show "$TWIN_SITE" --json',
        )  # fmt: skip
    finally:
        del stack.environment["SITE"]
    assert json.loads(said)["name"] == "nvl72"


# -- doors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("TWIN", "/"),
        ("TWIN", "/metrics"),
        ("TWIN", "/arrays/a001/metrics"),
        ("TWIN", "/sd"),
        ("PROMETHEUS", "/api/v1/query?query=up"),
        ("PROMETHEUS", "/-/ready"),
        ("PROMETHEUS", "/metrics"),
        ("ALERTMANAGER", "/api/v2/alerts"),
        ("ALERTMANAGER", "/metrics"),
    ],
)
def test_a_stranger_is_refused_over_http(stack: Stack, service: str, path: str) -> None:
    """Without a login of the stack, and with a usual one, the door stays shut."""
    for login in (None, ("admin", "admin"), ("guest", "guest"), ("prometheus", "")):
        answer = httpx.get(f"{stack.url(service)}{path}", auth=login, timeout=10)
        assert answer.status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize(("user", "password"), [(None, None), ("guest", "guest"), ("root", "")])
async def test_a_stranger_is_refused_by_the_broker(
    stack: Stack, user: str | None, password: str | None
) -> None:
    """Without a login of the stack nobody gets onto the bus."""
    with pytest.raises(BusError, match="refused us"):
        async with connect(stack.broker(user, password), client_id="stranger"):
            pass


def test_a_guest_cannot_write(stack: Stack) -> None:
    """A guest cannot inject a fault, nor silence an alert, nor push to or stop Prometheus."""
    guest = ("guest", stack.logins["guest"])
    assert httpx.get(f"{stack.url('TWIN')}/metrics", auth=guest, timeout=10).is_success
    page = httpx.post(
        f"{stack.url('TWIN')}/api/inject",
        json={"fault": "pump-failure", "target": "r0001/pump1"},
        headers={"X-Twin-Command": "1"}, auth=guest, timeout=10,
    )  # fmt: skip
    assert page.status_code == httpx.codes.FORBIDDEN
    words = ("inject", "pump-failure", "--broker", f"{_address(stack, 'guest')}")
    assert "no emulator of site 'demo' answered" in stack.twin(*words, expected=3)
    silence = httpx.post(
        f"{stack.url('ALERTMANAGER')}/api/v2/silences", json={}, auth=guest, timeout=10
    )
    assert silence.status_code == httpx.codes.UNAUTHORIZED
    for path in ("/-/quit", "/-/reload", "/api/v1/admin/tsdb/delete_series", "/api/v1/write"):
        answer = httpx.post(f"{stack.url('PROMETHEUS')}{path}", auth=guest, timeout=10)
        assert answer.is_error, path
    eventually(lambda: stack.query("up{job='prometheus'}") == 1)


def test_grafana_has_its_secrets(stack: Stack) -> None:
    """Grafana's container reads its passwords; of a real one a stranger gets nothing."""
    health = httpx.get(f"{stack.url('GRAFANA')}/api/health", timeout=10)
    assert health.status_code == httpx.codes.OK
    if health.json()["version"] == PLACEHOLDER:
        return  # named in the heading and by scripts/test-compose
    for path in ("/api/dashboards/home", "/api/datasources", "/api/search"):
        for login in (None, ("admin", "admin")):
            answer = httpx.get(f"{stack.url('GRAFANA')}{path}", auth=login, timeout=10)
            assert answer.status_code == httpx.codes.UNAUTHORIZED


def _address(stack: Stack, user: str) -> str:
    return f"mqtt://{user}:{stack.logins[user]}@127.0.0.1:{stack.ports['MQTT']}"


# -- faults ---------------------------------------------------------------------------------------


def test_a_fault_of_the_plant_reaches_alertmanager(stack: Stack, note: Callable[..., None]) -> None:
    """A rack loses a pump: the alert arrives where people are called from, and ends."""
    # Not both pumps: its GPUs would switch off while the alert is waited for, for two minutes.
    words = ("pump-failure", "--target", "r0003/pump1", "--broker", _address(stack, "control"))
    stack.twin("inject", *words, "--for", "10m")
    try:
        took = stack.wait_for_alert("CoolantPumpFailed")
    finally:
        stack.twin("clear", *words)  # it has been told, so there is nothing to wait for
    note(f"CoolantPumpFailed in Alertmanager after {took:.0f} s")
    stack.wait_for_end("CoolantPumpFailed")


HARMS: dict[str, tuple[tuple[str, ...], str]] = {
    "broker killed": (("kill", "mosquitto"), "BrokerDisconnected"),
    "emulator killed": (("kill", "emulator"), "EmulatorLost"),
    "aggregator killed": (("kill", "aggregator"), "ScrapeTargetDown"),
    "bus cut": (("cut", "aggregator", "--network", "bus"), "RackSilent"),
    "scrapes cut": (("cut", "aggregator", "--network", "monitoring"), "ScrapeTargetDown"),
}
"""What is done, and the alert that must say so."""


@pytest.mark.parametrize("name", HARMS)
def test_harm(stack: Stack, name: str, note: Callable[..., None]) -> None:
    """It is told by its alert while it lasts, and afterwards all is as before."""
    words, alert = HARMS[name]
    stack.wait_for_all()
    stack.wait_for_end(alert)
    process = stack.chaos(*words, "--for", "10m")
    told = stack.wait_for_alert(alert)
    process.send_signal(signal.SIGINT)  # it has been told, so there is nothing to wait for
    stack.ended(process)
    whole = stack.wait_for_all()
    note(f"{alert} in Alertmanager after {told:.0f} s, whole {whole:.0f} s after its end")


SCENARIO = """
title: the broker hangs
site: demo
duration: 100s
faults:
  - {kind: service-pause, target: mosquitto, at: 2s, for: 50s}
expect:
  fires:
    - {alert: RackSilent, labels: {rack: r0001}, within: 50s}
  clears:
    - {alert: RackSilent, within: 30s}
"""


def test_a_scenario_harms_a_service(stack: Stack, tmp_path: Path) -> None:
    """A broker that is paused as a step of a live scenario is told of, and the alert ends."""
    stack.wait_for_all()
    stack.wait_for_end("RackSilent")
    file = tmp_path / "broker-hangs.yaml"
    file.write_text(SCENARIO, encoding="utf-8")
    login = f"guest:{stack.logins['guest']}@127.0.0.1:{stack.ports['PROMETHEUS']}"
    said = stack.twin(
        "scenario", "run", str(file), "--live",
        "--broker", _address(stack, "control"), "--prometheus", f"http://{login}",
    )  # fmt: skip
    assert "mosquitto is frozen" in said
    assert "mosquitto is as before" in said


def test_doctor_names_a_harm_and_an_interrupted_one_is_undone(stack: Stack) -> None:
    """What is wrong is a sentence with its remedy; Ctrl-C in between leaves nothing behind."""
    process = stack.chaos("pause", "mosquitto", "--for", "10m")
    said = stack.twin("stack", "doctor", expected=1)
    assert "mosquitto is paused; go on with: docker compose unpause mosquitto" in said
    process.send_signal(signal.SIGINT)
    stack.ended(process)
    process = stack.chaos("cut", "mosquitto", "--for", "10m")
    said = stack.twin("stack", "doctor", expected=1)
    assert "emulator shares no network with mosquitto" in said
    process.send_signal(signal.SIGTERM)
    stack.ended(process)
    process = stack.chaos("slow", "prometheus", "--share", "0.5", "--for", "10m")
    assert "prometheus is held to 0.5 of a core" in stack.twin("stack", "doctor", expected=1)
    process.send_signal(signal.SIGINT)
    stack.ended(process)
    stack.wait_for_all()
    assert "held to" not in stack.twin("stack", "status", "--json")


def test_what_cannot_be_harmed_is_told(stack: Stack) -> None:
    """An unknown service or network is one sentence, with those that there are, and status 2."""
    assert "there are aggregator, alert" in stack.twin("chaos", "kill", "nobody", expected=2)
    words = ("chaos", "cut", "emulator", "--network", "moon")
    assert "its networks are: bus" in stack.twin(*words, expected=2)
    assert "secrets is exited" in stack.twin("chaos", "pause", "secrets", expected=2)


# -- nothing lost ---------------------------------------------------------------------------------

STEPS = "max(training_job_steps_total)"
FIRST = "min_over_time(min(training_job_steps_total)[6h:5s])"
UNSAVED_STEPS = 8
"""Steps between two savings of the state: what is lost where an end in order takes too long."""


def test_restarts_lose_nothing(stack: Stack, note: Callable[..., None]) -> None:
    """After a restart of Prometheus and of the emulator history is there and counters go on."""
    stack.wait_for_all()
    steps, first = _counted(stack)
    stack.twin("chaos", "restart", "prometheus")
    stack.twin("chaos", "restart", "emulator")
    took = stack.wait_for_all()
    note(f"whole after {took:.0f} s")
    _goes_on(stack, steps, first)


def _counted(stack: Stack) -> tuple[float, float]:
    """Return what the job's counter of steps is, and what it was at first, once both are there.

    On a busy machine a scrape or a query that takes too long leaves a gap.
    """
    found: list[float | None] = []

    def both() -> bool:
        found[:] = [stack.query(STEPS), stack.query(FIRST)]
        return None not in found

    eventually(both, why=lambda: f"{STEPS} and {FIRST}: {found}")
    steps, first = found
    assert steps is not None
    assert first is not None
    return steps, first


def _goes_on(stack: Stack, steps: float, first: float) -> None:
    """Wait until Prometheus has the counter beyond ``steps``, and its history from the first.

    A counter that has begun anew, or a history that begins later, is a fault at once; one that
    is not there yet is waited for.
    """

    def counts_on() -> bool:
        now = stack.query(STEPS)
        assert now is None or now >= steps - UNSAVED_STEPS, f"{steps:g} steps have become {now:g}"
        return now is not None and now > steps

    def begins_there() -> bool:
        now = stack.query(FIRST)
        assert now is None or now <= first, f"history begins at step {now:g}, and not at {first:g}"
        return now == first

    eventually(counts_on, why=lambda: f"{STEPS}: {stack.query(STEPS)}, {steps:g} before")
    eventually(begins_there, why=lambda: f"{FIRST}: {stack.query(FIRST)}, {first:g} before")


def test_down_and_up_keeps_history(stack: Stack, note: Callable[..., None]) -> None:
    """Passwords, samples and counters survive ``down``."""
    stack.wait_for_all()
    (steps, first), logins = _counted(stack), dict(stack.logins)
    began = time.monotonic()
    stack.compose("down")
    down = time.monotonic() - began
    up = stack.up()
    note(f"down in {down:.0f} s, healthy again after {up:.0f} s")
    stack.wait_for_all()
    assert stack.logins == logins
    _goes_on(stack, steps, first)


def test_victoriametrics_has_the_same(stack: Stack, note: Callable[..., None]) -> None:
    """With its profile it takes every page that Prometheus does, and vmalert runs the rules."""
    services = ("victoriametrics", "vmalert")
    profile = ("--profile", services[0])
    store = ("VICTORIAMETRICS", "victoriametrics")
    try:
        stack.up(*profile)
        refused = httpx.get(f"{stack.url(store[0])}/api/v1/query?query=up", timeout=10)
        assert refused.status_code == httpx.codes.UNAUTHORIZED
        took = eventually(
            lambda: stack.query("count(DCGM_FI_DEV_POWER_USAGE)", *store) == GPUS,
            why=lambda: f"up: {stack.query('min(up)', *store)}",
        )
        recorded = "count(instance:dcgm_gpus:count{store='victoriametrics'})"
        eventually(lambda: stack.query(recorded, *store), why=lambda: "vmalert records nothing")
        note(f"all {GPUS} GPUs in VictoriaMetrics after {took:.0f} s")
    finally:
        stack.compose(*profile, "rm", "--stop", "--force", *services)


def test_down_with_volumes_forgets(stack: Stack) -> None:
    """``down -v`` leaves no volume, so the next start makes new passwords."""
    stack.compose("down", "--volumes")
    volumes = subprocess.run(
        ["docker", "volume", "ls", "--quiet", "--filter", "name=twin-test"],
        env=stack.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert volumes.stdout == ""
    before = dict(stack.logins)
    stack.compose("run", "--rm", "secrets")
    after: dict[str, Any] = json.loads(stack.compose("run", "--rm", "secrets", "logins", "--json"))
    assert not set(after.values()) & set(before.values())


def test_a_past_is_there_at_the_first_start(
    stack: Stack, note: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its profile Prometheus opens with a past, from whose end the emulator goes on."""
    profile = ("--profile", "history")
    monkeypatch.setitem(stack.environment, "HISTORY", "30m")
    try:
        took = stack.up(*profile)
        past = "max_over_time(site_gpus_reporting[10m] offset 15m)"
        eventually(lambda: stack.query(past) == GPUS, why=lambda: f"{past}: {stack.query(past)}")
        note(f"healthy after {took:.0f} s with half an hour behind it")
        said = stack.compose(*profile, "logs", "--no-log-prefix", "history", "emulator")
        assert "samples in" in said
        assert "/past/demo/training/plant.state" in said
        stack.compose(*profile, "up", "--no-deps", "history")
        again = stack.compose(*profile, "logs", "--no-log-prefix", "history")
        assert "the past is there" in again
    finally:
        stack.compose(*profile, "down", "--volumes")
