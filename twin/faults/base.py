"""Base of all faults: a named, typed change of the plant's conditions, with a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from twin.described import Described

if TYPE_CHECKING:  # describing faults needs neither
    from twin.plant import Conditions
    from twin.site import Layout, Target

__all__ = ["Fault", "FaultContext", "FaultParameter"]


class FaultParameter(NamedTuple):
    """A parameter of a fault: its name, default and meaning."""

    name: str
    default: float
    description: str


@dataclass(frozen=True, slots=True)
class FaultContext:
    """Place and age of a fault, and the conditions that it changes.

    Attributes:
        conditions: of the whole site; the fault changes them.
        layout: the site.
        target: the place, of the fault's kind.
        age: simulated seconds since the fault began.
    """

    conditions: Conditions
    layout: Layout
    target: Target
    age: float

    @property
    def place(self) -> tuple[int, int]:
        """Index of the target in the arrays of its class: unit, device."""
        return self.target.unit, self.target.device


class Fault(Described, ABC):
    """Base of all faults; the fields of a subclass are its parameters.

    Class attributes:
        kind: name on the command line and on the bus.
        system: the part of the site it belongs to.
        title: what happens, in a few words.
        target: kind of place that it is applied to.
        default_target: the place that it is applied to when none is given, where the site has
            it; elsewhere see :func:`twin.faults.default_target`.
        default_seconds: duration when none is given.
        severity: ``warning`` or ``critical``, as an operator would see it.
        shows: the symptoms to expect.
    """

    kind: ClassVar[str]
    system: ClassVar[str]
    title: ClassVar[str]
    target: ClassVar[str]
    default_target: ClassVar[str]
    default_seconds: ClassVar[float]
    severity: ClassVar[str]
    shows: ClassVar[str]

    @classmethod
    def parameters(cls) -> tuple[FaultParameter, ...]:
        """Return the parameters that can be set."""
        descriptions = cls.descriptions() if cls.model_fields else {}
        return tuple(
            FaultParameter(name, field.default, descriptions.get(name, ""))
            for name, field in cls.model_fields.items()
        )

    @classmethod
    def refusal(cls, layout: Layout, target: Target) -> str | None:
        """Return why the place cannot have this fault, None where it can."""
        del layout, target
        return None

    @classmethod
    def shows_at(cls, layout: Layout, target: Target) -> bool:
        """Return whether the fault would show at a place that can have it."""
        del layout, target
        return True

    @abstractmethod
    def apply(self, context: FaultContext) -> None:
        """Write this fault into the conditions of ``context``."""
