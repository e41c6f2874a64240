"""Scenario model: a slice of a site, a timeline of faults, and the expected alerts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from twin.described import Described
from twin.scenario.duration import Duration

__all__ = [
    "CHAOS",
    "PIPELINE",
    "AlertClears",
    "AlertFires",
    "AlertMatch",
    "Expect",
    "MisplacedError",
    "Scenario",
    "ScenarioEvent",
]

PIPELINE: Mapping[str, str] = MappingProxyType(
    {
        "emulator-lost": "the broker misses the emulator and publishes its Last Will",
        "broker-lost": "the aggregator loses the broker",
        "aggregator-down": "the aggregator answers no scrape",
        "unit-silent": "one Megapack, generator or the grid meter publishes nothing",
        "messages-refused": "a stranger publishes one invalid message a second",
        "shadow-lost": "the observer publishes nothing",
    }
)
"""What can go wrong with the telemetry itself, beside the faults of ``twin faults``."""

CHAOS: Mapping[str, str] = MappingProxyType(
    {
        "service-stop": "a service is ended in order, and started again",
        "service-pause": "a service is frozen",
        "service-kill": "a service is killed, and started again",
        "service-restart": "a service is ended and started at once",
        "service-cut": "a service is cut off its network, or of one: aggregator/bus",
        "service-slow": "a service is left a share of a core",
    }
)
"""What is done to a service of docker-compose.yml, on a running stack only."""

_DAY = 86_400.0
_AlertName = Annotated[str, Field(min_length=1)]
_Name = Annotated[str, Field(pattern=r"^[a-zA-Z_:][a-zA-Z0-9_:]*$")]


class MisplacedError(ValueError):
    """What is wrong with a scenario as a whole, and where it stands.

    Attributes:
        keys: that lead to the place.
    """

    def __init__(self, text: str, *keys: str | int) -> None:
        super().__init__(text)
        self.keys = keys


class _ScenarioSection(Described):
    model_config = ConfigDict(allow_inf_nan=False)


def _named(value: Any) -> Any:
    return {"alert": value} if isinstance(value, str) else value


class AlertMatch(_ScenarioSection):
    """Instances of an alert, by its name and some of its labels."""

    alert: _AlertName
    """Name of the alert; any words, as for Prometheus."""
    labels: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """Labels that the instance has; more do not matter."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether an instance with these labels is meant."""
        return labels.get("alertname") == self.alert and all(
            labels.get(name) == value for name, value in self.labels.items()
        )


class AlertFires(AlertMatch):
    """An alert that must fire."""

    within: Annotated[Duration, Field(gt=0)] | None = None
    """At most so long after the fault; None for any time after it."""
    after: Annotated[int, Field(ge=1)] = 1
    """Number of the fault that it follows, as the timeline counts them."""


class AlertClears(AlertMatch):
    """An alert that must end: every instance of it that fired."""

    within: Annotated[Duration, Field(gt=0)] | None = None
    """At most so long after the end of the fault; None for the end of the scenario."""
    after: Annotated[int, Field(ge=1)] | None = None
    """Number of the fault with whose end it clears; None for the one that ends last."""


_Match = Annotated[AlertMatch, BeforeValidator(_named)]
_Fires = Annotated[AlertFires, BeforeValidator(_named)]
_Clears = Annotated[AlertClears, BeforeValidator(_named)]


class Expect(_ScenarioSection):
    """What must and must not be seen."""

    fires: tuple[_Fires, ...] = ()
    """Alerts that must fire."""
    never: tuple[_Match, ...] = ()
    """Alerts that must not fire at any time."""
    clears: tuple[_Clears, ...] = ()
    """Alerts that must end."""
    exactly: tuple[_AlertName, ...] | None = None
    """All alerts that fire, by name, and no other; an empty list for none at all."""
    inhibited: tuple[_Match, ...] = ()
    """Alerts that fire, but that Alertmanager does not notify about until the faults are over."""
    notified: tuple[_Match, ...] = ()
    """Alerts for which Alertmanager sends a notification."""

    def alerts(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """Return every alert that is named, with the place where it stands."""
        lists: tuple[tuple[str, tuple[AlertMatch, ...]], ...] = (
            ("fires", self.fires),
            ("never", self.never),
            ("clears", self.clears),
            ("inhibited", self.inhibited),
            ("notified", self.notified),
        )
        named = [
            ((key, index), match.alert) for key, own in lists for index, match in enumerate(own)
        ]
        exact = [(("exactly", index), name) for index, name in enumerate(self.exactly or ())]
        return (*named, *exact)


class ScenarioEvent(_ScenarioSection):
    """Something that goes wrong."""

    kind: str
    """A fault of ``twin faults``, a disturbance of the telemetry, or harm to a service."""
    target: str | None = None
    """Place that it is applied to; None for the fault's own default."""
    at: Annotated[Duration, Field(ge=0)]
    """Simulated time at which it begins."""
    lasts: Annotated[Annotated[Duration, Field(gt=0)] | None, Field(alias="for")] = None
    """How long; None for the fault's own default."""
    parameters: Annotated[dict[str, float], Field(alias="set")] = {}  # noqa: RUF012 - pydantic copies it
    """Parameters of the fault."""

    @property
    def is_fault(self) -> bool:
        """Whether it is a fault of the plant, which a running twin can be told too."""
        return self.kind not in PIPELINE and not self.is_chaos

    @property
    def is_chaos(self) -> bool:
        """Whether it is done to a service of a running stack, which a rule test does not have."""
        return self.kind in CHAOS


class Scenario(_ScenarioSection):
    """A slice of a site, what happens to it, and what must be seen."""

    title: str
    """One line for people."""
    description: str = ""
    """What it is about."""
    site: str | dict[str, Any]
    """A preset, a path to a site's file from the folder of this one, or a section; a section
    may take a ``preset``, or such a path, as its base."""
    workload: str = "training"
    """``training``, ``idle`` or ``trace:NAME``."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of all random numbers."""
    weather: Annotated[float, Field(ge=0)] = 0.0
    """Unix time of the start, for the weather only."""
    duration: Annotated[Duration, Field(gt=0, le=7 * _DAY)]
    """Simulated time."""
    scrape: Annotated[Duration, Field(ge=1, le=300)] = 5.0
    """Scrape interval, in whole seconds."""
    evaluate: Annotated[Duration, Field(ge=1, le=600)] = 5.0
    """Evaluation interval of the rules, in whole seconds."""
    step: Annotated[Duration, Field(ge=1, le=10)] = 1.0
    """Seconds of a step of the physics and between two frames; more than one is for long scenarios
    in which nothing goes wrong."""
    shadow: bool = False
    """Whether an observer runs beside the site, as ``twin shadow`` does: it needs 21 minutes until
    it judges."""
    faults: tuple[ScenarioEvent, ...] = ()
    """What goes wrong, in order of time."""
    shows: tuple[_Name, ...] = ()
    """Metrics on which the faults can be seen directly: a rule that reads one and stays silent
    has missed them."""
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _whole_intervals(self) -> Scenario:
        intervals = {"scrape": self.scrape, "evaluate": self.evaluate, "step": self.step}
        for name, value in intervals.items():
            if not value.is_integer():
                raise MisplacedError(f"{name} is {value:g} s; it must be whole seconds", name)
        if self.scrape % self.step:
            raise MisplacedError("scrape must be a multiple of step", "step")
        if self.faults and self.step > 1.0:
            raise MisplacedError("faults act within a second; leave step out", "step")
        if self.duration % self.scrape or self.duration % self.evaluate:
            raise MisplacedError(
                "duration must be a multiple of scrape and of evaluate", "duration"
            )
        return self

    @model_validator(mode="after")
    def _faults_within(self) -> Scenario:
        for number, event in enumerate(self.faults, 1):
            if event.at >= self.duration:
                text = f"fault {number} begins when the scenario is over"
                raise MisplacedError(text, "faults", number - 1)
        for index, (before, event) in enumerate(pairwise(self.faults), 1):
            if event.at < before.at:
                raise MisplacedError("faults must be in order of time", "faults", index)
        return self

    @model_validator(mode="after")
    def _observer_there(self) -> Scenario:
        for index, event in enumerate(self.faults):
            if event.kind == "shadow-lost" and not self.shadow:
                text = "no observer runs that could be lost; add shadow: true"
                raise MisplacedError(text, "faults", index)
        return self

    @model_validator(mode="after")
    def _expectations_possible(self) -> Scenario:
        expect = self.expect
        followed: tuple[tuple[str, tuple[AlertFires | AlertClears, ...]], ...] = (
            ("fires", expect.fires),
            ("clears", expect.clears),
        )
        for kind, listed in followed:
            for index, own in enumerate(listed):
                if own.after is not None and own.after > max(1, len(self.faults)):
                    raise MisplacedError(
                        f"{own.alert} is expected after fault {own.after}, "
                        f"but there are {len(self.faults)}",
                        *("expect", kind, index),
                    )
        never = {match.alert for match in expect.never if not match.labels}
        exact = expect.exactly
        for keys, alert in expect.alerts():
            wanted, where = keys[0], ("expect", *keys)
            if wanted == "exactly" and alert in never:
                raise MisplacedError(f"{alert} is in exactly and in never", *where)
            if wanted not in ("fires", "notified", "inhibited"):
                continue
            if alert in never:
                raise MisplacedError(f"{alert} is expected to fire and never to fire", *where)
            if exact is not None and alert not in exact:
                text = f"{alert} is expected to fire, but is not in exactly"
                raise MisplacedError(text, *where)
        return self
