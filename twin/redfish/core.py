"""Core of the Redfish service, sans-I/O: messages of the bus and requests in, answers out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import orjson

from twin.aggregator import Store
from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.ingest import Ingest
from twin.aggregator.state import simulation_time
from twin.aggregator.telemetry import OwnTelemetry
from twin.catalog import UnitKind
from twin.redfish.destinations import Destinations
from twin.redfish.directory import Bmc, Directory
from twin.redfish.event_desk import EventDesk
from twin.redfish.events import EventStream
from twin.redfish.exchange import READ, BmcAnswer, BmcRequest, object_of, refusal
from twin.redfish.messages import BaseMessage, RedfishError
from twin.redfish.query import ResourceQuery
from twin.redfish.schemas import ROOT, Payload, collection, moment, resource
from twin.redfish.services import SESSIONS
from twin.redfish.sessions import Login, Session, Sessions
from twin.redfish.subscriptions import Subscription
from twin.redfish.table import BmcKind
from twin.redfish.telemetry import RedfishTelemetry
from twin.redfish.tree import BmcTree
from twin.redfish.view import BmcView
from twin.site import Layout
from twin.wire import Topics

__all__ = ["RedfishCore"]

_OPEN = frozenset({"/redfish", ROOT, f"{ROOT}/odata", f"{ROOT}/$metadata"})
"""What is read without a login, as the protocol asks for."""
_VERSION = "4.0"
_EXPIRY_SECONDS = 30.0
"""Between two searches for sessions that nobody uses, at BMCs that nobody asks."""


class RedfishCore:
    """The BMCs of a site.

    Args:
        layout: the site.
        login: opens every BMC.
        racks: names of the racks whose BMCs are served; none for all.
        destinations: where events may be sent; None for nowhere.

    Attributes:
        store: the last values.
        telemetry: what ingest and server count.
        own: what is counted of requests, and exposed.
        directory: of the BMCs.
        events: streams and subscriptions.

    Raises:
        ConfigError: there is no such rack.
    """

    def __init__(
        self,
        layout: Layout,
        login: Login,
        racks: Iterable[str] = (),
        destinations: Destinations | None = None,
    ) -> None:
        self.store = Store(layout)
        self.telemetry = OwnTelemetry(kind.value for kind in UnitKind)
        registry = EmulatorRegistry(layout.site.telemetry.interval_seconds)
        self._ingest = Ingest(layout, self.store, registry, self.telemetry)
        self.directory = Directory(self.store, racks)
        self._layout = layout
        self._login = login
        self._next_expiry = 0.0
        self._trees: dict[str, BmcTree] = {}
        self._sessions: defaultdict[Bmc, Sessions] = defaultdict(Sessions)
        self.events = EventDesk(destinations or Destinations())
        self.own = RedfishTelemetry(
            (bmc.kind.key for bmc in self.directory),
            self.telemetry,
            partial(simulation_time, self.store),
            self._open_sessions,
            self.events.count,
        )

    # -- the bus ---------------------------------------------------------------

    def subscriptions(self, topics: Topics) -> list[str]:
        """Return what the bus is asked for: racks, who they are, and who publishes them."""
        racks = self.directory.chosen or ["+"]
        frames = [topics.frame(UnitKind.RACK, rack) for rack in racks]
        arrays = {self._array(rack): None for rack in self.directory.chosen} or ["+"]
        blocks = map(topics.blocks, arrays if self._layout.site.telemetry.has_blocks else ())
        return [*frames, *blocks, *map(topics.meta, racks), topics.status("+")]

    def _array(self, rack: str) -> str:
        """Return the name of the array of a rack that there is."""
        layout = self._layout
        index = layout.unit_index(UnitKind.RACK, rack)
        return layout.unit_name(UnitKind.ARRAY, layout.array_of(index or 0))

    def handle(self, topic: str, payload: bytes, retain: bool, now: float, at: float) -> None:
        """Take over one message of the bus, as :meth:`twin.aggregator.ingest.Ingest.handle`."""
        self._ingest.handle(topic, payload, retain, now, at)
        self._rename()

    def tick(self, now: float, at: float) -> None:
        """Give up the racks that have been silent for too long; call it about once a second."""
        self._ingest.tick(now, at)
        self._rename()
        if at >= self._next_expiry:
            self._next_expiry = at + _EXPIRY_SECONDS
            for sessions in self._sessions.values():
                sessions.expire(at)

    def disconnected(self) -> None:
        """Take note that the broker is away."""
        self._ingest.disconnected()

    def _rename(self) -> None:
        if self._ingest.renamed:
            self.directory.refresh(self._ingest.renamed)
            self._ingest.renamed.clear()
        self._ingest.granted.clear()

    # -- requests --------------------------------------------------------------

    def tree(self, kind: BmcKind) -> BmcTree:
        """Return the resources of a kind of BMC."""
        if kind.key not in self._trees:
            self._trees[kind.key] = BmcTree(kind, self._layout)
        return self._trees[kind.key]

    def ask(self, bmc: Bmc, request: BmcRequest) -> BmcAnswer | None:
        """Return what a BMC answers, None where it does not answer at all."""
        view = self.directory.view(bmc)
        if not view.answers:
            return None
        try:
            return self._answer(bmc, view, request)
        except RedfishError as error:
            return refusal(error, secure=request.secure)

    def _answer(self, bmc: Bmc, view: BmcView, request: BmcRequest) -> BmcAnswer:
        if request.version not in {None, _VERSION}:
            raise RedfishError(BaseMessage.HEADER_INVALID, "OData-Version")
        path = request.path.rstrip("/")
        login = path in {SESSIONS, f"{SESSIONS}/Members"} and request.method == "POST"
        if path not in _OPEN and not login and not self._may(bmc, request):
            raise RedfishError(BaseMessage.NO_SESSION)
        if path == SESSIONS or path.startswith(f"{SESSIONS}/"):
            return self._session_answer(bmc, request, path)
        if self.events.takes(path):
            return self.events.answer(bmc, view, self.tree(bmc.kind), request, path)
        return self._resource_answer(bmc, view, request, path)

    def news(self, bmc: Bmc, stream: EventStream) -> bytes | None:
        """Return what a stream of a BMC has to send now, None where the BMC is dead."""
        view = self.directory.view(bmc)
        if not view.answers:
            return None
        return b"".join(
            b"id: %d\ndata: %b\n\n" % (number, orjson.dumps(payload))
            for number, payload in stream.look(view)
        )

    def due(self, bmc: Bmc, subscription: Subscription, at: float) -> bytes | None:
        """Return what is to be sent to a subscription's destination now, None for nothing."""
        view = self.directory.view(bmc)
        return subscription.due(view, at) if view.answers else None

    def sent(self, bmc: Bmc, subscription: Subscription, at: float, *, taken: bool) -> None:
        """Take note of whether a destination took what it was sent."""
        self.own.sent(taken=taken)
        if not subscription.sent(at, taken=taken):
            self.events.end(bmc, subscription)

    def _may(self, bmc: Bmc, request: BmcRequest) -> bool:
        if self._sessions[bmc].opened_by(request.token, request.at):
            return True
        return request.secure and self._login.basic(request.authorization)

    def _resource_answer(
        self, bmc: Bmc, view: BmcView, request: BmcRequest, path: str
    ) -> BmcAnswer:
        tree = self.tree(bmc.kind)
        documents: dict[str, Mapping[str, Any] | str] = {
            "/redfish": {"v1": f"{ROOT}/"},
            f"{ROOT}/odata": tree.services,
            f"{ROOT}/$metadata": tree.metadata,
        }
        node = tree.find(path)
        if path not in documents and node is None:
            raise RedfishError(BaseMessage.MISSING, request.path)
        if request.method not in READ:
            raise RedfishError(BaseMessage.NOT_ALLOWED, allow=READ)
        headers = {"Allow": ", ".join(READ), "Cache-Control": "no-cache"}
        if node is None:
            return BmcAnswer(200, documents[path], headers)
        find = partial(self._found, bmc, view)
        return BmcAnswer(200, ResourceQuery.of(request.query).apply(node.make(view), find), headers)

    def _found(self, bmc: Bmc, view: BmcView, path: str) -> Payload | None:
        """Return the resource at a path, for those that expand a link to it."""
        if path == SESSIONS:
            return self._session_list(bmc)
        if self.events.takes(path):
            return self.events.resource(bmc, path)
        node = self.tree(bmc.kind).find(path)
        return None if node is None else node.make(view)

    # -- sessions --------------------------------------------------------------

    def _session_answer(self, bmc: Bmc, request: BmcRequest, path: str) -> BmcAnswer:
        sessions = self._sessions[bmc]
        identifier = path.removeprefix(SESSIONS).strip("/")
        if identifier in {"", "Members"}:
            if request.method == "POST":
                return self._begin(sessions, request)
            if request.method not in READ:
                raise RedfishError(BaseMessage.NOT_ALLOWED, allow=(*READ, "POST"))
            found = ResourceQuery.of(request.query).apply(
                self._session_list(bmc), partial(self._session_at, bmc)
            )
            return BmcAnswer(200, found, {"Allow": "GET, HEAD, POST"})
        session = sessions.get(identifier)
        if session is None:
            raise RedfishError(BaseMessage.MISSING, request.path)
        if request.method == "DELETE":
            sessions.end(identifier)
            return BmcAnswer(204)
        if request.method not in READ:
            raise RedfishError(BaseMessage.NOT_ALLOWED, allow=(*READ, "DELETE"))
        return BmcAnswer(200, _shown(session), {"Allow": "GET, HEAD, DELETE"})

    def _open_sessions(self) -> Counter[str]:
        """Return how many there are, by kind of BMC."""
        found: Counter[str] = Counter()
        for bmc, sessions in self._sessions.items():
            found[bmc.kind.key] += len(sessions)
        return found

    def _session_list(self, bmc: Bmc) -> Payload:
        paths = [f"{SESSIONS}/{own.id}" for own in self._sessions[bmc]]
        return collection(SESSIONS, "Session", "Sessions", paths)

    def _session_at(self, bmc: Bmc, path: str) -> Payload | None:
        session = self._sessions[bmc].get(path.rsplit("/", 1)[-1])
        return None if session is None else _shown(session)

    def _begin(self, sessions: Sessions, request: BmcRequest) -> BmcAnswer:
        user, password = _credentials(request.body)
        if not self._login.opens(user, password):
            raise RedfishError(BaseMessage.UNAUTHORIZED, SESSIONS, "InvalidCredentials")
        session = sessions.begin(user, request.now, request.at)
        if session is None:
            raise RedfishError(BaseMessage.SESSIONS_FULL)
        location = f"{SESSIONS}/{session.id}"
        return BmcAnswer(
            201, _shown(session), {"Location": location, "X-Auth-Token": session.token}
        )


def _shown(session: Session) -> Payload:
    return resource(
        f"{SESSIONS}/{session.id}",
        "Session",
        "user session",
        UserName=session.user,
        CreatedTime=moment(session.created),
    )


def _credentials(body: bytes) -> tuple[str, str]:
    """Return user and password of a request for a session.

    Raises:
        RedfishError: it is not such a request.
    """
    asked = object_of(body)
    for name in ("UserName", "Password"):
        if name not in asked:
            raise RedfishError(BaseMessage.PROPERTY_MISSING, name)
        if not isinstance(asked[name], str):
            raise RedfishError(BaseMessage.PROPERTY_TYPE, orjson.dumps(asked[name]).decode()[:80],
                               name)  # fmt: skip
    user, password = asked["UserName"], asked["Password"]
    return user, password
