"""State of a plant: all that changes while it runs, as named arrays and plain values.

Names are the attributes that lead to a value, as ``halls.gpus.temperature``. A state is
applied to a new plant of the same site: what the state lacks keeps the new plant's value,
what it has and the plant does not is left out, and a value of another shape or type is
refused. So a release that adds or drops a part of the state still reads what came before it.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.plant.plant import Plant

__all__ = ["PlantState", "PlantStateError", "restore_plant", "state_of"]

_GIVEN = ("twin.parameters", "twin.site", "twin.catalog")
"""Packages whose objects are the site's description: a new plant has them already."""
_OF_ANY_LENGTH = frozenset({"course"})
"""Arrays with a value for each part of a step, of which there are as many as dt wants."""
_KINDS = "biuf"
"""Kinds of arrays that a plant has: truths and numbers."""
_END_SECONDS = 1e11
_MOST = 1e30
"""Beyond what any quantity of a plant is, in its unit."""
_UNFIT = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)
_PLAIN = (bool, int, float, str, type(None))
_NUMBERS = (int, float)
_SEQUENCES: Mapping[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "deque": deque,
    "set": set,
    "frozenset": frozenset,
    "slice": lambda ends: slice(*ends),
    "range": lambda ends: range(*ends),
}


class PlantStateError(ValueError):
    """A state does not fit the plant; the text says where and how."""


@dataclass(slots=True)
class PlantState:
    """The state of a plant.

    Attributes:
        tree: plain values as JSON has them; objects, arrays and other types are objects of one
            key that names the type, prefixed with ``$``.
        arrays: every array by its name.
    """

    tree: Any = None
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def state_of(plant: Plant) -> PlantState:
    """Return the state of a plant; its arrays are the plant's own until the next step."""
    taken = PlantState()
    taken.tree = _Taker(taken.arrays).value(plant, "plant")
    return taken


def restore_plant(plant: Plant, state: PlantState) -> None:
    """Give a new plant a state that was taken of another.

    Raises:
        PlantStateError: a part of it does not fit the plant.
    """
    restorer = _Restorer(state.arrays, plant)
    try:
        restorer.value(state.tree, plant, "plant")
    except PlantStateError:
        raise
    except _UNFIT as error:
        raise PlantStateError(f"{restorer.at} is not a plant's state ({error!r})") from error
    if not 0.0 <= plant.time < _END_SECONDS:
        raise PlantStateError(f"the plant has run for {plant.time!r} s")


def _attributes(thing: object) -> Iterator[tuple[str, Any]]:
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(thing, name):
                yield name, getattr(thing, name)


class _Taker:
    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self._seen: dict[int, str] = {}
        self._alive: list[object] = []  # an id is only good for as long as its object

    def value(self, thing: Any, name: str) -> Any:
        if isinstance(thing, Enum):
            return {"$enum": [type(thing).__name__, thing.value]}
        if isinstance(thing, _PLAIN):
            return thing
        if isinstance(thing, np.generic):
            self._arrays[name] = np.asarray(thing)
            return {"$scalar": name}
        if id(thing) in self._seen:
            return {"$same": self._seen[id(thing)]}
        return self._compound(thing, name)

    def _note(self, thing: object, name: str) -> None:
        self._seen[id(thing)] = name
        self._alive.append(thing)

    def _compound(self, thing: Any, name: str) -> Any:
        kind = type(thing).__name__
        if isinstance(thing, (slice, range)):
            return {f"${kind}": [thing.start, thing.stop, thing.step]}
        if isinstance(thing, (list, tuple, deque, set, frozenset)):
            items = [self.value(item, f"{name}.{n}") for n, item in enumerate(thing)]
            return items if isinstance(thing, list) else {f"${kind}": items}
        if isinstance(thing, dict):
            pairs = [
                [self.value(key, name), self.value(item, f"{name}.{key}")]
                for key, item in thing.items()
            ]
            return {"$dict": pairs}
        if callable(thing) or type(thing).__module__.startswith(_GIVEN):
            return {"$given": kind}
        self._note(thing, name)
        return self._whole(thing, name, kind)

    def _whole(self, thing: Any, name: str, kind: str) -> Any:
        if isinstance(thing, np.random.Generator):
            return {"$random": thing.bit_generator.state}
        if isinstance(thing, np.ndarray):
            self._arrays[name] = thing
            return {"$array": name}
        attributes = {key: self.value(own, f"{name}.{key}") for key, own in _attributes(thing)}
        return {"$object": kind, "name": name, "attributes": attributes}


class _Restorer:
    def __init__(self, arrays: Mapping[str, NDArray[Any]], plant: Plant) -> None:
        self._arrays = arrays
        self._made: dict[str, Any] = {}
        self._classes = _classes() | {type(plant).__name__: type(plant)}
        self.at = "plant"
        self._readers: dict[str, Callable[[Any, Any, str], Any]] = {
            "$given": lambda _content, new, _name: new,
            "$same": lambda content, _new, _name: self._made[content],
            "$array": self._array,
            "$scalar": lambda content, new, name: self._array(content, np.asarray(new), name)[()],
            "$enum": lambda content, new, name: self._class(content[0], new, name)(content[1]),
            "$random": self._random,
            "$dict": self._dict,
        }

    def value(self, saved: Any, new: Any, name: str) -> Any:
        """Return what a saved value stands for.

        Args:
            saved: as the tree has it.
            new: value of the new plant there, None where it has none.
            name: of the value.
        """
        self.at = name
        if isinstance(saved, list):
            return self._items(saved, new, name)
        if not isinstance(saved, dict):
            return _plain(saved, new, name)
        kind, content = next(iter(saved.items()), ("", []))
        if kind == "$object":
            return self._object(saved, new, name)
        if kind in self._readers:
            return self._readers[kind](content, new, name)
        if kind[1:] not in _SEQUENCES:
            raise PlantStateError(f"{name} is of the unknown kind {kind!r}")
        items = self._items(content, new, name)
        if isinstance(new, deque):
            return deque(items, new.maxlen)
        return _SEQUENCES[kind[1:]](items)

    def _items(self, content: list[Any], new: Any, name: str) -> list[Any]:
        return [self.value(own, _item(new, n), f"{name}.{n}") for n, own in enumerate(content)]

    def _object(self, saved: dict[str, Any], new: Any, name: str) -> Any:
        kind = self._class(saved["$object"], new, name)
        frozen = getattr(getattr(kind, "__dataclass_params__", None), "frozen", False)
        # Two objects of the state may be one in the new plant: only the first may be it.
        taken = any(new is other for other in self._made.values())
        reused = type(new) is kind and not frozen and not taken
        made = new if reused else object.__new__(kind)
        known = dict(_attributes(new)) if type(new) is kind else {}
        if made is not new:
            for key, own in known.items():
                object.__setattr__(made, key, own)
        self._made[saved["name"]] = made
        for key, own in saved["attributes"].items():
            if key in known or not known:
                own_name = f"{name}.{key}"
                object.__setattr__(made, key, self.value(own, known.get(key), own_name))
        return made

    def _class(self, kind: str, new: Any, name: str) -> type[Any]:
        if type(new).__name__ == kind:
            return type(new)
        if kind not in self._classes:
            raise PlantStateError(f"{name} is a {kind!r}, which no plant has")
        return self._classes[kind]

    def _array(self, key: str, new: Any, name: str) -> Any:
        if key not in self._arrays:
            raise PlantStateError(f"the array {key} is missing")
        array = self._arrays[key]
        if array.dtype.kind not in _KINDS:
            raise PlantStateError(f"{name} is of the type {array.dtype}, which no plant has")
        if isinstance(new, np.ndarray) and new.dtype != object:
            if not _same_shape(array.shape, new.shape, name):
                raise PlantStateError(f"{name} has the shape {array.shape}, not {new.shape}")
            if not np.can_cast(array.dtype, new.dtype, "same_kind"):
                raise PlantStateError(f"{name} is of the type {array.dtype}, not {new.dtype}")
            # In its own type and byte order: the plant counts on in the array itself.
            array = array.astype(new.dtype, copy=False)
            if _is_odd(array) and not _is_odd(new):
                raise PlantStateError(f"{name} has values that are no numbers of a plant")
        self._made[name] = array
        return array

    def _random(self, state: dict[str, Any], new: Any, name: str) -> np.random.Generator:
        made = np.random.default_rng()
        made.bit_generator.state = state
        self._made[name] = made
        if not isinstance(new, np.random.Generator):
            raise PlantStateError(f"{name} is not a random generator")
        return made

    def _dict(self, pairs: list[Any], new: Any, name: str) -> dict[Any, Any]:
        old = new if isinstance(new, dict) else {}
        made = {}
        for saved_key, item in pairs:
            key = self.value(saved_key, None, name)
            made[key] = self.value(item, old.get(key), f"{name}.{key}")
        return made


def _is_odd(values: NDArray[Any]) -> bool:
    """Return whether any of the values is no number, or beyond all bounds."""
    return bool(values.dtype.kind == "f" and not (np.abs(values) < _MOST).all())


def _same_shape(saved: tuple[int, ...], new: tuple[int, ...], name: str) -> bool:
    """Return whether an array has the sizes of the plant, or one value for all along an axis."""
    if len(saved) != len(new):
        return False
    any_length = name.rpartition(".")[2] in _OF_ANY_LENGTH
    return any_length or all(1 in {a, b} or a == b for a, b in zip(saved, new, strict=True))


def _item(new: Any, index: int) -> Any:
    """Return what stands at an index of the new plant's sequence, None where nothing does."""
    fits = isinstance(new, (list, tuple, deque)) and index < len(new)
    return new[index] if fits else None


def _plain(saved: Any, new: Any, name: str) -> Any:
    if saved is None or new is None:
        return saved
    truth = isinstance(saved, bool)
    if truth is not isinstance(new, (bool, np.bool_)):
        fits = False
    elif isinstance(new, (*_NUMBERS, np.number)):
        fits = isinstance(saved, _NUMBERS) and (abs(saved) < _MOST or not math.isfinite(new))
    else:
        fits = isinstance(saved, type(new))
    if not fits:
        raise PlantStateError(f"{name} is {saved!r}, which is no {type(new).__name__}")
    return saved


def _classes() -> dict[str, type[Any]]:
    """Return the classes of the plant by their names, of which each stands once."""
    modules = [own for key, own in sys.modules.items() if key.startswith("twin.plant")]
    return {
        name: own
        for module in modules
        for name, own in vars(module).items()
        if isinstance(own, type) and own.__module__.startswith("twin.plant")
    }
