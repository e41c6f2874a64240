"""Fault schedule: the faults in force, from injection to clearing or expiry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import ValidationError

from twin.errors import ConfigError, did_you_mean, validation_message
from twin.faults.base import Fault, FaultContext
from twin.faults.gateways import Gateways
from twin.faults.places import default_target
from twin.faults.telemetry import GatewayFault

if TYPE_CHECKING:
    from twin.plant import Conditions, DraftConditions
    from twin.site import Layout, Target

__all__ = ["AppliedFault", "FaultSchedule", "parse_fault", "place_of", "resolved_target"]


@dataclass(frozen=True, slots=True)
class AppliedFault:
    """A fault in force.

    Attributes:
        id: identifier of the command that injected it.
        fault: the fault with its parameters.
        target: the place that it is applied to.
        since: simulated time at which it began, in seconds.
        until: simulated time at which it ends.
    """

    id: str
    fault: Fault
    target: Target
    since: float
    until: float


def parse_fault(
    registry: Mapping[str, type[Fault]], kind: str, parameters: Mapping[str, float]
) -> Fault:
    """Return the fault of that kind with these parameters.

    Raises:
        ConfigError: there is no such fault, or a parameter is wrong.
    """
    _check_kind(registry, kind)
    try:
        return registry[kind].model_validate(dict(parameters))
    except ValidationError as error:
        raise ConfigError(validation_message(error, f"fault {kind}")) from error


def place_of(registry: Mapping[str, type[Fault]], layout: Layout, kind: str, target: str) -> Target:
    """Return the place of a site that a kind of fault is applied to.

    Raises:
        ConfigError: there is no such fault or place, the place is of another kind, or it cannot
            have this fault.
    """
    _check_kind(registry, kind)
    fault, place = registry[kind], _place(layout, target)
    if place.kind != fault.target:
        raise ConfigError(
            f"fault {kind} is applied to a {fault.target}, for example {fault.default_target}; "
            f"{target!r} is a {place.kind}"
        )
    refusal = fault.refusal(layout, place)
    if refusal is not None:
        raise ConfigError(f"fault {kind} cannot be applied to {target}: {refusal}")
    return place


def resolved_target(
    registry: Mapping[str, type[Fault]], layout: Layout, kind: str, target: str | None
) -> str:
    """Return the address that a kind of fault is applied to: the given one, or the site's default.

    Raises:
        ConfigError: there is no such fault, or none is given and no place can have it.
    """
    _check_kind(registry, kind)
    return default_target(registry[kind], layout) if target is None else target


def _check_kind(registry: Mapping[str, type[Fault]], kind: str) -> None:
    if kind not in registry:
        known = did_you_mean(kind, registry) or f"; the faults are {', '.join(registry)}"
        raise ConfigError(f"fault {kind!r} does not exist{known}")


# Describing faults needs neither site nor plant, which are slow to import.


def _place(layout: Layout, target: str) -> Target:
    from twin.site import find_target  # noqa: PLC0415

    return find_target(layout, target)


class FaultSchedule:
    """Keeps the faults in force over simulated time.

    Args:
        layout: the site.
        registry: kind to fault class.
    """

    MOST = 640
    """Faults in force at a time: what lists them, however long their names, is one message that
    broker and aggregator take."""

    def __init__(self, layout: Layout, registry: Mapping[str, type[Fault]]) -> None:
        self._layout = layout
        self._registry = registry
        self._active: list[AppliedFault] = []
        self._draft: DraftConditions | None = None

    # Made on first use: checking faults needs no arrays.
    @cached_property
    def _healthy(self) -> Conditions:
        from twin.plant import Conditions  # noqa: PLC0415

        conditions = Conditions.healthy(self._layout)
        conditions.freeze()
        return conditions

    @cached_property
    def _healthy_gateways(self) -> Gateways:
        gateways = Gateways.healthy(self._layout)
        for field in fields(gateways):
            getattr(gateways, field.name).flags.writeable = False
        return gateways

    @property
    def is_full(self) -> bool:
        """Whether no further fault can be taken."""
        return len(self._active) >= self.MOST

    @property
    def active(self) -> tuple[AppliedFault, ...]:
        """Faults in force, in order of injection."""
        return tuple(self._active)

    def inject(
        self,
        identifier: str,
        kind: str,
        target: str | None,
        now: float,
        seconds: float | None = None,
        parameters: Mapping[str, float] | None = None,
    ) -> AppliedFault:
        """Start a fault at ``now`` and return it; an error leaves the schedule unchanged.

        Args:
            identifier: of the command.
            kind: of fault.
            target: the place, as a person writes it; None for the site's default.
            now: simulated time.
            seconds: how long; None for the fault's default.
            parameters: of the fault.

        Raises:
            ConfigError: unknown fault, wrong parameter or duration, a target of the wrong kind
                or that does not exist, the same fault is in force there, or too many are.
        """
        struck = self.applied_fault(identifier, kind, target, (now, now), parameters or {})
        if self.is_full:
            raise ConfigError(
                f"{self.MOST} faults are already in force, and a list of more would not fit into "
                "one message; clear some first"
            )
        for other in self._active:
            if other.fault.kind == kind and other.target.meets(struck.target):
                raise ConfigError(
                    f"fault {kind} is already applied to {other.target.text} for another "
                    f"{other.until - now:.0f} s; clear it first"
                )
        lasting = struck.fault.default_seconds if seconds is None else seconds
        if not lasting > 0.0:
            raise ConfigError(f"fault {kind}: its duration is {lasting:g} s; that must be above 0")
        struck = replace(struck, until=now + lasting)
        self._active.append(struck)
        return struck

    def applied_fault(
        self,
        identifier: str,
        kind: str,
        target: str | None,
        times: tuple[float, float],
        parameters: Mapping[str, float],
    ) -> AppliedFault:
        """Return a fault as it would be applied, without applying it.

        Args:
            identifier: of the command.
            kind: of fault.
            target: the place, as a person writes it; None for the site's default.
            times: simulated time at which it begins and at which it ends.
            parameters: of the fault.

        Raises:
            ConfigError: unknown fault, wrong parameter, a target of the wrong kind or
                that does not exist.
        """
        fault = parse_fault(self._registry, kind, parameters)
        text = resolved_target(self._registry, self._layout, kind, target)
        place = place_of(self._registry, self._layout, kind, text)
        return AppliedFault(identifier, fault, place, *times)

    def restore(self, strikes: Iterable[AppliedFault]) -> None:
        """Restore the faults that were in force, up to the maximum number."""
        self._active = list(strikes)[: self.MOST]

    def clear(
        self, kind: str | None = None, target: str | None = None, at: float | None = None
    ) -> int:
        """End the faults of this kind and target (None for any) and return their number.

        Args:
            kind: of fault.
            target: the place, as a person writes it.
            at: simulated time at which they end; None for at once.

        Raises:
            ConfigError: the kind does not exist.
            TargetError: the target does not exist.
        """
        if kind is not None:
            _check_kind(self._registry, kind)
        place = None if target is None else _place(self._layout, target)
        meant = [
            kind in (None, active.fault.kind) and place in (None, active.target)
            for active in self._active
        ]
        pairs = list(zip(self._active, meant, strict=True))
        if at is None:
            self._active = [active for active, ends in pairs if not ends]
        else:
            self._active = [
                replace(active, until=min(active.until, at)) if ends else active
                for active, ends in pairs
            ]
        return sum(meant)

    def expire(self, now: float) -> bool:
        """End the faults whose time is up and return whether there were any."""
        keep = [active for active in self._active if active.until > now]
        ended = len(keep) != len(self._active)
        self._active = keep
        return ended

    def conditions(self, now: float) -> Conditions:
        """Return the plant's conditions at simulated time ``now``.

        They are read-only. As long as nothing changes, every call returns the same object: what
        goes by conditions need not look at them again.
        """
        active = [own for own in self._active if own.since <= now]
        if not active:
            return self._healthy
        from twin.plant import DraftConditions  # noqa: PLC0415

        draft = DraftConditions(self._healthy)
        for own in active:
            age = max(0.0, now - own.since)
            own.fault.apply(FaultContext(draft, self._layout, own.target, age))
        before, self._draft = self._draft, draft
        return draft.done(before)

    def gateways(self, now: float) -> Gateways:
        """Return the state of the racks' gateways; read-only and shared if there is no fault."""
        active = [
            (own.fault, own.target.unit)
            for own in self._active
            if isinstance(own.fault, GatewayFault) and own.since <= now
        ]
        if not active:
            return self._healthy_gateways
        gateways = Gateways.healthy(self._layout)
        for fault, rack in active:
            fault.disturb(gateways, rack)
        return gateways
