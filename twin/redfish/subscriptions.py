"""Subscriptions to the events of a BMC, made by POST, and what is to be delivered to whom and when.

Sans-I/O: who delivers asks :meth:`Subscription.due` and says how it went. Properties and retry
policies are those of the DMTF's ``EventDestination``.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import orjson

from twin.redfish.destinations import Destinations
from twin.redfish.events import (
    RETRY_ATTEMPTS,
    RETRY_SECONDS,
    SUBSCRIPTIONS,
    EventFilter,
    EventStream,
)
from twin.redfish.exchange import object_of
from twin.redfish.messages import BaseMessage, RedfishError
from twin.redfish.schemas import Payload, link, resource, status
from twin.redfish.view import BmcView

__all__ = [
    "MOST_SUBSCRIPTIONS",
    "RESUME",
    "RetryPolicy",
    "Subscription",
    "SubscriptionWish",
    "Subscriptions",
]  # fmt: skip

MOST_SUBSCRIPTIONS = 8
"""Subscriptions of a BMC at a time."""
MOST_WAITING = 64
"""Payloads that wait for a destination; the oldest makes room for one more."""
RESUME = "Actions/EventDestination.ResumeSubscription"
_LONGEST_SECONDS = 3600.0
_MOST_HEADERS, _MOST_LETTERS, _MOST_VALUES = 16, 1024, 64
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "expect", "host", "te", "trailer",
     "transfer-encoding", "upgrade"}
)  # fmt: skip


class RetryPolicy(Enum):
    """What becomes of a subscription whose destination does not take what it is sent."""

    TERMINATE = "TerminateAfterRetries"
    SUSPEND = "SuspendRetries"
    FOREVER = "RetryForever"
    BACKOFF = "RetryForeverWithBackoff"


@dataclass(frozen=True, slots=True)
class SubscriptionWish:
    """What a client asks for.

    Attributes:
        destination: URL that is posted to.
        context: comes with everything that is sent.
        headers: of each request.
        policy: where the destination does not take it.
        verify: whether the destination's certificate is checked.
        lists: the properties that choose what is sent, as they are shown.
        formats: ``Event`` or ``MetricReport``.
    """

    destination: str
    context: str
    headers: tuple[tuple[str, str], ...]
    policy: RetryPolicy
    verify: bool
    lists: Mapping[str, list[Any]]
    formats: str

    @classmethod
    def of(cls, body: bytes, allowed: Destinations) -> SubscriptionWish:
        """Return what the body of a request asks for.

        Raises:
            RedfishError: it is not such a request, or events may not be sent there.
        """
        asked = _checked(object_of(body))
        destination = asked["Destination"]
        if not allowed.allow(destination):
            raise RedfishError(BaseMessage.PROPERTY_NOT_LISTED, destination[:80], "Destination")
        return cls(
            destination=destination,
            context=_context(asked.get("Context", "")),
            headers=tuple(_headers(asked.get("HttpHeaders", []))),
            policy=RetryPolicy(asked.get("DeliveryRetryPolicy", RetryPolicy.TERMINATE.value)),
            verify=asked.get("VerifyCertificate", False),
            lists={name: _list(asked, name) for name in _LISTS},
            formats=asked.get("EventFormatType", "Event"),
        )

    def changed(self, body: bytes) -> tuple[SubscriptionWish, list[RedfishError]]:
        """Return it as a request changes it, and what of the request cannot be changed.

        Raises:
            RedfishError: it is not such a request, or none of it can be changed.
        """
        asked = object_of(body)
        asked = {name: value for name, value in asked.items() if not name.startswith("@odata.")}
        if not asked:
            raise RedfishError(BaseMessage.NOTHING_TO_DO)
        refused = [
            RedfishError(
                BaseMessage.PROPERTY_READ_ONLY
                if name in _PROPERTIES or name in _SHOWN
                else BaseMessage.PROPERTY_UNKNOWN,
                name[:80],
            )
            for name in asked
            if name not in _CHANGEABLE
        ]
        wanted = {name: value for name, value in asked.items() if name in _CHANGEABLE}
        if not wanted:
            raise refused[0]
        _check_types(wanted)
        policy = wanted.get("DeliveryRetryPolicy", self.policy.value)
        return replace(
            self,
            context=_context(wanted.get("Context", self.context)),
            headers=tuple(_headers(wanted["HttpHeaders"]))
            if "HttpHeaders" in wanted
            else self.headers,
            policy=RetryPolicy(policy),
            verify=wanted.get("VerifyCertificate", self.verify),
        ), refused

    @property
    def chosen(self) -> EventFilter:
        """What of the events it wants."""
        wanted = {"EventFormatType": frozenset({self.formats})}
        for name, own in _LISTS.items():
            values = [v["@odata.id"] if isinstance(v, dict) else v for v in self.lists[name]]
            if values:
                wanted[own] = frozenset(values)
        return EventFilter(wanted)


_PROPERTIES: Mapping[str, type] = {
    "Destination": str, "Protocol": str, "Context": str, "SubscriptionType": str,
    "EventFormatType": str, "DeliveryRetryPolicy": str, "VerifyCertificate": bool,
    "HttpHeaders": list, "EventTypes": list, "RegistryPrefixes": list, "MessageIds": list,
    "OriginResources": list, "MetricReportDefinitions": list,
}  # fmt: skip
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "Protocol": ("Redfish",),
    "SubscriptionType": ("RedfishEvent",),
    "EventFormatType": ("Event", "MetricReport"),
    "DeliveryRetryPolicy": tuple(own.value for own in RetryPolicy),
}
_LISTS: Mapping[str, str] = {
    "RegistryPrefixes": "RegistryPrefix",
    "MessageIds": "MessageId",
    "OriginResources": "OriginResource",
    "MetricReportDefinitions": "MetricReportDefinition",
}
"""Properties that choose what is sent to those of a stream's filter."""
_LINKED = frozenset({"OriginResources", "MetricReportDefinitions"})
_CHANGEABLE = frozenset({"Context", "HttpHeaders", "DeliveryRetryPolicy", "VerifyCertificate"})
"""Properties of a subscription that are not read-only in the DMTF's ``EventDestination``."""
_SHOWN = frozenset({"Id", "Name", "Description", "Status", "Actions"})
"""Properties that a subscription has by itself."""


def _checked(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request that has what it needs, of the right types, and nothing else."""
    for name in asked:
        if name not in _PROPERTIES:
            raise RedfishError(BaseMessage.PROPERTY_UNKNOWN, name[:80])
    for name in ("Destination", "Protocol"):
        if name not in asked:
            raise RedfishError(BaseMessage.PROPERTY_MISSING, name)
    _check_types(asked)
    return asked


def _check_types(asked: Mapping[str, Any]) -> None:
    for name, value in asked.items():
        if not isinstance(value, _PROPERTIES[name]):
            raise RedfishError(BaseMessage.PROPERTY_TYPE, _said(value), name)
        if name in _CHOICES and value not in _CHOICES[name]:
            raise RedfishError(BaseMessage.PROPERTY_NOT_LISTED, str(value)[:80], name)


def _context(text: str) -> str:
    if len(text) > _MOST_LETTERS:
        raise RedfishError(BaseMessage.PROPERTY_FORMAT, f"{text[:80]}…", "Context")
    return text


def _said(value: object) -> str:
    return orjson.dumps(value).decode()[:80]


def _list(asked: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of texts, or of links."""
    found: list[Any] = asked.get(name, [])
    linked = name in _LINKED
    for value in found:
        text = value.get("@odata.id") if linked and isinstance(value, dict) else value
        if not isinstance(text, str) or isinstance(value, str) is linked:
            raise RedfishError(BaseMessage.PROPERTY_TYPE, _said(value), name)
        if len(text) > _MOST_LETTERS:
            raise RedfishError(BaseMessage.PROPERTY_FORMAT, f"{text[:80]}…", name)
    if len(found) > _MOST_VALUES:
        raise RedfishError(BaseMessage.PROPERTY_FORMAT, f"{len(found)} values", name)
    return [link(value["@odata.id"]) for value in found] if linked else found


def _headers(asked: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers of a request, none of which may change where it goes or how it ends."""
    pairs = [pair for own in asked if isinstance(own, dict) for pair in own.items()]
    if any(not isinstance(own, dict) for own in asked) or len(pairs) > _MOST_HEADERS:
        raise RedfishError(BaseMessage.PROPERTY_FORMAT, _said(asked), "HttpHeaders")
    for name, value in pairs:
        plain = isinstance(value, str) and value.isascii() and value.isprintable()
        short = plain and len(value) + len(name) <= _MOST_LETTERS
        if not short or not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise RedfishError(BaseMessage.PROPERTY_FORMAT, name[:80], "HttpHeaders")
        yield name, value


class Subscription:
    """One subscription.

    Args:
        identifier: of it.
        wish: what it is for.
        stream: of its events.

    Attributes:
        id: of it.
        wish: what it is for.
        suspended: whether nothing is sent until it is resumed.
        dropped: payloads that were given up.
    """

    def __init__(self, identifier: str, wish: SubscriptionWish, stream: EventStream) -> None:
        self.id = identifier
        self.wish = wish
        self.stream = stream
        self.suspended = False
        self.dropped = 0
        self._waiting: deque[Payload] = deque()
        self._sending = False
        self._failures = 0
        self._next = 0.0

    def due(self, view: BmcView, at: float) -> bytes | None:
        """Return what is to be sent now, None for nothing; say then how it went.

        Args:
            view: of its BMC.
            at: elapsed seconds of a clock that never runs backwards.
        """
        for _, payload in self.stream.look(view):
            if self.suspended or len(self._waiting) >= MOST_WAITING:
                self.dropped += 1
            if self.suspended:
                continue
            if len(self._waiting) >= MOST_WAITING:
                del self._waiting[1 if self._sending else 0]
            self._waiting.append({**payload, "Context": self.wish.context})
        if self._sending or self.suspended or not self._waiting or at < self._next:
            return None
        self._sending = True
        return orjson.dumps(self._waiting[0])

    def sent(self, at: float, *, taken: bool) -> bool:
        """Take note of how it went, and return whether the subscription lives on."""
        self._sending = False
        if taken:
            self._failures, self._next = 0, 0.0
            if self._waiting:
                self._waiting.popleft()
            return True
        self._failures += 1
        policy = self.wish.policy
        wait = float(RETRY_SECONDS)
        if policy is RetryPolicy.BACKOFF:
            wait = min(wait * 2.0 ** min(self._failures - 1, 16), _LONGEST_SECONDS)
        self._next = at + wait
        if self._failures <= RETRY_ATTEMPTS:
            return True
        if policy is RetryPolicy.SUSPEND:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self.suspended = True
        return policy is not RetryPolicy.TERMINATE

    def resume(self) -> None:
        """Send again."""
        self.suspended, self._failures, self._next = False, 0, 0.0

    @property
    def path(self) -> str:
        """Path of its resource."""
        return f"{SUBSCRIPTIONS}/{self.id}"

    def shown(self) -> Payload:
        """Return its resource, without the headers, which may be secret."""
        wish = self.wish
        return resource(
            self.path,
            "EventDestination",
            "event subscription",
            Destination=wish.destination,
            Protocol="Redfish",
            Context=wish.context,
            SubscriptionType="RedfishEvent",
            EventFormatType=wish.formats,
            DeliveryRetryPolicy=wish.policy.value,
            VerifyCertificate=wish.verify,
            HttpHeaders=[],
            **wish.lists,
            Status={"State": "Disabled"} if self.suspended else status(),
            Actions={"#EventDestination.ResumeSubscription": {"target": f"{self.path}/{RESUME}"}},
        )


class Subscriptions:
    """The subscriptions of one BMC."""

    def __init__(self) -> None:
        self._subscriptions: dict[str, Subscription] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._subscriptions.values()))

    def __len__(self) -> int:
        return len(self._subscriptions)

    def add(self, wish: SubscriptionWish, stream: EventStream) -> Subscription:
        """Return a new subscription."""
        self._last += 1
        own = Subscription(str(self._last), wish, stream)
        self._subscriptions[own.id] = own
        return own

    def get(self, identifier: str) -> Subscription | None:
        """Return a subscription."""
        return self._subscriptions.get(identifier)

    def end(self, identifier: str) -> None:
        """End a subscription."""
        self._subscriptions.pop(identifier, None)

    @property
    def paths(self) -> Iterable[str]:
        """Paths of their resources."""
        return [own.path for own in self]
