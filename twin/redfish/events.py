"""Events: what changes in the health and the power of a BMC's resources, and streams of it.

Sans-I/O: a stream looks at its BMC when it is told to. Nothing is watched without a stream.
Messages are those of the DMTF's registries ``ResourceEvent`` and ``Environmental``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from twin.redfish.messages import BaseMessage, RedfishError
from twin.redfish.node import Node
from twin.redfish.schemas import ROOT, SCHEMAS, Payload, link, moment, resource, status
from twin.redfish.view import BmcView

__all__ = ["RETRY_ATTEMPTS", "RETRY_SECONDS", "STREAM", "SUBSCRIPTIONS", "TEST_ACTION",
           "EventFilter", "EventStream", "event_nodes", "tested", "watched"]  # fmt: skip

_EVENTS = f"{ROOT}/EventService"
STREAM = f"{_EVENTS}/SSE"
"""Where events are streamed; it is no resource."""
SUBSCRIPTIONS = f"{_EVENTS}/Subscriptions"
TEST_ACTION = f"{_EVENTS}/Actions/EventService.SubmitTestEvent"
RETRY_ATTEMPTS, RETRY_SECONDS = 3, 30
"""How often, and after how long, what was not taken is sent again; as OpenBMC has it."""
_MOST_TOLD = 16
"""Test events that wait for a stream's next look."""
_RESOURCE, _ENVIRONMENT = "ResourceEvent.1.3", "Environmental.1.1"
_EVENT, _REPORT = "Event", "MetricReport"
_CLAUSE = re.compile(r"\(?\s*(\w+)\s+eq\s+'?([^'()\s]+)'?\s*\)?")
_JOIN = re.compile(r"\s+(?:or|and)\s+")
_FILTERED = ("EventFormatType", "MessageId", "MetricReportDefinition", "OriginResource",
             "RegistryPrefix")  # fmt: skip
_UNWATCHED = frozenset(
    {"EnvironmentMetrics", "EventService", "Manager", "MetricReport", "MetricReportDefinition",
     "PowerSupplyMetrics", "Sensor", "ServiceRoot", "SessionService", "TelemetryService",
     "ThermalMetrics"}
)  # fmt: skip
"""Schemas whose resources have no health of their own: a sensor's is that of what it is in."""


def event_nodes() -> Iterator[Node]:
    """Yield the event service; streams are no resources, and subscriptions are not always there."""
    yield Node(_EVENTS, lambda _: _service())
    yield Node.collection(SUBSCRIPTIONS, "EventDestination", "Event Subscriptions", [])


def _service() -> Payload:
    return resource(
        _EVENTS,
        "EventService",
        "event service",
        ServiceEnabled=True,
        ServerSentEventUri=STREAM,
        EventFormatTypes=[_EVENT, _REPORT],
        RegistryPrefixes=[own.partition(".")[0] for own in (_RESOURCE, _ENVIRONMENT)],
        SSEFilterPropertiesSupported={
            name: name in _FILTERED for name in (*_FILTERED, "ResourceType", "SubordinateResources")
        },
        DeliveryRetryAttempts=RETRY_ATTEMPTS,
        DeliveryRetryIntervalSeconds=RETRY_SECONDS,
        Subscriptions=link(SUBSCRIPTIONS),
        Actions={"#EventService.SubmitTestEvent": {"target": TEST_ACTION}},
        Status=status(),
    )


def watched(nodes: Iterable[Node], view: BmcView) -> list[Node]:
    """Return the nodes whose state and health a stream watches."""
    found = []
    for node in nodes:
        if node.members is None and "/Sensors/" not in node.path:
            payload = node.make(view)
            schema = payload["@odata.type"].rsplit(".", 1)[-1]
            if "Status" in payload and schema not in _UNWATCHED:
                found.append(node)
    return found


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What of the events a stream has; a property that is not there lets everything pass.

    Attributes:
        wanted: values by property, of which one must fit.
    """

    wanted: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> EventFilter:
        """Return what ``$filter`` in a query asks.

        Raises:
            RedfishError: it is not such a filter.
        """
        wanted: dict[str, set[str]] = {}
        for name, text in pairs:
            if name != "$filter":
                if name.startswith("$"):
                    raise RedfishError(BaseMessage.QUERY_UNSUPPORTED, name)
                continue
            for clause in _JOIN.split(text.strip()):
                match = _CLAUSE.fullmatch(clause)
                if match is None or match[1] not in _FILTERED:
                    raise RedfishError(BaseMessage.QUERY_VALUE, text, name)
                wanted.setdefault(match[1], set()).add(match[2])
        return cls({name: frozenset(values) for name, values in wanted.items()})

    def takes(self, kind: str) -> bool:
        """Whether it wants events, or reports; without a word it wants events alone."""
        formats = self.wanted.get("EventFormatType")
        if formats is not None:
            return kind in formats
        asked = _REPORT if "MetricReportDefinition" in self.wanted else _EVENT
        return kind == asked

    def passes(self, event: Mapping[str, Any]) -> bool:
        """Whether it lets an event pass."""
        identifier = event["MessageId"]
        return (
            self._fits("MessageId", identifier, identifier.split(".", 3)[-1])
            and self._fits("RegistryPrefix", identifier.partition(".")[0])
            and self._fits("OriginResource", event.get("OriginOfCondition", _NOWHERE)["@odata.id"])
        )

    def passes_report(self, path: str) -> bool:
        """Whether it lets a report pass."""
        name = path.rsplit("/", 1)[-1]
        definition = f"{ROOT}/TelemetryService/MetricReportDefinitions/{name}"
        return self._fits("MetricReportDefinition", name, definition)

    def _fits(self, name: str, *values: str) -> bool:
        wanted = self.wanted.get(name)
        return wanted is None or not wanted.isdisjoint(values)


@dataclass(frozen=True, slots=True)
class _Standing:
    """State, health, power and detector of a resource at one moment."""

    state: str | None
    health: str | None
    power: str | None
    detector: str | None

    @classmethod
    def of(cls, payload: Payload) -> _Standing:
        own = payload["Status"]
        return cls(own.get("State"), own.get("Health"), payload.get("PowerState"),
                   payload.get("DetectorState"))  # fmt: skip


class EventStream:
    """One stream of events of a BMC.

    Args:
        nodes: whose changes it tells.
        reports: nodes of the reports that it may send.
        chosen: what of it is wanted.
        view: of the BMC now; what is so already is no event.
    """

    def __init__(
        self, nodes: list[Node], reports: list[Node], chosen: EventFilter, view: BmcView
    ) -> None:
        self._nodes = nodes if chosen.takes(_EVENT) else []
        wanted = chosen.takes(_REPORT)
        self._reports = [own for own in reports if wanted and chosen.passes_report(own.path)]
        self._chosen = chosen
        self._last = self._standings(view)
        self._ts = view.ts
        self._number = 0
        self._told: list[Payload] = []

    def tell(self, event: Payload) -> None:
        """Take an event that only tests; what comes in a flood is left out."""
        wanted = self._chosen.takes(_EVENT) and self._chosen.passes(event)
        if wanted and len(self._told) < _MOST_TOLD:
            self._told.append(event)

    def look(self, view: BmcView) -> list[tuple[int, Payload]]:
        """Return what has come since the last look, each with its number."""
        told, self._told = self._told, []
        if view.ts == self._ts:
            return [self._numbered(self._event(told, view.ts))] if told else []
        self._ts = view.ts
        now = self._standings(view)
        events = [
            event
            for path, standing in now.items()
            for event in _changes(path, self._last[path], standing)
            if self._chosen.passes(event)
        ]
        self._last = now
        events += told
        found = [self._numbered(self._event(events, view.ts))] if events else []
        return found + [self._numbered(own.make(view)) for own in self._reports]

    def _standings(self, view: BmcView) -> dict[str, _Standing]:
        return {own.path: _Standing.of(own.make(view)) for own in self._nodes}

    def _numbered(self, payload: Payload) -> tuple[int, Payload]:
        self._number += 1
        return self._number, payload

    def _event(self, events: list[Payload], ts: float) -> Payload:
        at = moment(ts)
        first = self._number + 1
        return {
            "@odata.type": f"#Event.{SCHEMAS['Event']}.Event",
            "Id": str(first),
            "Name": "Event",
            "Events": [
                {
                    "MemberId": str(member),
                    "EventId": f"{first}.{member}",
                    "EventTimestamp": at,
                    "EventType": "Alert",
                    **event,
                }
                for member, event in enumerate(events)
            ],
        }


def _changes(path: str, before: _Standing, now: _Standing) -> Iterator[Payload]:
    """Yield the events that lead from one standing to the next."""
    said = partial(_said, path)
    if now.power != before.power and now.power is not None:
        word = f"ResourcePowered{now.power}"
        yield said(_RESOURCE, word, "OK", f"The resource `{path}` has powered {now.power.lower()}.")
    if now.detector != before.detector and now.detector in _LEAKS:
        word, severity, text = _LEAKS[now.detector]
        yield said(_ENVIRONMENT, word, severity, text.format(path))
    elif now.health != before.health and now.health is not None:
        yield said(_RESOURCE, f"ResourceStatusChanged{now.health}", now.health,
                   f"The health of resource `{path}` has changed to {now.health}.",
                   now.health)  # fmt: skip
    if now.state != before.state and now.state is not None:
        yield said(_RESOURCE, "ResourceStateChanged", now.health or "OK",
                   f"The state of resource `{path}` has changed to {now.state}.",
                   now.state)  # fmt: skip


_NOWHERE = {"@odata.id": ""}
_TESTED: Mapping[str, type] = {
    "MessageId": str, "Message": str, "MessageArgs": list, "MessageSeverity": str, "Severity": str,
    "OriginOfCondition": str, "EventId": str, "EventTimestamp": str, "EventType": str,
    "EventGroupId": int,
}  # fmt: skip
"""Parameters of the action, of which the first is needed."""
_ACTION = "EventService.SubmitTestEvent"


def tested(asked: Mapping[str, Any]) -> Payload:
    """Return the event that the action ``SubmitTestEvent`` asks for.

    Raises:
        RedfishError: a parameter is missing, unknown or of another type.
    """
    for name, value in asked.items():
        if name not in _TESTED:
            raise RedfishError(BaseMessage.PARAMETER_UNKNOWN, _ACTION, name[:80])
        if not isinstance(value, _TESTED[name]) or isinstance(value, bool):
            raise RedfishError(BaseMessage.PARAMETER_TYPE, str(value)[:80], name, _ACTION)
    if "MessageId" not in asked:
        raise RedfishError(BaseMessage.PARAMETER_MISSING, _ACTION, "MessageId")
    event = dict(asked)
    if "OriginOfCondition" in event:
        event["OriginOfCondition"] = link(event["OriginOfCondition"])
    return event


_LEAKS = {
    "OK": ("LeakDetectedNormal", "OK", "Leak detector '{}' has returned to normal."),
    "Warning": (
        "LeakDetectedWarning",
        "Warning",
        "Leak detector '{}' reports a warning level leak.",
    ),
    "Critical": (
        "LeakDetectedCritical",
        "Critical",
        "Leak detector '{}' reports a critical level leak.",
    ),
}


def _said(
    path: str, registry: str, word: str, severity: str, text: str, *arguments: str
) -> Payload:
    return {
        "MessageId": f"{registry}.{word}",
        "Message": text,
        "MessageArgs": [path, *arguments],
        "MessageSeverity": severity,
        "Severity": severity,
        "OriginOfCondition": link(path),
    }
