"""Calibration of one relation: what each device differs by from the model of the site file.

Samples are averaged over blocks of time. In the first blocks of a device a share of the driven part
and an offset are fitted, held to what devices are known to differ by; they stay as they were
calibrated. In the next blocks the detector proves on new data how far the effect deviates. What
these blocks do not tell, as of full load where all were idle, is learnt when it comes: a block in
which the fit foretells less surely than it has to is one more of the fit and is not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.plant.units import Floats
from twin.shadow.detection import Detector
from twin.shadow.fit import DeviceFits
from twin.shadow.functions import Expected, Memory
from twin.shadow.medians import median_of_all, median_of_racks, rooted
from twin.shadow.population import kinds_of
from twin.shadow.readings import LONGEST_GAP, Moment, split
from twin.shadow.relations import Relation
from twin.site import Layout

__all__ = ["Phases", "Watch"]

_LEAST_OF_A_RACK = 4
"""Devices of a rack whose median tells what the whole rack shows."""
_LEAST_OF_ALL = 5
"""Devices of a site whose median tells what all of them show."""
_UNSURE, _SURE = 1.0, 0.5
"""Deviation of what the fit foretells away from its middle, over that of a block, above which it
learns on, and down to which it does."""
_LAG_FORM = 0.15
"""Error of a lag over the change of its driven part from block to block while it is learnt, est."""
_FLOW_FORM = 0.3
"""Error of the exponent by which the driven part goes with the flow of what cools, est."""
_LAG_SPREAD = 0.1
"""What devices of one kind differ by in it, est."""
_LAG_LEFT = 0.3
"""What is left of such a change after a block, est."""
_MOST_MOVED = 0.5
"""Change over the relation's ``lag`` above which a block tells nothing to learn later."""
_LOADED = 5.0
"""Driven part over the offset that devices may have, above which that is told as part of it."""
_WHOLE_BLOCK = 0.5
"""Share of the samples without which a block does not count."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Times of calibration, in blocks.

    Attributes:
        learning: in which parameters are fitted.
        proving: in which the deviation is found.
        forgetting: in which the tracked parameter forgets most of what was.
    """

    learning: int = 20
    proving: int = 20
    forgetting: int = 120


class _Sums:
    """Sums of a block; arrays are (racks, devices)."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.weight, self.error, self.driven, self.expected = (np.zeros(shape) for _ in range(4))
        self.samples, self.flow = np.zeros(shape), np.zeros(shape)

    def clear(self) -> None:
        for own in (
            self.weight, self.error, self.driven, self.expected, self.samples, self.flow
        ):  # fmt: skip
            own.fill(0.0)


class Watch:
    """One relation over the devices of a site.

    Args:
        relation: the row.
        layout: the site.
        phases: of calibration.

    Attributes:
        own: what single devices deviate by from their rack or their like.
        common: what whole racks or servers deviate by; None where they share no cause.
        applies: racks that have it, (racks, 1).
        memory: of its function.
        each: devices that it judges in each of these.
        expected: mean expected effect of the last block, NaN where the relation does not cover it.
        covered: devices that the last block covers and that are judged.
    """

    def __init__(self, relation: Relation, layout: Layout, phases: Phases) -> None:
        self.relation = relation
        self.shape = shape = relation.shape(layout)
        self.each = relation.judged(layout)
        self._phases = phases
        of_racks = relation.frame is UnitKind.RACK
        kinds = kinds_of(layout) if of_racks else np.zeros(shape[0], np.int64)
        self.own = Detector(shape, phases.proving, kinds)
        self.common = None
        if relation.shared is not None:
            groups = (shape[0], max(layout.per_unit(relation.shared), 1))
            self.common = Detector(groups, phases.proving, kinds)
        self.applies = np.ones((shape[0], 1), dtype=np.bool_)
        if relation.medium is not None:
            in_air = np.array(layout.site.air_racks, dtype=np.bool_)[:, None]
            self.applies = in_air if relation.medium == "air" else ~in_air
        self._fit = DeviceFits(shape, relation.gain, relation.offset, kinds)
        self.expected: Floats = np.full(shape, np.nan)
        self.measured: Floats = np.full(shape, np.nan)
        self.covered = np.zeros(shape, dtype=np.bool_)
        self.memory: Memory = {}
        self._reported = np.zeros(shape)
        self._sums = _Sums(shape)
        self._assumed = np.zeros((shape[0], 1), dtype=np.bool_)
        self._unsure = np.zeros(shape, dtype=np.bool_)
        """Devices that learn on."""
        self._flow_at, self._flows = np.zeros(shape), np.zeros(shape)
        """Flow of what cools at which it was calibrated, and the blocks of that."""
        self._driven: Floats
        self._swung: Floats
        self._driven, self._swung = np.full(shape, np.nan), np.zeros(shape)
        """Driven part of the last block, and how far it moved of late."""
        self._moved: Floats = np.zeros(shape)
        self._moved_together: Floats = np.zeros(
            (1, 1) if self.common is None else self.common.z.shape
        )
        """How far it moved by more than its like did, and its rack or server by more than all."""

    @property
    def gain(self) -> Floats:
        """What each device differs by, over the driven part."""
        return self._fit.gain

    @property
    def over_model(self) -> Floats:
        """The driven part of each device over its model's, as it is now; NaN before it is known."""
        fit, own, driven = self._fit, self.own, np.nan_to_num(self._driven)
        beside = (fit.offset + own.center) / np.maximum(driven, 1e-12)
        loaded = driven > _LOADED * self.relation.offset
        moved = np.where(own.alarmed, own.ratio, own.drift)
        over = 1.0 + fit.gain + moved + np.where(loaded, beside, 0.0)
        return np.where((fit.blocks >= self._phases.learning) & (over > 0.0), over, np.nan)

    def reset(self, where: NDArray[np.bool_]) -> None:
        """Calibrate some devices anew, (racks, devices)."""
        self._fit.reset(where)
        self._flow_at[where] = self._flows[where] = 0.0
        self.own.reset(where)

    # -- samples ---------------------------------------------------------------------

    def sample(self, moment: Moment) -> None:
        """Take in the readings of an instant."""
        if not self.shape[1]:
            return
        relation = self.relation
        measured = relation.measured(moment, self.shape[1])
        found = relation.function(moment, self.memory)
        error, there = self._error(measured, found)
        step = np.nan_to_num(moment.dt)
        # A reading that is missed now and then does not make a device a new one.
        since = np.where(there, self._reported + step, self._reported - step)
        since[step[:, 0] > LONGEST_GAP] = 0.0
        self._reported = np.clip(since, 0.0, 1.5 * relation.warm)
        there &= self._reported >= relation.warm
        weight = there.astype(np.float64)
        if found.unsettled is not None and np.isfinite(relation.lag):
            away = np.where(there, found.unsettled, 0.0) / relation.lag
            weight /= 1.0 + away**2
        sums = self._sums
        sums.samples += there
        sums.weight += weight
        sums.error += weight * np.where(there, error, 0.0)
        sums.driven += weight * np.where(there, found.driven, 0.0)
        sums.expected += weight * np.where(there, measured - error, 0.0)
        if found.flow is not None:
            sums.flow += weight * np.where(there, found.flow, 0.0)
        if found.assumed is not None:
            self._assumed = found.assumed

    def _error(self, measured: Floats, found: Expected) -> tuple[Floats, NDArray[np.bool_]]:
        error = measured - (found.base + found.driven)
        there = np.isfinite(error)
        if found.holds is not None:
            there &= found.holds
        return error, there

    # -- blocks ----------------------------------------------------------------------

    def close(self, limit: float, coarse: Mapping[str, Floats] | None = None) -> None:
        """End a block: calibrate with it, or judge it.

        Args:
            limit: of the CUSUMs.
            coarse: what rounding may have made of the mean of a reading, by its name.
        """
        sums = self._sums
        most = sums.samples.max(initial=0.0)
        whole = (sums.samples >= max(_WHOLE_BLOCK * most, 1.0)) & (sums.weight > 0.0)
        weight = np.maximum(sums.weight, 1e-12)
        error = np.where(whole, sums.error / weight, np.nan)
        driven = np.where(whole, sums.driven / weight, np.nan)
        model = np.where(whole, sums.expected / weight, np.nan)
        flow = np.where(whole, sums.flow / weight, 0.0)
        sums.clear()
        rounded, alone = self._rounded(coarse or {})
        self._move(driven)
        floor = self._floor(driven)
        noise = np.sqrt(floor**2 + (_LAG_FORM * self._swung) ** 2 + rounded**2)
        young = whole & (self._fit.blocks < self._phases.learning)
        if young.any():
            self._learn(error, driven, noise, young)
        known = self._fit.blocks >= self._phases.learning
        spread = np.nan_to_num(self._fit.spread(driven))
        limits = np.where(self._unsure, _SURE, _UNSURE) * noise
        # What is found is not learnt away.
        unsure = known & whole & ~young & (spread > limits) & ~self.own.alarmed & ~self._fit.unlike
        self._unsure = np.where(whole, unsure, self._unsure)
        if unsure.any():
            settled = unsure & (self._swung <= _MOST_MOVED * self.relation.lag)
            self._learn_on(error - self.own.center, driven, noise, settled)
        ours = self._fit.gain * driven + self._fit.offset
        left = error - ours
        left[~known | young | unsure] = np.nan
        self.expected = model + ours
        self.expected[~known] = np.nan
        self.measured = model + error
        fresh = whole & ~self.own.watching
        self._fit.reach(driven, fresh)
        self._flows += fresh
        share = np.where(fresh, 1.0 / np.maximum(self._flows, 1.0), 0.0)
        self._flow_at = self._flow_at + share * (flow - self._flow_at)
        otherwise = _FLOW_FORM * np.abs(np.nan_to_num(driven) * (flow - self._flow_at))
        self._judge(left, driven, floor, spread + otherwise, (rounded, alone), limit)
        self.covered = np.isfinite(left) & self.own.watching

    def _rounded(self, coarse: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Return what rounding of the readings may make of a block's error.

        The second is without readings that the like of a device share, which their median holds.
        """
        total: Floats = np.zeros(self.shape)
        alone: Floats = np.zeros(self.shape)
        shared = self.relation.shared
        for name in self.relation.coarse:
            if name in coarse:
                each = coarse[name]
                wide = np.repeat(each, max(self.shape[1] // each.shape[1], 1), axis=1)
                total = total + wide
                if shared is None or split(name)[0] != shared.name:
                    alone = alone + wide
        return total, alone

    def _move(self, driven: Floats) -> None:
        """Take note of the driven part, and of how far it has moved of late where it has a lag."""
        step = driven - self._driven
        # What was before the first block is not known: it may have been nothing.
        step = np.where(np.isnan(self._driven), driven, step)
        self._driven = np.where(np.isfinite(driven), driven, self._driven)
        if not np.isfinite(self.relation.lag):
            return

        def moved(before: Floats, step: Floats, middle: Floats | float) -> Floats:
            alone = np.abs(step - middle) + _LAG_SPREAD * np.abs(step)
            most: Floats = np.fmax(np.nan_to_num(alone), _LAG_LEFT * before)
            return most

        self._swung = np.fmax(np.nan_to_num(np.abs(step)), _LAG_LEFT * self._swung)
        self._moved = moved(self._moved, step, self._middle(step))
        if self.common is not None:
            middle = self._medians(step)
            whole = median_of_all(middle, _LEAST_OF_ALL)
            self._moved_together = moved(self._moved_together, middle, whole)

    def _middle(self, values: Floats) -> Floats | float:
        """Return what the like of each device shows: of its rack or server, else of all."""
        if self.common is None:
            return median_of_all(values, _LEAST_OF_ALL)
        each = self.shape[1] // self.common.z.shape[1]
        middle = np.repeat(self._medians(values), each, axis=1)
        return np.where(np.isfinite(middle), middle, 0.0)

    def _medians(self, values: Floats) -> Floats:
        """Return the median of each rack's or server's devices; NaN where they are too few."""
        groups = 1 if self.common is None else self.common.z.shape[1]
        each = values.shape[1] // groups
        return median_of_racks(values.reshape(-1, each), _LEAST_OF_A_RACK).reshape(-1, groups)

    def _floor(self, driven: Floats) -> Floats:
        """Return the least deviation of a block's mean, in units of the effect."""
        own = self.relation
        return np.maximum(own.floor, own.floor_ratio * np.abs(np.nan_to_num(driven)))

    def _learn(
        self, error: Floats, driven: Floats, noise: Floats, young: NDArray[np.bool_]
    ) -> None:
        fit = self._fit
        fit.add(error, driven, noise, young)
        fit.blocks += young
        learnt = fit.blocks >= self._phases.learning
        if (done := young & learnt).any():
            fit.solve(done, learnt)

    def _learn_on(
        self, error: Floats, driven: Floats, noise: Floats, where: NDArray[np.bool_]
    ) -> None:
        """Learn what a load tells that calibration has not seen."""
        fit = self._fit
        fit.add(error, driven, noise, where)
        fit.solve(where, fit.blocks >= self._phases.learning)
        fit.reach(driven, where & (fit.spread(driven) <= _SURE * noise))

    def _judge(
        self,
        left: Floats,
        driven: Floats,
        floor: Floats,
        unsure: Floats,
        rounding: tuple[Floats, Floats],
        limit: float,
    ) -> None:
        relation, forget = self.relation, 1.0 / self._phases.forgetting
        rounded, alone = rounding
        proven = np.where(self.own.watching, self.own.at, np.nan)
        away = self._fit.away(driven, proven)
        wrong = relation.form * away + relation.within * np.abs(driven)
        slack = wrong + unsure
        lagging = slack + alone + relation.lag_form * self._moved
        self.own.take(left - self._middle(left), driven, floor, limit, forget, lagging, alone)
        if self.common is None:
            return
        middle = self._medians(left)
        shared = np.where(self._assumed, np.nan, middle - median_of_all(middle, _LEAST_OF_ALL))
        slack = self._medians(slack + rounded) + relation.lag_form * self._moved_together
        self.common.take(shared, self._medians(driven), relation.floor, limit, forget, slack)

    # -- what outlives a restart -----------------------------------------------------

    @property
    def parts(self) -> dict[str, Detector]:
        """Its detectors by name."""
        return {"own": self.own} if self.common is None else {
            "own": self.own, "common": self.common
        }  # fmt: skip

    @property
    def _stored(self) -> dict[str, Detector | DeviceFits]:
        return {"fit": self._fit, **self.parts}

    def kept(self) -> dict[str, NDArray[np.generic]]:
        """Return what a restart must not lose."""
        kept: dict[str, NDArray[np.generic]] = {name: getattr(self, name) for name in _KEPT}
        for part, own in self._stored.items():
            kept |= {f"{part}.{name}": values for name, values in own.kept().items()}
        return kept

    def restore(self, kept: dict[str, NDArray[np.generic]]) -> None:
        """Go on from what :meth:`kept` returned.

        Raises:
            KeyError: something is missing.
            ValueError: it is of another site.
        """
        for name in _KEPT:
            setattr(self, name, rooted(kept[name], getattr(self, name)))
        for part, own in self._stored.items():
            head = f"{part}."
            own.restore(
                {key[len(head) :]: each for key, each in kept.items() if key.startswith(head)}
            )


_KEPT = ("_flow_at", "_flows")
