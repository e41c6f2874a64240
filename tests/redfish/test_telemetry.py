"""Metrics of the Redfish service itself: what the table says, and what is counted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.redfish.bmcs import EPOCH, PASSWORD, USER, BmcRig, basic
from twin.aggregator import Token
from twin.aggregator.access import Access
from twin.catalog import OWN_METRICS, REDFISH_METRICS
from twin.redfish.http import RedfishApp
from twin.redfish.own_pages import OwnPages
from twin.wire import Topics
from twin.wire.metadata import rack_meta

BMC, OTHER = "r0001-n1-bmc", "twin.example.org:9443"
READ = "a-token-of-the-tests"


def client(rig: BmcRig, token: str | None = None) -> httpx.AsyncClient:
    """Return a client of the service without a socket."""
    access = Access(None if token is None else Token(token))
    app = RedfishApp(rig.core, {}, OwnPages(rig.core, lambda _: None, access))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://127.0.0.1", auth=(USER, PASSWORD)
    )


def samples(rig: BmcRig) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return what is exposed now: by name, and the values of the labels in order of their names."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(rig.core.own.render().decode())
        for sample in family.samples
    }


async def asked(rig: BmcRig) -> None:
    """Ask a BMC for something, so that every metric has a series."""
    async with client(rig) as ask:
        await ask.get("/redfish/v1/", headers={"Host": BMC})


async def test_table_is_complete(rig: BmcRig) -> None:
    """What is exposed has the names, types, help and labels of the table, and nothing else."""
    await asked(rig)
    text = rig.core.own.render().decode()
    exposed = set(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert exposed == {(metric.name, metric.kind) for metric in REDFISH_METRICS}
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    assert helps == {metric.name: metric.help for metric in REDFISH_METRICS}
    labels = {
        family.name: {name for sample in family.samples for name in sample.labels}
        for family in text_string_to_metric_families(text)
    }
    for metric in REDFISH_METRICS:
        found = labels[metric.name.removesuffix("_total")] - {"le"}
        assert found == set(metric.labels), metric.name


def test_names_are_its_own() -> None:
    """No rule on the aggregator takes this process for one: names differ, and have its prefix."""
    assert {metric.name for metric in REDFISH_METRICS}.isdisjoint(m.name for m in OWN_METRICS)
    for metric in REDFISH_METRICS:
        assert metric.name.startswith("twin_redfish_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")


async def test_requests_are_counted(rig: BmcRig) -> None:
    """A request counts by the kind of its BMC, its method and its status, once each."""
    async with client(rig) as ask:
        for method, path, host in (
            ("GET", "/redfish/v1/Systems", BMC), ("GET", "/redfish/v1/none", BMC),
            ("PATCH", "/redfish/v1/Systems", BMC), ("BREW", "/redfish/v1/Chassis", "r0001-cdu"),
            ("GET", "/healthz", OTHER),
        ):  # fmt: skip
            await ask.request(method, path, headers={"Host": host})
    found = {
        labels: value
        for (name, labels), value in samples(rig).items()
        if name == "twin_redfish_requests_total"
    }
    assert found == {
        ("200", "server", "GET"): 1, ("404", "server", "GET"): 1, ("405", "server", "PATCH"): 1,
        ("405", "cdu", "other"): 1, ("200", "service", "GET"): 1,
    }  # fmt: skip
    assert samples(rig)["twin_redfish_request_duration_seconds_count", ("server",)] == 3


async def test_silence_is_counted(rig: BmcRig) -> None:
    """A request that no BMC answers counts as such, and as no answer."""
    rig.inject("gateway-silent", "r0001")
    rig.run(8)
    cuts = []
    scope = {
        "type": "http", "method": "GET", "path": "/redfish/v1/", "query_string": b"",
        "headers": [(b"host", BMC.encode())], "scheme": "https",
        "state": {"cut": lambda: cuts.append(True)},
    }  # fmt: skip
    messages: Iterator[dict[str, object]] = iter([{"type": "http.request"}])

    async def receive() -> dict[str, object]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: object) -> None:
        pytest.fail(f"it said {message}")

    app = RedfishApp(rig.core, {}, OwnPages(rig.core, lambda _: None, Access()))
    await app(scope, receive, send)
    assert cuts == [True]
    assert samples(rig)["twin_redfish_requests_unanswered_total", ("server",)] == 1
    assert not [labels for name, labels in samples(rig) if name == "twin_redfish_requests_total"]


def test_what_is_open_is_shown(rig: BmcRig) -> None:
    """BMCs and sessions are gauges by kind, the frames a counter."""
    body = orjson.dumps({"UserName": USER, "Password": PASSWORD})
    rig.ask(BMC, "/redfish/v1/SessionService/Sessions", "POST", body=body)
    found = samples(rig)
    kinds = {bmc.kind.key for bmc in rig.core.directory}
    assert {labels[0] for name, labels in found if name == "twin_redfish_bmcs"} == kinds
    assert found["twin_redfish_bmcs", ("server",)] == 4
    assert found["twin_redfish_sessions", ("server",)] == 1
    assert found["twin_redfish_sessions", ("cdu",)] == 0
    before = found["twin_redfish_frames_ingested_total", ()]
    rig.run(3)
    assert samples(rig)["twin_redfish_frames_ingested_total", ()] == before + 3 * 8
    assert samples(rig)["twin_redfish_newest_frame_timestamp_seconds", ()] == EPOCH + rig.now


def test_sessions_that_nobody_uses_end_by_themselves(rig: BmcRig) -> None:
    """A BMC that nobody asks any more keeps no sessions."""
    body = orjson.dumps({"UserName": USER, "Password": PASSWORD})
    rig.ask(BMC, "/redfish/v1/SessionService/Sessions", "POST", body=body)
    rig.core.tick(0.0, rig.now + 4000.0)
    assert samples(rig)["twin_redfish_sessions", ("server",)] == 0


async def test_own_pages_stand_beside_the_bmcs(rig: BmcRig) -> None:
    """/metrics is no page of a BMC, and speaks OpenMetrics to who prefers it."""
    async with client(rig) as ask:
        assert (await ask.get("/metrics", headers={"Host": BMC})).status_code == 404
        plain = await ask.get("/metrics", headers={"Host": OTHER})
        assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        accept = {"Accept": "application/openmetrics-text; version=1.0.0", "Host": OTHER}
        other = await ask.get("/metrics", headers=accept)
        assert other.headers["Content-Type"].startswith("application/openmetrics-text")
        assert other.content.endswith(b"# EOF\n")
        assert (await ask.post("/metrics", headers={"Host": OTHER})).status_code == 405


async def test_list_of_bmcs_follows_their_names(rig: BmcRig) -> None:
    """It is made once, and again when a host is called otherwise; the old name is no BMC's then."""
    async with client(rig) as ask:

        async def listed() -> list[str]:
            answer = await ask.get("/sd", headers={"Host": OTHER})
            return [own["labels"]["bmc"] for own in answer.json()]

        assert await listed() == await listed()
        assert (await listed())[0] == BMC
        meta = rack_meta(rig.core.store.layout.names, 0)
        meta = meta.model_copy(update={"hostnames": ("gpu-17", *meta.hostnames[1:])})
        topic = Topics("small").meta("r0001")
        rig.core.handle(topic, meta.encode(), True, EPOCH + rig.now, float(rig.now))
        assert (await listed())[0] == "gpu-17-bmc"
        assert rig.core.directory.find(BMC) is None
        assert rig.core.directory.find("gpu-17-bmc") is not None


@pytest.mark.parametrize("path", ["/metrics", "/sd"])
async def test_own_pages_can_need_a_token(rig: BmcRig, path: str) -> None:
    """With a token the service's pages need it, the login of the BMCs does not open them."""
    async with client(rig, READ) as ask:
        host = {"Host": OTHER}
        assert (await ask.get(path, headers=host)).status_code == 401
        assert (await ask.get("/healthz", headers=host)).status_code == 200
        shown = {**host, "Authorization": f"Bearer {READ}"}
        assert (await ask.get(path, headers=shown, auth=None)).status_code == 200
        shown = {**host, "Authorization": basic("x", READ)}
        assert (await ask.get(path, headers=shown, auth=None)).status_code == 200
    assert samples(rig)["twin_redfish_connections_cut_total", ("unauthorized",)] == 1
