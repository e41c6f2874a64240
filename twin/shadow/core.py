"""The observer without any I/O: frames and metadata in, reports out.

It knows no clock: time is that of the frames. When a rack sends its next frame, what all racks have
sent since the last instant is evaluated at once.
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import structlog
from numpy.lib import format as npy
from numpy.typing import NDArray

from twin.catalog import GPU, JOB, NIC, UnitKind
from twin.errors import FrameError
from twin.shadow.calibration import Phases, Watch
from twin.shadow.causes import Alarm, Finding, findings
from twin.shadow.detection import limit_for
from twin.shadow.present import PRESENT, PresentMeans, site_digest
from twin.shadow.readings import Rounding, SiteModel, UnitReadings
from twin.shadow.relations import RELATIONS
from twin.shadow.site_units import OLD_FRAMES, SiteUnits
from twin.site import Layout
from twin.stored_arrays import UNREADABLE, check_stored, stored_array
from twin.wire import (
    BLOCKS,
    BlockDecoder,
    Decoder,
    RackBlock,
    RackJobs,
    RackMeta,
    Snapshot,
    Topics,
    decode_message,
)

__all__ = ["LEAST_PHASE", "ShadowCore", "ShadowSettings", "ToldDevices"]

_log = structlog.get_logger(__name__)
_WEEK = 604_800.0
_BLOCK = 30.0
_SAMPLES_A_BLOCK = 4
_LEARNING = 600.0
LEAST_PHASE = 10
"""Blocks from which the deviation of a device can be told."""
_LEAST_SECONDS = 0.1
"""Time between two evaluations, whoever sends how often."""
_SITE = "site.txt"
"""In the file of a calibration: digest of the site that it is of."""


ToldDevices = Literal["off", "racks", "devices"]


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """Settings of the observer.

    Attributes:
        false_alarms_a_week: findings a week on a healthy site that the user puts up with.
        block: seconds over which samples are averaged, at least four samples.
        phases: of calibration, in blocks.
        told: what is told of healthy devices: ``racks``, ``devices``, or nothing where ``off``.
    """

    false_alarms_a_week: float = 1.0
    block: float = _BLOCK
    phases: Phases = field(default_factory=Phases)
    told: ToldDevices = "racks"

    @classmethod
    def usual(
        cls, interval: float, block: float = _BLOCK, false_alarms_a_week: float = 1.0
    ) -> ShadowSettings:
        """Return the settings by default.

        Args:
            interval: seconds between two frames of a rack.
            block: seconds over which samples are averaged, if that many have four.
            false_alarms_a_week: findings a week on a healthy site that the user puts up with.
        """
        block = _whole_block(block, interval)
        blocks = max(LEAST_PHASE, round(_LEARNING / block))
        return cls(false_alarms_a_week, block, Phases(blocks, blocks))


def _whole_block(block: float, interval: float) -> float:
    """Return the seconds of a block, so many that it has enough samples."""
    return max(block, _SAMPLES_A_BLOCK * interval)


class ShadowCore:
    """Relations over all racks of a site.

    Args:
        layout: the site.
        settings: of the observer.

    Attributes:
        watches: each relation over the devices of the site, by its name.
        findings: of the last block.
        present: means of some readings in the last block.
        refused: counts of messages that were left out, by reason.
        frames: that were taken in.
        blocks: that have ended.
        ts: time of the newest evaluated frames, unix seconds.
        limit: of the CUSUMs, in standard deviations of a block.
    """

    def __init__(self, layout: Layout, settings: ShadowSettings | None = None) -> None:
        self.layout = layout
        self.settings = settings or ShadowSettings()
        self.topics = Topics(layout.site.name)
        self._digest = site_digest(layout)
        self.block = _whole_block(self.settings.block, layout.site.telemetry.interval_seconds)
        watches = (
            Watch(relation.on(layout), layout, self.settings.phases)
            for relation in RELATIONS
            if all(relation.shape(layout))
        )
        self.watches = {own.relation.name: own for own in watches if own.applies.any()}
        wanted = {name for own in self.watches.values() for name in own.relation.readings}
        beside = {
            name
            for own in self.watches.values()
            if own.relation.frame is not UnitKind.RACK
            for name in own.relation.readings
        }
        self._units = SiteUnits(layout, beside)
        self._model = SiteModel.of(layout)
        self._readings = UnitReadings(layout, {*wanted, *PRESENT})
        self.present = PresentMeans()
        coarse = {name for own in self.watches.values() for name in own.relation.coarse}
        self._rounding = Rounding(layout, sorted(coarse))
        self._decoder, self._blocks = Decoder(layout, UnitKind.RACK), BlockDecoder(layout)
        self._last = np.full(layout.site.racks, -np.inf)
        self._sequence = np.full(layout.site.racks, -1, np.int64)
        self._older = np.zeros(layout.site.racks, np.int64)
        self._uuids: dict[int, tuple[str, ...]] = {}
        self._block = self._evaluated = -np.inf
        self.findings: list[Finding] = []
        self._causes: dict[Alarm, str] = {}
        self.refused: Counter[str] = Counter()
        self.frames = self.blocks = 0
        self.ts = float("nan")
        judged = [own for watch in self.watches.values() for own in watch.parts.values()]
        sides = 2 * sum(own.watching.size for own in judged)
        self.limit = limit_for(max(sides, 2), _WEEK / self.block, self.settings.false_alarms_a_week)

    # -- what comes in ---------------------------------------------------------------

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """Filters of the topics that :meth:`handle` wants."""
        topics = self.topics
        beside = (topics.frames(kind) for kind in self._units.kinds)
        blocks = (topics.blocks("+"),) if self.layout.site.telemetry.has_blocks else ()
        racks = (topics.frames(UnitKind.RACK), *blocks)
        return (*racks, *beside, topics.meta("+"), topics.jobs("+"))

    def handle(
        self, topic: str, payload: bytes, *, retain: bool = False, at: float | None = None
    ) -> bool:
        """Take in a message, or count why not, and return whether a block ended.

        Args:
            topic: of the message.
            payload: of the message.
            retain: whether the broker had kept it.
            at: seconds of a monotonic clock; None where no stranger sends.
        """
        before = self.blocks
        try:
            self._handle(topic, payload, retain=retain, at=at)
        except FrameError as error:
            self.refused[error.reason] += 1
        except Exception as error:  # noqa: BLE001 - one message must not end the process
            self.refused["unexpected"] += 1
            _log.warning("message refused", error=repr(error)[:200])
        return self.blocks > before

    def _handle(self, topic: str, payload: bytes, *, retain: bool, at: float | None) -> None:
        address = self.topics.parse(topic)
        if address is None or address.site != self.layout.site.name:
            raise FrameError("foreign", "another site's")
        if address.kind == "meta":
            self._meta(address.name.removeprefix(f"{UnitKind.RACK.value}/"), payload)
            return
        if address.kind == "jobs":
            self._jobs(address.name, payload)
            return
        beside = next((kind for kind in self._units.kinds if kind.value == address.kind), None)
        if beside is None and address.kind not in {UnitKind.RACK.value, BLOCKS}:
            return
        if retain:
            raise FrameError("stale", "its age is unknown")
        if beside is not None:
            unit, snapshot = self._units.decode(beside, address.name, payload)
            self.take_unit(beside, unit, snapshot)
            return
        if address.kind == BLOCKS:
            self._take_block(self._blocks.decode(payload), at)
            return
        rack = self._rack(address.name)
        self.take(rack, self._decoder.decode(payload), at)

    def _take_block(self, block: RackBlock, at: float | None) -> None:
        """Take in the frames of a block; what is wrong with one rack is not another's."""
        for place, name in enumerate(block.racks):
            try:
                self.take(self._rack(name), block.snapshot(place), at)
            except FrameError as error:
                self.refused[error.reason] += 1

    def _rack(self, name: str) -> int:
        rack = self.layout.unit_index(UnitKind.RACK, name)
        if rack is None:
            raise FrameError("foreign", f"the site has no rack {name[:64]!r}")
        return rack

    def _meta(self, name: str, payload: bytes) -> None:
        """Calibrate anew the GPUs that have been replaced."""
        if not payload:
            return
        meta, rack = decode_message(RackMeta, payload), self._rack(name)
        uuids, before = meta.gpu_uuids, self._uuids.get(rack)
        if len(uuids) != self.layout.per_unit(GPU):
            raise FrameError("foreign", f"{len(uuids)} GPUs in rack {name[:64]!r}")
        self._uuids[rack] = uuids
        if before is None or before == uuids:
            return
        other = np.array([a != b for a, b in zip(before, uuids, strict=True)])
        for watch in self.watches.values():
            if watch.relation.device is GPU:
                where = np.zeros(watch.shape, dtype=np.bool_)
                where[rack] = other
                watch.reset(where)

    def _jobs(self, name: str, payload: bytes) -> None:
        """Take over which jobs a rack serves, and calibrate anew what is judged within a job."""
        rack = self._rack(name)
        message = decode_message(RackJobs, payload) if payload else None
        other = self._model.jobs.take(rack, message)
        for watch in self.watches.values() if other.any() else ():
            where = np.zeros(watch.shape, dtype=np.bool_)
            if watch.relation.device is NIC:
                where[rack] = np.repeat(other, watch.shape[1] // len(other))
                watch.reset(where)
            elif watch.relation.device is JOB:
                where[list(self._model.jobs.telling(rack, other))] = True
                watch.reset(where)

    def take(self, rack: int, snapshot: Snapshot, at: float | None = None) -> None:
        """Take in a frame that is decoded already.

        Args:
            rack: index of its rack.
            snapshot: the frame.
            at: seconds of a monotonic clock, by which a rack that sends too often costs no more
                than others; None for no limit.

        Raises:
            FrameError: it is older than the last of its rack, or the same again.
        """
        last = self._last[rack]
        if snapshot.ts <= last:
            self._older[rack] += 1
            if self._older[rack] < OLD_FRAMES:
                same = snapshot.seq == self._sequence[rack]
                raise FrameError("duplicate" if same else "stale", "older than the last")
            self._readings.forget(rack)
        self._older[rack] = 0
        if self._readings.pending[rack]:
            if at is not None and 0.0 <= at - self._evaluated < _LEAST_SECONDS:
                self.refused["early"] += 1  # the frame replaces the one before
            else:
                self._evaluated = -np.inf if at is None else at
                self.evaluate()
        self._last[rack], self._sequence[rack] = snapshot.ts, snapshot.seq
        self._readings.take(rack, snapshot)
        self.frames += 1

    def take_unit(self, kind: UnitKind, unit: int, snapshot: Snapshot) -> None:
        """Take in a frame of a unit that stands in no rack, if a relation reads such.

        Raises:
            FrameError: it is older than the last of its unit, or the same again.
        """
        if kind in self._units.kinds:
            self._units.take(kind, unit, snapshot)

    @property
    def kinds(self) -> tuple[UnitKind, ...]:
        """Kinds of units beside the racks that it reads."""
        return self._units.kinds

    def of_units(self, *kinds: UnitKind) -> dict[str, Watch]:
        """Return the watches of such units."""
        return {name: own for name, own in self.watches.items() if own.relation.frame in kinds}

    # -- time ------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Evaluate what has come since the last instant."""
        fresh = self._readings.pending
        if not fresh.any():
            return
        self.ts = float(np.median(self._readings.ts[fresh]))
        number = self.ts // self.block
        if number != self._block:
            if np.isfinite(self._block):
                self._close()
            self._block = number
        moment = self._readings.moment(self._model)
        with np.errstate(all="ignore"):  # what comes of nonsense is no finite number
            self._rounding.sample(moment)
            self.present.sample(moment)
            for watch in self.of_units(UnitKind.RACK).values():
                watch.sample(moment)
            for kind, other in self._units.moments(moment, self._readings.ts):
                for watch in self.of_units(kind).values():
                    watch.sample(other)

    @property
    def block_end(self) -> float:
        """End of the last block of time, unix seconds; the start of the present one."""
        return self._block * self.block if np.isfinite(self._block) else 0.0

    def _close(self) -> None:
        with np.errstate(all="ignore"):
            coarse = self._rounding.close()
            self.present.close()
            for watch in self.watches.values():
                watch.close(self.limit, coarse)
        before, self.findings, self._causes = self._causes, [], {}
        for kind in (UnitKind.RACK, *self._units.kinds):
            found, held = findings(self.layout, self.of_units(kind), before)
            self.findings += found
            self._causes |= held
        self.blocks += 1

    # -- what outlives a restart -----------------------------------------------------

    def state(self) -> bytes:
        """Return the calibration, as the bytes of a file."""
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_SITE, self._digest)
            for name, watch in self.watches.items():
                for key, array in watch.kept().items():
                    with archive.open(f"{name}/{key}.npy", "w") as file:
                        npy.write_array(file, np.asarray(array), allow_pickle=False)
        return body.getvalue()

    def restore(self, data: bytes) -> None:
        """Go on with a calibration that :meth:`state` returned.

        Raises:
            ValueError: it is damaged, or of another site.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                check_stored(archive, len(data))
                self._check_site(archive.read(_SITE))
                kept: dict[str, dict[str, NDArray[np.generic]]] = {}
                for name in set(archive.namelist()) - {_SITE}:
                    relation, _, key = name.removesuffix(".npy").partition("/")
                    kept.setdefault(relation, {})[key] = stored_array(archive.read(name))
            watches = {
                name: Watch(own.relation, self.layout, self.settings.phases)
                for name, own in self.watches.items()
            }
            for name in kept.keys() & watches.keys():  # others are new since, and calibrate
                watches[name].restore(kept[name])
        except ValueError:
            raise
        except UNREADABLE as error:
            raise ValueError(f"it is damaged: {error!r}") from error
        self.watches = watches

    def _check_site(self, digest: bytes) -> None:
        if digest.decode() != self._digest:
            raise ValueError("it is of a site with other counts or parameters")
