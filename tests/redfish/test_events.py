"""Events of BMCs: what a stream tells of a fault, once, and what a filter lets pass."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.redfish.bmcs import BmcRig
from twin.redfish.directory import Bmc
from twin.redfish.events import STREAM, EventStream

SERVER_BMC, CDU_BMC = "r0001-n1-bmc", "r0001-cdu"


class Listener:
    """A client of the events of one BMC."""

    def __init__(self, rig: BmcRig, bmc: str, query: str = "") -> None:
        self._rig = rig
        found = rig.core.directory.find(bmc)
        assert found is not None
        self._bmc: Bmc = found
        answer = rig.ask(bmc, f"{STREAM}?{query}")
        assert answer is not None
        assert answer.status == 200
        assert answer.stream is not None
        self._stream: EventStream = answer.stream

    def heard(self) -> list[dict[str, Any]]:
        """Return the objects that have come since the last time."""
        news = self._rig.core.news(self._bmc, self._stream)
        assert news is not None, "the BMC is dead"
        return [
            orjson.loads(own.partition("\ndata: ")[2])
            for own in news.decode().split("\n\n") if own
        ]  # fmt: skip

    def events(self, seconds: int) -> list[dict[str, Any]]:
        """Return the events of so many seconds."""
        found = []
        for _ in range(seconds):
            self._rig.run()
            found += [event for own in self.heard() for event in own["Events"]]
        return found


def test_quiet_site_has_no_events(rig: BmcRig) -> None:
    """While nothing fails nothing is told."""
    listeners = [Listener(rig, bmc) for bmc in (SERVER_BMC, CDU_BMC, "r0001-pdu1")]
    rig.run(5)
    assert [own.heard() for own in listeners] == [[], [], []]


def test_failed_supply_is_told_once(rig: BmcRig) -> None:
    """The supply, its subsystem and the chassis turn Critical, each in one event."""
    listener = Listener(rig, SERVER_BMC)
    rig.inject("psu-failure", "r0001/n1/psu2")
    events = listener.events(6)
    chassis = "/redfish/v1/Chassis/DGX"
    power = f"{chassis}/PowerSubsystem"
    assert sorted(own["OriginOfCondition"]["@odata.id"] for own in events) == [
        chassis, power, f"{power}/PowerSupplies/PSU2",
    ]  # fmt: skip
    for event in events:
        path = event["OriginOfCondition"]["@odata.id"]
        assert event["MessageId"] == "ResourceEvent.1.3.ResourceStatusChangedCritical"
        assert event["MessageArgs"] == [path, "Critical"]
        assert event["MessageSeverity"] == "Critical"
        assert event["EventTimestamp"].startswith("2023-11-14T22:13:2")


def test_server_that_goes_off_is_told(rig: BmcRig) -> None:
    """Both systems say that they have powered off."""
    listener = Listener(rig, SERVER_BMC, "$filter=MessageId eq ResourcePoweredOff")
    rig.inject("server-down", "r0001/n1")
    events = listener.events(4)
    assert {own["OriginOfCondition"]["@odata.id"].rsplit("/", 1)[-1] for own in events} >= {
        "DGX", "HGX_Baseboard_0",
    }  # fmt: skip
    assert {own["MessageId"] for own in events} == {"ResourceEvent.1.3.ResourcePoweredOff"}


def test_leak_has_its_own_message(rig: BmcRig) -> None:
    """A leak is an event of the registry Environmental, with the detector as its origin."""
    listener = Listener(rig, CDU_BMC, "$filter=RegistryPrefix eq Environmental")
    rig.inject("coolant-leak", "r0001")
    events = listener.events(30)
    assert events
    assert events[0]["MessageId"].startswith("Environmental.1.1.LeakDetected")
    assert events[0]["OriginOfCondition"]["@odata.id"].endswith("/LeakDetectors/LeakDetector_0")


def test_reports_can_be_streamed(rig: BmcRig) -> None:
    """A stream of reports has the wanted one of each frame, and no events."""
    name = "HGX_MemoryMetrics_0"
    query = f"$filter=EventFormatType eq MetricReport and MetricReportDefinition eq {name}"
    listener = Listener(rig, SERVER_BMC, query)
    rig.inject("psu-failure", "r0001/n1/psu2")
    rig.run(2)
    (report,) = listener.heard()
    assert report["Id"] == name
    assert report["MetricValues"]
    assert listener.heard() == []
    assert {own["Id"] for own in _next(rig, listener)} == {name}


def _next(rig: BmcRig, listener: Listener) -> list[dict[str, Any]]:
    rig.run()
    return listener.heard()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("$filter=Nothing eq x", 400),
        ("$filter=EventFormatType gt Event", 400),
        ("$filter=", 400),
        ("$top=1", 501),
    ],
)
def test_filter_that_is_none_is_refused(steady: BmcRig, query: str, status: int) -> None:
    """What the stream cannot filter by is answered with an error of Redfish."""
    answer = steady.ask(SERVER_BMC, f"{STREAM}?{query}")
    assert answer is not None
    assert answer.status == status
    assert "error" in orjson.loads(answer.body)


def test_stream_needs_a_login(steady: BmcRig) -> None:
    """Strangers hear nothing, and nobody can post to it."""
    answer = steady.ask(SERVER_BMC, STREAM, authorization=None)
    assert answer is not None
    assert answer.status == 401
    answer = steady.ask(SERVER_BMC, STREAM, "POST")
    assert answer is not None
    assert answer.status == 405


def test_silent_bmc_ends_its_streams(rig: BmcRig) -> None:
    """A stream of a BMC that falls silent is over."""
    answer = rig.ask(SERVER_BMC, STREAM)
    assert answer is not None
    assert answer.stream is not None
    rig.inject("gateway-silent", "r0001")
    rig.run(8)
    bmc = rig.core.directory.find(SERVER_BMC)
    assert bmc is not None
    assert rig.core.news(bmc, answer.stream) is None
