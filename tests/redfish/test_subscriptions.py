"""Subscriptions by POST: who is sent to, what is sent, and what becomes of what is not taken."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.redfish.bmcs import BmcRig
from tests.redfish.test_requests import answered, refused
from twin.errors import ConfigError
from twin.redfish import Destinations
from twin.redfish.event_desk import MOST_IN_ALL
from twin.redfish.events import RETRY_ATTEMPTS, RETRY_SECONDS
from twin.redfish.exchange import BmcAnswer
from twin.redfish.subscriptions import MOST_SUBSCRIPTIONS, MOST_WAITING, Subscription

BMC, EVENTS = "r0001-n1-bmc", "/redfish/v1/EventService"
SUBSCRIPTIONS = f"{EVENTS}/Subscriptions"
TEST = f"{EVENTS}/Actions/EventService.SubmitTestEvent"
URL = "https://collector.example.org/events"


@pytest.fixture
def rig() -> BmcRig:
    """Return BMCs that may send to one host."""
    return BmcRig(destinations=("collector.example.org",))


def wanted(rig: BmcRig, bmc: str = BMC, **properties: Any) -> BmcAnswer:
    """Return the answer to a request for a subscription."""
    body = {"Destination": URL, "Protocol": "Redfish", **properties}
    return answered(rig.ask(bmc, SUBSCRIPTIONS, "POST", body=orjson.dumps(body)))


def made(rig: BmcRig, **properties: Any) -> Subscription:
    """Return a new subscription."""
    answer = wanted(rig, **properties)
    assert answer.status == 201, answer.body
    return [own for _, own in rig.core.events.subscribed()][-1]


def due(rig: BmcRig, own: Subscription, at: float | None = None) -> dict[str, Any] | None:
    """Return what is to be sent now."""
    bmc = rig.core.directory.find(BMC)
    assert bmc is not None
    payload = rig.core.due(bmc, own, rig.now if at is None else at)
    return None if payload is None else orjson.loads(payload)


def took(rig: BmcRig, own: Subscription, at: float, *, taken: bool) -> None:
    """Say how a delivery went."""
    bmc = rig.core.directory.find(BMC)
    assert bmc is not None
    rig.core.sent(bmc, own, at, taken=taken)


def test_events_go_nowhere_unless_told() -> None:
    """Without an allowed destination nothing can be subscribed to, and the collection says so."""
    rig = BmcRig()
    answer = wanted(rig)
    refused(answer, 405, "OperationNotAllowed")
    assert answer.headers["Allow"] == "GET, HEAD"
    assert rig.get(BMC, "EventService/Subscriptions")["Members"] == []


@pytest.mark.parametrize(
    ("texts", "url", "allowed"),
    [
        (("a.example.org",), "https://a.example.org/x", True),
        (("a.example.org",), "https://A.Example.ORG:8443/x", True),
        (("a.example.org",), "https://b.example.org", False),
        (("a.example.org",), "https://a.example.org.evil.net", False),
        (("a.example.org",), "https://evil.net/a.example.org", False),
        (("a.example.org",), "https://a.example.org@evil.net/", False),
        (("a.example.org",), "https://evil.net\\@a.example.org/", False),
        (("a.example.org",), "https://u:p@a.example.org/", False),
        (("a.example.org",), "ftp://a.example.org/", False),
        (("a.example.org",), "file:///etc/passwd", False),
        (("a.example.org",), "https://a.example.org:99999/", False),
        (("a.example.org",), "https://a.example.org/\r\nX: y", False),
        (("a.example.org",), "https://a.example.org/" + "x" * 3000, False),
        (("a.example.org:8443",), "https://a.example.org:8443/", True),
        (("a.example.org:8443",), "https://a.example.org/", False),
        (("a.example.org:443",), "https://a.example.org/", True),
        (("a.example.org:443",), "http://a.example.org/", False),
        (("*.example.org",), "http://b.a.example.org/", True),
        (("*.example.org",), "http://example.org/", False),
        (("*.example.org",), "http://notexample.org/", False),
        (("10.0.0.0/8",), "http://10.1.2.3:8080/x", True),
        (("10.0.0.0/8",), "http://169.254.169.254/latest", False),
        (("10.0.0.0/8",), "http://167772161/", False),
        (("10.0.0.0/8",), "http://[::ffff:10.0.0.1]/", False),
        (("10.0.0.0/8",), "http://localhost/", False),
        (("::1/128",), "http://[::1]:8080/", True),
        (("[::1]:8080",), "http://[::1]:8080/", True),
        ((), "http://127.0.0.1/", False),
    ],
)
def test_only_who_is_listed_is_sent_to(texts: tuple[str, ...], url: str, allowed: bool) -> None:
    """However a URL is written, its host is one that the operator named, or it is refused."""
    assert Destinations(texts).allow(url) is allowed


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "a/b", "http://a", "a b", "u@a", "a:x", "*"])
def test_destination_that_is_none_is_refused(text: str) -> None:
    """What names no host is no destination, and the sentence says what is."""
    with pytest.raises(ConfigError, match=r"--event-destination .*; give a host, HOST:PORT"):
        Destinations((text,))


@pytest.mark.parametrize(
    ("properties", "name"),
    [
        ({"Destination": "https://evil.net/"}, "PropertyValueNotInList"),
        ({"Destination": 5}, "PropertyValueTypeError"),
        ({"Protocol": "SNMPv3"}, "PropertyValueNotInList"),
        ({"EventFormatType": "Nothing"}, "PropertyValueNotInList"),
        ({"DeliveryRetryPolicy": "Never"}, "PropertyValueNotInList"),
        ({"Color": "red"}, "PropertyUnknown"),
        ({"Context": "x" * 2000}, "PropertyValueFormatError"),
        ({"MessageIds": [1]}, "PropertyValueTypeError"),
        ({"MessageIds": ["x"] * 100}, "PropertyValueFormatError"),
        ({"OriginResources": ["x"]}, "PropertyValueTypeError"),
        ({"HttpHeaders": [{"Host": "evil.net"}]}, "PropertyValueFormatError"),
        ({"HttpHeaders": [{"X": "a\r\nHost: evil.net"}]}, "PropertyValueFormatError"),
        ({"HttpHeaders": [{"a b": "c"}]}, "PropertyValueFormatError"),
        ({"HttpHeaders": ["x"]}, "PropertyValueFormatError"),
    ],
)
def test_subscription_that_cannot_be_is_refused(
    rig: BmcRig, properties: dict[str, Any], name: str
) -> None:
    """The answer names the property."""
    message = refused(wanted(rig, **properties), 400, name)
    assert next(iter(properties)) in message["MessageArgs"]
    assert list(rig.core.events.subscribed()) == []


def test_subscription_is_a_resource_until_it_is_deleted(rig: BmcRig) -> None:
    """It is listed, shows what was asked for but its headers, and ends by DELETE."""
    answer = wanted(
        rig,
        Context="mine",
        HttpHeaders=[{"Authorization": "Bearer secret"}],
        DeliveryRetryPolicy="RetryForever",
        RegistryPrefixes=["ResourceEvent"],
    )
    path = answer.headers["Location"]
    shown = orjson.loads(answered(rig.ask(BMC, path)).body)
    assert b"secret" not in orjson.dumps(shown)
    assert (shown["Destination"], shown["Context"], shown["HttpHeaders"]) == (URL, "mine", [])
    assert shown["DeliveryRetryPolicy"] == "RetryForever"
    assert shown["Status"]["State"] == "Enabled"
    listed = rig.get(BMC, "EventService/Subscriptions")
    assert listed["Members"] == [{"@odata.id": path}]
    expanded = rig.get(BMC, "EventService/Subscriptions?$expand=.")
    assert expanded["Members"] == [shown]
    assert rig.get("r0001-n2-bmc", "EventService/Subscriptions")["Members"] == []
    assert answered(rig.ask(BMC, path, "DELETE")).status == 204
    refused(rig.ask(BMC, path), 404, "ResourceMissingAtURI")
    assert list(rig.core.events.subscribed()) == []


def patched(rig: BmcRig, path: str, **properties: Any) -> BmcAnswer:
    """Return the answer to a change of a subscription."""
    return answered(rig.ask(BMC, path, "PATCH", body=orjson.dumps(properties)))


def test_subscription_is_changed_by_patch(rig: BmcRig) -> None:
    """What the DMTF lets a client change is changed, also what is sent next, and the rest stays."""
    own = made(rig, Context="old", HttpHeaders=[{"Authorization": "one"}])
    before = own.shown()
    answer = patched(
        rig,
        own.path,
        Context="new",
        DeliveryRetryPolicy="SuspendRetries",
        VerifyCertificate=True,
        HttpHeaders=[{"Authorization": "two"}],
    )
    changed = {"Context": "new", "DeliveryRetryPolicy": "SuspendRetries", "VerifyCertificate": True}
    assert (answer.status, orjson.loads(answer.body)) == (200, {**before, **changed})
    assert own.wish.headers == (("Authorization", "two"),)
    assert answer.headers["Allow"] == "GET, HEAD, PATCH, DELETE"
    body = b'{"MessageId": "ResourceEvent.1.3.ResourceChanged"}'
    assert answered(rig.ask(BMC, TEST, "POST", body=body)).status == 204
    sent = due(rig, own)
    assert sent is not None
    assert sent["Context"] == "new"


def test_what_patch_cannot_change_is_told(rig: BmcRig) -> None:
    """Beside what is changed it is annotated; by itself, as with a wrong value, it is an error."""
    own = made(rig)
    told = orjson.loads(patched(rig, own.path, Context="x", Destination="https://evil.net").body)
    (message,) = told["@Message.ExtendedInfo"]
    assert message["MessageId"].endswith(".PropertyNotWritable")
    assert (message["MessageArgs"], told["Context"], told["Destination"]) == (
        ["Destination"], "x", URL,
    )  # fmt: skip
    refused(patched(rig, own.path, Protocol="Redfish"), 400, "PropertyNotWritable")
    refused(patched(rig, own.path, Id="7"), 400, "PropertyNotWritable")
    refused(patched(rig, own.path, Contxt="x"), 400, "PropertyUnknown")
    refused(patched(rig, own.path, Context="y", VerifyCertificate=1), 400, "PropertyValueTypeError")
    refused(patched(rig, own.path, DeliveryRetryPolicy="Never"), 400, "PropertyValueNotInList")
    refused(patched(rig, own.path, HttpHeaders=[{"Host": "x"}]), 400, "PropertyValueFormatError")
    refused(patched(rig, own.path, **{"@odata.id": own.path}), 400, "NoOperation")
    assert own.wish.context == "x"
    refused(rig.ask(BMC, own.path, "PUT", body=b"{}"), 405, "OperationNotAllowed")


def test_strangers_subscribe_to_nothing(rig: BmcRig) -> None:
    """Without a login there are neither subscriptions nor test events."""
    for path in (SUBSCRIPTIONS, TEST):
        refused(rig.ask(BMC, path, "POST", authorization=None, body=b"{}"), 401, "NoValidSession")


def test_subscriptions_are_limited(rig: BmcRig) -> None:
    """A BMC has so many at a time, and all of them together so many."""
    for _ in range(MOST_SUBSCRIPTIONS):
        assert wanted(rig).status == 201
    refused(wanted(rig), 503, "EventSubscriptionLimitExceeded")
    assert wanted(rig, "r0001-n2-bmc").status == 201
    assert MOST_IN_ALL < MOST_SUBSCRIPTIONS * 1000


def test_fault_is_sent_with_the_context(rig: BmcRig) -> None:
    """A failed supply is due once, as one object of events with the subscriber's context."""
    own = made(rig, Context="mine")
    assert due(rig, own) is None
    rig.inject("psu-failure", "r0001/n1/psu2")
    rig.run(6)
    sent = due(rig, own)
    assert sent is not None
    assert sent["Context"] == "mine"
    assert {event["MessageSeverity"] for event in sent["Events"]} == {"Critical"}
    assert due(rig, own) is None, "the last one is still under way"
    took(rig, own, rig.now, taken=True)
    assert due(rig, own) is None


def test_reports_can_be_subscribed_to(rig: BmcRig) -> None:
    """A subscription to a report has that one of each frame."""
    name = "HGX_MemoryMetrics_0"
    definition = f"/redfish/v1/TelemetryService/MetricReportDefinitions/{name}"
    own = made(rig, EventFormatType="MetricReport",
               MetricReportDefinitions=[{"@odata.id": definition}])  # fmt: skip
    rig.run()
    sent = due(rig, own)
    assert sent is not None
    assert sent["Id"] == name


def tried(rig: BmcRig, own: Subscription) -> float:
    """Let every attempt fail, and return when the last one did."""
    submit(rig)
    at = float(rig.now)
    for attempt in range(RETRY_ATTEMPTS + 1):
        assert due(rig, own, at) is not None, attempt
        took(rig, own, at, taken=False)
        assert due(rig, own, at + RETRY_SECONDS / 2) is None
        at += RETRY_SECONDS
    return at


def submit(rig: BmcRig, **parameters: Any) -> None:
    """Submit a test event."""
    body = orjson.dumps({"MessageId": "ResourceEvent.1.3.ResourceChanged", **parameters})
    assert answered(rig.ask(BMC, TEST, "POST", body=body)).status == 204


def test_destination_that_is_lost_ends_its_subscription(rig: BmcRig) -> None:
    """As shipped a subscription is terminated after the retries of the event service."""
    own = made(rig)
    tried(rig, own)
    assert list(rig.core.events.subscribed()) == []
    service = rig.get(BMC, "EventService")
    assert service["DeliveryRetryAttempts"] == RETRY_ATTEMPTS
    assert service["DeliveryRetryIntervalSeconds"] == RETRY_SECONDS


def test_suspended_subscription_is_resumed(rig: BmcRig) -> None:
    """It says that it is disabled, sends nothing, and goes on when it is told to."""
    own = made(rig, DeliveryRetryPolicy="SuspendRetries")
    at = tried(rig, own)
    assert own.shown()["Status"] == {"State": "Disabled"}
    submit(rig)
    assert due(rig, own, at) is None
    target = own.shown()["Actions"]["#EventDestination.ResumeSubscription"]["target"]
    assert answered(rig.ask(BMC, target, "POST")).status == 204
    submit(rig)
    assert due(rig, own, at) is not None


def test_retries_go_on_for_ever(rig: BmcRig) -> None:
    """RetryForever keeps its interval, and its backoff doubles up to an hour."""
    for policy, waits in (("RetryForever", [30.0] * 10),
                          ("RetryForeverWithBackoff", [30.0, 60, 120, 240, 480, 960, 1920, 3600,
                                                       3600])):  # fmt: skip
        own = made(rig, DeliveryRetryPolicy=policy)
        submit(rig)
        at = 1000.0
        for wait in waits:
            assert due(rig, own, at) is not None
            took(rig, own, at, taken=False)
            assert due(rig, own, at + wait - 1) is None
            at += wait
        rig.core.events.end(next(bmc for bmc, _ in rig.core.events.subscribed()), own)


def test_lost_destination_holds_no_memory(rig: BmcRig) -> None:
    """Only so much waits for one that takes nothing; the oldest is given up."""
    own = made(rig, DeliveryRetryPolicy="RetryForever")
    for number in range(MOST_WAITING + 10):
        submit(rig, EventId=str(number))
        due(rig, own, 0.0)
    assert own.dropped == 10
    took(rig, own, 1000.0, taken=True)
    sent = due(rig, own, 1000.0)
    assert sent is not None
    assert sent["Events"][0]["EventId"] == "11"


def test_test_events_come_as_they_were_sent(rig: BmcRig) -> None:
    """What the action says is in the event; a filter lets only fitting ones pass."""
    own, other = made(rig), made(rig, RegistryPrefixes=["Environmental"])
    submit(rig, Message="Hello", OriginOfCondition="/redfish/v1/Chassis/DGX", EventId="7")
    sent = due(rig, own)
    assert sent is not None
    (event,) = sent["Events"]
    assert (event["Message"], event["EventId"]) == ("Hello", "7")
    assert event["OriginOfCondition"] == {"@odata.id": "/redfish/v1/Chassis/DGX"}
    assert due(rig, other) is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"{}", "ActionParameterMissing"),
        (b'{"MessageId": 1}', "ActionParameterValueTypeError"),
        (b'{"MessageId": "a", "Colour": "b"}', "ActionParameterUnknown"),
        (b"[", "MalformedJSON"),
    ],
)
def test_test_event_that_is_none_is_refused(rig: BmcRig, body: bytes, name: str) -> None:
    """The answer names the action and its parameter."""
    refused(rig.ask(BMC, TEST, "POST", body=body), 400, name)


def test_silent_bmc_sends_nothing(rig: BmcRig) -> None:
    """A BMC that is dead sends no events, and keeps its subscriptions."""
    own = made(rig)
    submit(rig)
    rig.inject("gateway-silent", "r0001")
    rig.run(8)
    assert due(rig, own) is None
    assert len(list(rig.core.events.subscribed())) == 1
