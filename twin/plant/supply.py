"""Energy management: the sources that carry the load, and the racks that are shed.

On the grid, generators rest, the Megapacks take the fast part of the load and the
grid carries what is left. When the last feed is lost the site becomes an island: the
Megapacks form the grid at once, the generators start and take over the slow part.
What no source can carry is unserved for one step and then shed, rack by rack: those
that no job holds first, then the job of the lowest priority, each from its highest rack
down; racks are also shed in time when the Megapacks' energy comes to its end. Shed racks
return in the opposite order, one after the other, once there is lasting capacity for
what they draw in training.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.plant.conditions import Conditions
from twin.plant.genset import Gensets
from twin.plant.grid import Grid
from twin.plant.megapack import Megapacks
from twin.plant.units import Floats, all_of, sum_of
from twin.site import Layout, job_places

__all__ = ["Supply"]

_TOLERANCE = 1e-3
"""Above a limit that is held, this share of it passes: controllers have a dead band."""
_STOP_RATIO = 0.9
"""Generators that hold the import limit stop when the load is below this share of it, est."""
_NO_JOB = -1
"""Priority of racks that no job holds."""


def _shedding_order(layout: Layout) -> NDArray[np.intp]:
    """Return the racks in the order in which they are shed."""
    priority = np.full(layout.site.racks, _NO_JOB)
    for job in job_places(layout.site):
        priority[job.racks.start : job.racks.stop] = job.priority
    order: NDArray[np.intp] = np.lexsort((-np.arange(priority.size), priority))
    return order


class Supply:
    """Balances the site's load over its sources, step by step.

    Args:
        layout: the site.
        grid: its feeds.
        packs: its Megapacks.
        gensets: its generators.
    """

    def __init__(self, layout: Layout, grid: Grid, packs: Megapacks, gensets: Gensets) -> None:
        site = layout.site
        self._p = site.supply
        self._nominal_hertz = site.grid.frequency_hertz
        self._grid, self._packs, self._gensets = grid, packs, gensets
        self.powered: NDArray[np.bool_] = np.ones(site.racks, dtype=np.bool_)
        """Racks that the energy management feeds, (racks,); it holds for the next step."""
        self.unserved = 0.0
        """Demand of the last step that no source could carry, in W."""
        self._order = _shedding_order(layout)
        self._overhead = 1.0 + site.facility.loss_ratio
        planned = np.array(
            [
                site.rack_power_watts(site.gpu_model(rack), air=air)
                for rack, air in enumerate(site.air_racks)
            ]
        )
        self._planned = planned * (self._overhead + 1.0 / site.water.cop)
        self._fixed = site.facility.fixed_power_watts + layout.entire.site.support_power_watts
        self._on_grid = True
        self._calling = False
        self._alive = True
        self._credit = 0.0

    @property
    def shed(self) -> int:
        """Racks that are switched off for lack of power."""
        return int(self.powered.size - self.powered.sum())

    @property
    def on_grid(self) -> bool:
        """Whether any feed of the grid is connected."""
        return self._on_grid

    @property
    def voltage_ratio(self) -> float:
        """Voltage of the site's bus over nominal; an island holds the nominal one."""
        return self._grid.voltage_ratio if self._on_grid else float(self._alive)

    @property
    def frequency(self) -> float:
        """Frequency of the site's bus in Hz."""
        if self._on_grid:
            return self._grid.frequency
        return self._nominal_hertz if self._alive else 0.0

    def settle(self, load: float) -> None:
        """Start from a grid that carries this load, in W."""
        self._packs.settle(load)
        self._grid.settle(load)

    def step(self, load: float, racks: Floats, conditions: Conditions, dt: float) -> None:
        """Carry the site for ``dt`` seconds and decide which racks are fed in the next step.

        Args:
            load: power that the whole site asks for, in W.
            racks: the part of each rack in it, at its PDUs, (racks,) in W.
            conditions: what is wrong with the sources.
            dt: step in s.
        """
        self._sense(conditions, dt)
        order = float(conditions.megapack_order[0])
        on_grid = self._on_grid
        rest = self._carry_on_grid(load, order, dt) if on_grid else self._carry_alone(load, dt)
        self.unserved = rest if rest > _TOLERANCE * max(load, 1.0) * 1e-3 else 0.0
        self._alive = load - self.unserved > 0.0 or bool(self.powered.any())
        excess = self._excess(load)
        if excess > 0.0:
            self._shed(excess, racks)
        elif not all_of(self.powered):
            self._restore(dt)

    def _sense(self, conditions: Conditions, dt: float) -> None:
        """Find out which sources there are, and call the generators when they are needed."""
        grid, packs, gensets = self._grid, self._packs, self._gensets
        offset = float(conditions.grid_frequency_offset[0])
        grid.sense(conditions.grid_available, conditions.grid_voltage, offset, dt)
        if grid.connected and not self._on_grid:
            # Back on the grid, which carries nothing yet: the import rises as smoothly as ever.
            packs.slow = 0.0
        self._on_grid = grid.connected
        self._calling = not self._on_grid or self._overloaded()
        gensets.sense(
            conditions.genset_available, conditions.genset_startable, dt, call=self._calling
        )
        on_grid = self._on_grid
        packs.sense(
            conditions.megapack_available,
            conditions.megapack_power_ratio,
            grid.voltage_ratio if on_grid else 1.0,
            grid.frequency if on_grid else self._nominal_hertz,
            dt,
        )

    def _overloaded(self) -> bool:
        """Whether the generators must help to hold the import limit."""
        if not self._p.enforce_limit:
            return False
        gross = self._packs.slow + self._gensets.total
        return gross > self._grid.limit_watts * (_STOP_RATIO if self._calling else 1.0)

    def _carry_on_grid(self, load: float, order: float, dt: float) -> float:
        """Let the Megapacks smooth and the grid carry the rest; return what it may not, in W."""
        grid, packs, gensets = self._grid, self._packs, self._gensets
        limit = grid.limit_watts
        given = gensets.total
        if self._calling:
            wanted = packs.slow + given - limit * (1.0 - self._p.margin_ratio)
        else:
            wanted = given - gensets.ramp_watts * dt
        gensets.deliver(wanted, dt)
        net = load - gensets.total
        # Charging leaves the import below its limit, discharging never exports.
        wanted = min(net - packs.restoring(), max(limit * (1.0 - self._p.margin_ratio), net))
        packs.follow(max(wanted, 0.0), dt, on_grid=True)
        # An order never exports either.
        target = net - packs.slow if np.isnan(order) else min(order, max(net, 0.0))
        if self._p.enforce_limit:
            target = max(target, net - limit)
        packs.step(target, dt)
        # What passes until the Megapacks have answered is over before any rack could be shed.
        rest = net - sum_of(packs.reached)
        over = rest - limit * (1.0 + _TOLERANCE) if self._p.enforce_limit else 0.0
        over = max(over, 0.0)
        grid.step(net - sum_of(packs.power) - over, dt)
        return over

    def _carry_alone(self, load: float, dt: float) -> float:
        """Let Megapacks and generators carry an island; return what they cannot, in W."""
        grid, packs, gensets = self._grid, self._packs, self._gensets
        grid.step(0.0, dt)
        packs.follow(load, dt, on_grid=False)
        stable = packs.forming or bool(gensets.running.any())
        give, take = (sum_of(part) for part in packs.limits()) if stable else (0.0, 0.0)
        # The generators take the slow part, as far as the Megapacks can make up the difference.
        wanted = min(max(packs.slow, load - give), load + take)
        gensets.deliver(wanted, dt)
        net = load - gensets.total
        packs.step(net if stable else 0.0, dt, forming=True)
        return max(net - sum_of(packs.power), 0.0)

    # -- shedding --------------------------------------------------------------

    @property
    def _firm(self) -> float:
        """Power that can be carried for as long as it takes, less the margin, in W."""
        firm = self._gensets.firm_watts
        if self._on_grid:
            firm += self._grid.limit_watts if self._p.enforce_limit else np.inf
        return firm * (1.0 - self._p.margin_ratio)

    def _excess(self, load: float) -> float:
        """Return the load to shed in W: what was unserved, or what soon will be."""
        excess = self.unserved * (1.0 + self._p.margin_ratio)
        if not self._on_grid or self._p.enforce_limit:
            short = load - self.unserved - self._firm
            if short > 0.0 and self._packs.usable_joules < short * self._p.reserve_seconds:
                excess = max(excess, short)
        return excess

    def _shed(self, excess: float, racks: Floats) -> None:
        """Switch off racks, the least important first, until ``excess`` W are gone."""
        fed = self._order[self.powered[self._order]]
        gone = np.cumsum(racks[fed]) * self._overhead
        self.powered = self.powered.copy()
        self.powered[fed[: int(np.searchsorted(gone, excess)) + 1]] = False
        self._credit = 0.0

    def _restore(self, dt: float) -> None:
        """Switch racks on again, the most important first, as far as there is capacity."""
        dark = self._order[~self.powered[self._order]][::-1]
        self._credit += self._p.restore_ratio_per_second * self.powered.size * dt
        fed = float(self._planned[self.powered].sum()) + self._fixed
        fits = int(np.searchsorted(fed + np.cumsum(self._planned[dark]), self._firm, side="right"))
        count = min(int(self._credit), fits, dark.size)
        self._credit = min(self._credit - count, 1.0) if count else min(self._credit, 1.0)
        if count:
            self.powered = self.powered.copy()
            self.powered[dark[:count]] = True
