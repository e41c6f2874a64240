"""Plans of a run: faults and durations as a caller writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from twin.errors import ConfigError
from twin.faults import FAULTS, parse_fault, place_of, resolved_target
from twin.scenario import parse_duration
from twin.site import Layout

__all__ = ["PlannedFault", "checked", "moment_of", "seconds_of", "within"]


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of a run: ``twin.Fault("grid-outage", at="10m", duration="30m")``.

    Attributes:
        kind: of fault, as ``twin faults`` lists them.
        at: when it begins, after the start of the run: seconds, or ``10m``.
        duration: how long it lasts; None for the fault's default.
        target: the place, such as ``r0001/n3/gpu5``; None for the fault's default.
        parameters: of the fault, by name.
    """

    kind: str
    at: str | float = 0.0
    duration: str | float | None = None
    target: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """Seconds after the start of the run.

        Raises:
            ConfigError: ``at`` is no time.
        """
        return seconds_of(self.at, f"fault {self.kind}: at", least=0.0)

    @property
    def lasting(self) -> float | None:
        """Seconds that it lasts, None for the fault's default.

        Raises:
            ConfigError: ``duration`` is none.
        """
        if self.duration is None:
            return None
        return seconds_of(self.duration, f"fault {self.kind}: duration")

    def place(self, layout: Layout) -> str:
        """Return the address of the place that is struck on a site.

        Raises:
            ConfigError: there is no such fault, or no place for it.
        """
        return resolved_target(FAULTS, layout, self.kind, self.target)


def checked(faults: Iterable[PlannedFault], layout: Layout) -> list[PlannedFault]:
    """Return the faults in order of time.

    Raises:
        ConfigError: one of them does not exist, cannot be there, or has a wrong parameter or time.
    """
    plans = _listed(faults)
    for plan in plans:
        parse_fault(FAULTS, plan.kind, plan.parameters)
        place_of(FAULTS, layout, plan.kind, plan.place(layout))
        _ = plan.lasting
    return sorted(plans, key=lambda plan: plan.start)


def within(faults: Iterable[PlannedFault], seconds: float) -> list[PlannedFault]:
    """Return the faults of a run, each of which begins before its end.

    Args:
        faults: of the run.
        seconds: that it lasts.

    Raises:
        ConfigError: one of them is none, or would begin too late.
    """
    plans = _listed(faults)
    for plan in plans:
        if plan.start >= seconds:
            raise ConfigError(
                f"fault {plan.kind}: at: is {plan.at!r}, and the run ends after {seconds:g} s; let "
                "it begin before, or the run last longer"
            )
    return plans


def _listed(faults: object) -> list[PlannedFault]:
    if not isinstance(faults, Iterable):
        raise ConfigError(f"faults: is {faults!r}; give a list of twin.Fault(kind, at=…)")
    plans = list(faults)
    for plan in plans:
        if not isinstance(plan, PlannedFault):
            raise ConfigError(f"faults: {plan!r} is no fault; write twin.Fault(kind, at=…)")
    return plans


def moment_of(value: Any) -> float:
    """Return the unix time of the start of a run.

    Raises:
        ConfigError: it is none.
    """
    try:
        moment = float(value)
    except (TypeError, ValueError):
        moment = math.nan
    if not math.isfinite(moment):
        raise ConfigError(
            f"start: is {value!r}; give seconds of unix time, as datetime.timestamp() returns them"
        )
    return moment


def seconds_of(value: str | float, what: str, least: float | None = None) -> float:
    """Return the seconds of a duration.

    Args:
        value: seconds, or a text such as ``5m``.
        what: is given, for the error.
        least: that it may be; None for anything above 0.

    Raises:
        ConfigError: it is no duration, or too short.
    """
    try:
        seconds = parse_duration(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ConfigError(f"{what}: is {value!r}; write seconds, or a text such as 30s, 5m or 2h")
    if seconds < least if least is not None else seconds <= 0.0:
        bound = "above 0" if least is None else f"{least:g} s or more"
        raise ConfigError(f"{what}: is {value!r}; that must be {bound}")
    return seconds
