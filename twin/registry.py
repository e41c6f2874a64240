"""Registries: the tables that a program outside the package can add to for a while."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["ByName", "Registry", "View"]

T = TypeVar("T")


class View(Collection[T], Generic[T]):
    """A view of registries, recomputed whenever it is read.

    Args:
        make: returns the items.
    """

    def __init__(self, make: Callable[[], Iterable[T]]) -> None:
        self._make = make

    def __iter__(self) -> Iterator[T]:
        return iter(self._make())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, item: object) -> bool:
        return any(item is own or item == own for own in self)


class Registry(View[T]):
    """A table in order: what ships with the package, then what was added.

    Args:
        shipped: what ships with the package.
    """

    def __init__(self, *shipped: T) -> None:
        self._shipped = self._items = shipped
        super().__init__(lambda: self._items)

    @property
    def is_extended(self) -> bool:
        """Whether something was added to what ships with the package."""
        return len(self._items) > len(self._shipped)

    @contextmanager
    def extended(self, items: Iterable[T]) -> Iterator[None]:
        """Have more items for as long as the context lasts."""
        before = self._items
        self._items = (*before, *items)
        try:
            yield
        finally:
            self._items = before


class ByName(Mapping[str, T]):
    """The items of a registry by their names.

    Args:
        items: the registry.
        name: returns an item's name.
    """

    def __init__(self, items: Iterable[T], name: Callable[[T], str]) -> None:
        self._items = items
        self._name = name

    def __getitem__(self, name: str) -> T:
        for item in self._items:
            if self._name(item) == name:
                return item
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return map(self._name, self._items)

    def __len__(self) -> int:
        return sum(1 for _ in self)
