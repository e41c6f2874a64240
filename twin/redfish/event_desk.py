"""Requests about a BMC's events: streams of them, subscriptions, and events that only test."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from weakref import WeakSet

from twin.redfish.destinations import Destinations
from twin.redfish.directory import Bmc
from twin.redfish.events import (
    STREAM,
    SUBSCRIPTIONS,
    TEST_ACTION,
    EventFilter,
    EventStream,
    tested,
)
from twin.redfish.exchange import READ, BmcAnswer, BmcRequest, object_of
from twin.redfish.messages import BaseMessage, RedfishError
from twin.redfish.query import ResourceQuery
from twin.redfish.schemas import Payload, collection
from twin.redfish.subscriptions import (
    MOST_SUBSCRIPTIONS,
    RESUME,
    Subscription,
    Subscriptions,
    SubscriptionWish,
)
from twin.redfish.tree import BmcTree
from twin.redfish.view import BmcView

__all__ = ["MOST_IN_ALL", "EventDesk"]

MOST_IN_ALL = 64
"""Subscriptions of all BMCs together: to look at one takes some 10 ms with every frame."""


class EventDesk:
    """The events of all BMCs.

    Args:
        destinations: where events may be sent; none for no subscriptions.
    """

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._subscriptions: defaultdict[Bmc, Subscriptions] = defaultdict(Subscriptions)
        self._streams: defaultdict[Bmc, WeakSet[EventStream]] = defaultdict(WeakSet)

    @staticmethod
    def takes(path: str) -> bool:
        """Whether requests to a path are for it."""
        return path in {STREAM, SUBSCRIPTIONS, TEST_ACTION} or path.startswith(f"{SUBSCRIPTIONS}/")

    def answer(
        self, bmc: Bmc, view: BmcView, tree: BmcTree, request: BmcRequest, path: str
    ) -> BmcAnswer:
        """Return what a BMC answers.

        Raises:
            RedfishError: it is no such request.
        """
        if path == STREAM:
            return self._streamed(bmc, view, tree, request)
        if path == TEST_ACTION:
            return self._test(bmc, request)
        identifier, _, action = path.removeprefix(SUBSCRIPTIONS).strip("/").partition("/")
        if identifier in {"", "Members"} and not action:
            if request.method == "POST" and self._destinations:
                return self._begin(bmc, view, tree, request)
            return self._listed(bmc, request)
        own = self._subscriptions[bmc].get(identifier)
        if own is None or action not in {"", RESUME}:
            raise RedfishError(BaseMessage.MISSING, request.path)
        return self._resume(own, request) if action else self._of_one(bmc, own, request)

    def resource(self, bmc: Bmc, path: str) -> Payload | None:
        """Return the collection of subscriptions, or one of them."""
        if path == SUBSCRIPTIONS:
            return self._collection(bmc)
        own = self._subscriptions[bmc].get(path.rsplit("/", 1)[-1])
        return None if own is None else own.shown()

    def _collection(self, bmc: Bmc) -> Payload:
        paths = self._subscriptions[bmc].paths
        return collection(SUBSCRIPTIONS, "EventDestination", "Event Subscriptions", paths)

    def subscribed(self) -> Iterator[tuple[Bmc, Subscription]]:
        """Yield every subscription."""
        for bmc, subscriptions in list(self._subscriptions.items()):
            for own in subscriptions:
                yield bmc, own

    def end(self, bmc: Bmc, subscription: Subscription) -> None:
        """End a subscription."""
        self._subscriptions[bmc].end(subscription.id)

    def count(self) -> Counter[str]:
        """Return how many subscriptions there are, by kind of BMC."""
        return Counter(bmc.kind.key for bmc, _ in self.subscribed())

    def _listed(self, bmc: Bmc, request: BmcRequest) -> BmcAnswer:
        allow = (*READ, "POST") if self._destinations else READ
        if request.method not in READ:
            raise RedfishError(BaseMessage.NOT_ALLOWED, allow=allow)
        found = self._collection(bmc)
        shown = ResourceQuery.of(request.query).apply(found, partial(self.resource, bmc))
        return BmcAnswer(200, shown, {"Allow": ", ".join(allow)})

    def _of_one(self, bmc: Bmc, own: Subscription, request: BmcRequest) -> BmcAnswer:
        if request.method == "DELETE":
            self.end(bmc, own)
            return BmcAnswer(204)
        allow = (*READ, "PATCH", "DELETE")
        shown: Payload = {}
        if request.method == "PATCH":
            own.wish, refused = own.wish.changed(request.body)
            if refused:
                shown = {"@Message.ExtendedInfo": [error.told for error in refused]}
        elif request.method not in READ:
            raise RedfishError(BaseMessage.NOT_ALLOWED, allow=allow)
        return BmcAnswer(200, {**own.shown(), **shown}, {"Allow": ", ".join(allow)})

    @staticmethod
    def _resume(own: Subscription, request: BmcRequest) -> BmcAnswer:
        _only_post(request)
        own.resume()
        return BmcAnswer(204)

    def _begin(self, bmc: Bmc, view: BmcView, tree: BmcTree, request: BmcRequest) -> BmcAnswer:
        wish = SubscriptionWish.of(request.body, self._destinations)
        own = self._subscriptions[bmc]
        if len(own) >= MOST_SUBSCRIPTIONS or sum(1 for _ in self.subscribed()) >= MOST_IN_ALL:
            raise RedfishError(BaseMessage.STREAMS_FULL)
        made = own.add(wish, self._stream(bmc, view, tree, wish.chosen))
        return BmcAnswer(201, made.shown(), {"Location": made.path})

    def _streamed(self, bmc: Bmc, view: BmcView, tree: BmcTree, request: BmcRequest) -> BmcAnswer:
        if request.method != "GET":
            raise RedfishError(BaseMessage.NOT_ALLOWED, allow=("GET",))
        chosen = EventFilter.of(request.query)
        return BmcAnswer(200, stream=self._stream(bmc, view, tree, chosen))

    def _stream(self, bmc: Bmc, view: BmcView, tree: BmcTree, chosen: EventFilter) -> EventStream:
        stream = EventStream(tree.watched(view), tree.reports, chosen, view)
        self._streams[bmc].add(stream)
        return stream

    def _test(self, bmc: Bmc, request: BmcRequest) -> BmcAnswer:
        _only_post(request)
        event = tested(object_of(request.body))
        for stream in list(self._streams[bmc]):
            stream.tell(event)
        return BmcAnswer(204)


def _only_post(request: BmcRequest) -> None:
    if request.method != "POST":
        raise RedfishError(BaseMessage.NOT_ALLOWED, allow=("POST",))
