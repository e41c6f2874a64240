"""Plan of a past as plain values, for another process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.catalog import Detail
from twin.history.past import PastPlan
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

__all__ = ["plain", "plan_of"]

_PLAIN = ("start", "days", "step", "seed", "workload", "failures", "longest", "quiet", "day",
          "rules", "maintenance")  # fmt: skip


def plain(plan: PastPlan) -> dict[str, Any]:
    """Return a plan as what JSON can hold."""
    return {
        "site": plan.layout.site.model_dump(mode="json", exclude_unset=True),
        "detail": [level.value for level in plan.detail.levels],
        "plan": {name: getattr(plan, name) for name in _PLAIN},
    }


def plan_of(task: Mapping[str, Any]) -> PastPlan:
    """Return the plan of what :func:`plain` gave."""
    layout = Layout(site_of(task["site"], "site"))
    detail = DetailPlan(tuple(Detail(level) for level in task["detail"]))
    return PastPlan(layout, detail, **task["plan"])
