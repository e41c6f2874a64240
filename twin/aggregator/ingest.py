"""Ingest: check, count and store each message; sans-I/O and synchronous.

Nothing that comes over the bus can change more than the unit it is addressed to, or raise
out of :func:`contained`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from twin.aggregator.block_ingest import BlockIngest
from twin.aggregator.delivery_watch import DeliveryWatch
from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.frame_runs import FrameRuns
from twin.aggregator.store import MOST_LOST, Store
from twin.aggregator.telemetry import OwnTelemetry
from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.errors import ConfigError, FrameError
from twin.faults import FAULTS, place_of
from twin.site import Layout
from twin.wire import (
    BLOCKS,
    MOST_QUEUE_BYTES,
    Decoder,
    EmulatorStatus,
    Faults,
    RackJobs,
    RackMeta,
    SiteJobs,
    Snapshot,
    TopicAddress,
    Topics,
    decode_message,
)

__all__ = ["Elapsed", "Ingest", "LimitedLog", "contained"]

_IGNORED = frozenset({"ack", "command", "rollup"})
"""What else the site publishes and the aggregator has no use for."""

_MESSAGES = frozenset({BLOCKS, "status", "faults", "meta", "jobs", "queue", "shadow"})
"""What is taken over beside frames."""


class Elapsed:
    """Seconds since the first reading, from a wall clock that may be set back.

    For callers without a better clock: one that is set forward looks like silence.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._elapsed = 0.0

    def read(self, now: float) -> float:
        """Return the seconds elapsed; they never run backwards."""
        if self._last is not None:
            self._elapsed += max(0.0, now - self._last)
        self._last = now
        return self._elapsed


class LimitedLog:
    """A log of refusals with one line per reason and period, so that a flood stays short."""

    def __init__(self, period: float = 10.0) -> None:
        self._period = period
        self._next: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}
        self._log = structlog.get_logger(__name__)

    def refused(self, error: FrameError, topic: str, at: float) -> None:
        """Log a refusal, or count it for the next line of its reason."""
        reason = error.reason
        if at < self._next.get(reason, 0.0):
            self._suppressed[reason] = self._suppressed.get(reason, 0) + 1
            return
        self._next[reason] = at + self._period
        self._log.warning(
            "message refused",
            reason=reason,
            detail=_printable(error.detail),
            topic=_printable(topic),
            suppressed=self._suppressed.pop(reason, 0),
        )


@contextmanager
def contained(telemetry: OwnTelemetry, log: LimitedLog, topic: str, at: float) -> Iterator[None]:
    """Count and log any fault of a message, and carry on.

    Args:
        telemetry: counts it by its reason.
        log: of refusals.
        topic: of the message.
        at: elapsed time.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - one message must not end a process that serves many
        note(telemetry, log, error, topic, at)


def note(telemetry: OwnTelemetry, log: LimitedLog, error: Exception, topic: str, at: float) -> None:
    """Count and log what was wrong with a message, as :func:`contained` does."""
    if not isinstance(error, FrameError):
        error = FrameError("unexpected", f"{error!r}; please report it")
    telemetry.refused[error.reason].inc()
    log.refused(error, topic, at)


def _fresh(*, retain: bool) -> None:
    if retain:
        raise FrameError("stale", "frames are not retained: its age is unknown")


def _printable(text: str) -> str:
    """Return the head of a text from the network, without anything a terminal would obey."""
    return text[:200].encode("unicode_escape").decode()


class Ingest:
    """Takes messages from the bus, one at a time.

    Attributes:
        lag: lag of the last frame in seconds, None while it cannot be told.
        renamed: racks, by their index on the site, whose identity changed; the reader clears it.
        granted: GPUs that have other jobs now, by their rack; likewise.
        delivery: whether the broker still delivers all that it should.
    """

    def __init__(
        self, layout: Layout, store: Store, announced: EmulatorRegistry, telemetry: OwnTelemetry
    ) -> None:
        self.lag: float | None = None
        self.renamed: set[int] = set()
        self.granted: dict[int, set[int]] = {}
        self.delivery = DeliveryWatch()
        self._layout = layout
        self._store = store
        self._announced = announced
        self._telemetry = telemetry
        self._decoders = {kind: Decoder(layout, kind) for kind in UnitKind}
        self._blocks = BlockIngest(layout, store, announced, telemetry, self._take)
        self._kinds = {kind.value: kind for kind in UnitKind}
        self._topics: dict[str, tuple[UnitKind, int]] = {}
        """Units whose frames have come, by their topic."""
        self._runs = FrameRuns(store, announced, telemetry, self._decoders, self._topics)
        self._arrays: dict[str, str] = {}
        """Arrays whose blocks have come, by their topic."""
        self._elapsed = Elapsed()
        self._log = LimitedLog()

    def run(self, messages: Sequence[InboundMessage], start: int, now: float, at: float) -> int:
        """Take over as many messages as can be taken as one, and return how many; most often 0.

        Args:
            messages: as they came.
            start: the first of them that was not taken over yet.
            now: the wall clock, unix seconds.
            at: seconds of a monotonic clock.
        """
        count = self._runs.length(messages, start)
        try:
            if not count or not self._runs.take(messages[start : start + count], now, at):
                return 0
        except Exception:  # noqa: BLE001 - each is taken by itself then, and what is wrong is noted
            return 0
        self.lag = self.lag if self._runs.lag is None else self._runs.lag
        return count

    def handle(
        self, topic: str, payload: bytes, retain: bool, now: float, at: float | None = None
    ) -> None:
        """Take over one message, or count why not.

        Args:
            topic: its topic.
            payload: its content.
            retain: whether the broker had kept it.
            now: the wall clock, unix seconds.
            at: seconds of a monotonic clock; None to make do with ``now``.
        """
        at = self._elapsed.read(now) if at is None else at
        try:  # what :func:`contained` does, for each frame and so without its cost
            array = self._arrays.get(topic)
            unit = None if array else self._topics.get(topic) or self._unit_of(topic)
            if array:
                self._block(array, topic, payload, retain, now, at)
            elif unit is not None:
                self._frame(*unit, payload, retain, now, at)
            else:
                self._message(self._address(topic), topic, payload, retain, now, at)
        except Exception as error:  # noqa: BLE001 - as there
            note(self._telemetry, self._log, error, topic, at)

    def _message(
        self,
        address: TopicAddress,
        topic: str,
        payload: bytes,
        retain: bool,
        now: float,
        at: float,
    ) -> None:
        """Take over what is no frame of a unit."""
        if address.kind == BLOCKS:
            self._block(address.name, topic, payload, retain, now, at)
        elif address.kind == "status":
            self._status(address.name, payload, None if retain else at)
        elif address.kind == "faults":
            self._faults(payload)
        elif address.kind == "meta":
            self._metadata(address.name, payload, at)
        elif address.kind == "shadow":
            self._store.shadow.hear(address.name, payload, retain=retain, at=at)
        elif address.kind == "jobs":
            own = decode_message(RackJobs, payload) if payload else None
            jobs, now = self._store.names.jobs, self._store.now
            self._regrant(jobs.on_rack(address.name, own, at, now))
        elif address.kind == "queue":
            self._store.names.jobs.on_queue(
                decode_message(SiteJobs, payload, MOST_QUEUE_BYTES) if payload else None
            )

    def tick(self, now: float, at: float | None = None) -> None:
        """Give up the units that have been silent for too long; call it about once a second."""
        at = self._elapsed.read(now) if at is None else at
        self._store.expire(at, self._announced.timeout)
        self._store.shadow.expire(at)
        self._announced.rivals.look(at)
        self.delivery.look(at, self._announced.timeout, reporting=self._store.reports)
        self.renamed.update(self._store.names.settle(at))
        self._regrant(self._store.names.jobs.settle(at, self._store.now))

    def _regrant(self, changed: Mapping[int, set[int]]) -> None:
        """Take note of GPUs that have other jobs now."""
        for rack, gpus in changed.items():
            self.granted.setdefault(rack, set()).update(gpus)

    def disconnected(self) -> None:
        """Forget what the broker will repeat; silent units fall to the timeout."""
        self._announced.forget()
        self._store.loss = None
        self.delivery.connected()

    def _address(self, topic: str) -> TopicAddress:
        address = Topics.parse(topic)
        if address is None or address.site != self._layout.site.name:
            raise FrameError("foreign", f"the topic is not one of site {self._layout.site.name!r}")
        known = address.kind in self._kinds or address.kind in _IGNORED
        if not known and address.kind not in _MESSAGES:
            raise FrameError("foreign", f"there is no topic level {address.kind!r}")
        return address

    # -- announcements --------------------------------------------------------

    def _status(self, name: str, payload: bytes, at: float | None) -> None:
        if payload:
            status = decode_message(EmulatorStatus, payload)
            if status.emulator != name:
                raise FrameError(
                    "foreign", f"emulator {status.emulator!r} on the topic of {name!r}"
                )
            self._announced.on_status(status)
            if at is not None:
                self._announced.rivals.hear(status, at)
                self.delivery.status(at)
        else:
            self._announced.forget_status(name)
        loss = self._announced.loss
        if loss is None:
            self._store.loss = None
        elif loss is not self._store.loss:
            self._store.lose(loss)

    def _faults(self, payload: bytes) -> None:
        faults = decode_message(Faults, payload)
        for fault in faults.active:
            try:
                place_of(FAULTS, self._layout.entire, fault.fault, fault.target)
            except ConfigError as error:
                raise FrameError("foreign", str(error)) from error
        self._announced.on_faults(faults)

    def _metadata(self, name: str, payload: bytes, at: float) -> None:
        kind, _, rack = name.partition("/")
        if kind != UnitKind.RACK.value:
            raise FrameError("foreign", f"there is no metadata of a {kind!r}")
        if self._store.names.confirms(rack, payload):
            return
        meta = decode_message(RackMeta, payload) if payload else None
        renamed = self._store.names.announce(rack, meta, at)
        if renamed is not None:
            self.renamed.add(renamed)

    # -- frames ---------------------------------------------------------------

    def _unit_of(self, topic: str) -> tuple[UnitKind, int] | None:
        """Return whose frames come on a topic, None when it is not for frames."""
        address = self._address(topic)
        kind, name = self._kinds.get(address.kind), address.name
        if kind is None:
            return None
        unit = self._layout.unit_index(kind, name)
        if unit is None:
            known = self._layout.entire.unit_index(kind, name) is not None
            text = f"{kind.value} {name!r} is another shard's" if known else None
            raise FrameError("foreign", text or f"the site has no {kind.value} {name!r}")
        self._topics[topic] = kind, unit
        return kind, unit

    def _frame(
        self, kind: UnitKind, unit: int, payload: bytes, retain: bool, now: float, at: float
    ) -> None:
        _fresh(retain=retain)
        if self._store.units[kind].released[unit]:
            return
        try:
            snapshot = self._decoders[kind].decode(payload)
        except FrameError:
            self._store.refuse(kind, unit, at)
            raise
        self._take(kind, unit, snapshot, now, at)

    def _block(
        self, name: str, topic: str, payload: bytes, retain: bool, now: float, at: float
    ) -> None:
        _fresh(retain=retain)

        def refused(error: Exception) -> None:
            note(self._telemetry, self._log, error, topic, at)

        lag = self._blocks.handle(name, payload, now, at, refused)
        self._arrays[topic] = name  # there is such an array, or it would have been refused
        self.lag = self.lag if lag is None else lag

    def take(self, kind: UnitKind, unit: int, snapshot: Snapshot, now: float) -> None:
        """Take over a frame that is decoded already, or count why not.

        Args:
            kind: of frame.
            unit: its index.
            snapshot: its content; classes without a group keep their values.
            now: the wall clock, unix seconds.
        """
        try:
            self._keep(kind, unit, snapshot, now, self._elapsed.read(now))
        except FrameError as error:
            self._telemetry.refused[error.reason].inc()

    def _take(self, kind: UnitKind, unit: int, snapshot: Snapshot, now: float, at: float) -> None:
        """Take over a frame that came over the bus."""
        if self._announced.is_ahead(snapshot.ts, now):
            raise FrameError("value", f"ts {snapshot.ts} is in the emulators' future")
        self._keep(kind, unit, snapshot, now, at)

    def _keep(self, kind: UnitKind, unit: int, snapshot: Snapshot, now: float, at: float) -> None:
        self._follow(kind, unit, snapshot)
        self._store.accept(kind, unit, snapshot, at)
        self._telemetry.ingested[kind.value].inc()
        self.lag = self._announced.lag(snapshot.ts, now)
        if self.lag is not None:
            self._telemetry.lag.observe(self.lag)

    def _follow(self, kind: UnitKind, unit: int, snapshot: Snapshot) -> None:
        """Compare a frame with the last one of its unit and count gaps and restarts.

        A unit that is not reporting has nothing to defend: whatever it sends next is
        news, so an emulator that restarts with an earlier clock is heard again after
        the timeout at the latest.

        Raises:
            FrameError: with the reason ``stale`` or ``duplicate``.
        """
        units = self._store.units[kind]
        last = int(units.seq[unit])
        if last < 0:
            return
        older = snapshot.ts < units.ts[unit]
        if units.reporting[unit]:
            if older:
                raise FrameError("stale", f"ts {snapshot.ts} is older than the last frame's")
            if snapshot.seq == last or (snapshot.seq < last and snapshot.ts == units.ts[unit]):
                raise FrameError("duplicate", f"seq {snapshot.seq} was seen already")
        gap = snapshot.seq - last - 1
        if self._announced.rivals.names:
            return  # each counts by itself, so a gap is none
        if older or not 0 <= gap <= MOST_LOST:
            self._telemetry.restarts[kind.value].inc()
        elif gap:
            self._telemetry.lost[kind.value].inc(gap)
