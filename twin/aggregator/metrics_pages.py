"""Pages of metrics: rendered on request, one at a time.

A page holds the label blocks of its series, which are most of the aggregator's memory on
a large site. So a page is dropped when the detail of its array changes, and a page that
is not exposed is never built.
"""

from __future__ import annotations

from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.exposition import MetricsPage, array_page, site_page
from twin.aggregator.rollup import Rollups
from twin.aggregator.rollup_page import RollupPage, exposed_groups
from twin.aggregator.scheduler_pages import SchedulerPages
from twin.aggregator.series_counter import SeriesCounter
from twin.aggregator.state import StatePage
from twin.aggregator.steady_lines import LineBudget
from twin.aggregator.store import Store
from twin.aggregator.text_format import ExpositionWriter
from twin.catalog import Detail, Level, UnitKind
from twin.site import DetailPlan, site_rollups

__all__ = ["MetricsPages"]


class MetricsPages:
    """What is exposed of a store.

    Args:
        store: the last values.
        announced: what emulators say of themselves.
        rollups: of the store.
        plan: detail of every array of the store.
        leads: whether series that belong to no array are exposed here.
    """

    def __init__(
        self,
        store: Store,
        announced: EmulatorRegistry,
        rollups: Rollups,
        plan: DetailPlan,
        *,
        leads: bool = True,
    ) -> None:
        self._store = store
        self._rollups = rollups
        self._plan = plan
        self._leads = leads
        self._state = StatePage(store, announced, leads=leads)
        self._site = site_page(store)
        self._schedulers = SchedulerPages(store, lambda: announced.online)
        self._rolled: RollupPage | None = None
        self._arrays: dict[int, MetricsPage] = {}
        self._budget = LineBudget()
        self._tally = SeriesCounter(store)

    @property
    def plan(self) -> DetailPlan:
        """Detail of every array."""
        return self._plan

    @plan.setter
    def plan(self, plan: DetailPlan) -> None:
        for array in [own for own in self._arrays if plan[own] is not self._plan[own]]:
            self._arrays.pop(array).forget()
        self._rolled = None
        self._plan = plan

    def rename(self, array: int) -> None:
        """Rebuild the labels of an array whose devices have new names."""
        page = self._arrays.pop(array, None)
        if page is not None:
            page.forget()
        self._schedulers.rename(array)

    def relabel(self, rack: int, gpus: set[int]) -> None:
        """Rebuild the labels of some GPUs of a rack that have other jobs.

        Args:
            rack: index of the rack in the store.
            gpus: indices of the GPUs in the rack.
        """
        page = self._arrays.get(self._store.layout.array_of(rack))
        if page is not None:
            page.relabel(rack, gpus)

    def write_site(self, text: ExpositionWriter) -> None:
        """Append the state of units, the roll-ups, and everything that belongs to no array."""
        if self._rolled is None:
            self._rolled = RollupPage(self._store.layout, self._rollups, self._plan)
        self._state.write(text)
        self._store.shadow.write(text, self._store.units[UnitKind.ARRAY].released)
        self._rolled.write(text)
        self._site.write(text)
        if self._leads:
            self._schedulers.write_site(text)

    def write_array(self, array: int, text: ExpositionWriter) -> None:
        """Append the devices of one array; none where its detail is ``site``."""
        if self._plan[array] is Detail.SITE:
            return
        if array not in self._arrays:
            self._arrays[array] = array_page(self._store, array, self._plan[array], self._budget)
        self._arrays[array].write(text)
        if self._plan[array] is Detail.GPU:
            self._schedulers.write_array(array, text)

    def series(self) -> int:
        """Return how many series of devices and roll-ups are exposed at this moment."""
        layout = self._store.layout
        rolled = sum(
            rollup.series * int(self._rollups.known(rollup, level)[groups].sum())
            for level in Level
            for groups in (exposed_groups(layout, self._plan, level),)
            for rollup, _, _ in site_rollups(layout)
            if level in rollup.levels
        )
        shown = [array for array, detail in enumerate(self._plan.levels) if detail is Detail.GPU]
        scheduled = sum(self._schedulers.series(array) for array in (None, *shown))
        return rolled + scheduled + self._tally.exposed(self._plan)
