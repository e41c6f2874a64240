"""Query parameters of Redfish: ``$expand``, ``$select``, ``$top``, ``$skip`` and ``only``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from twin.redfish.messages import BaseMessage, RedfishError
from twin.redfish.schemas import Payload, link

__all__ = ["MOST_EXPANDED", "ResourceQuery"]

_EXPAND = re.compile(r"([.*~])(?:\(\$levels=(\d+)\))?")
_MOST_LEVELS = 2
MOST_EXPANDED = 2000
"""Resources that one answer expands; the rest stay links."""
_ANNOTATED = "@odata.id"

_Find = Callable[[str], "Payload | None"]


@dataclass(slots=True)
class ResourceQuery:
    """What a request asks of a resource.

    Attributes:
        expand: which links are expanded: ``.`` for those outside ``Links``, ``~`` for those in
            it, ``*`` for all; empty for none.
        levels: how deep.
        select: names of the properties that are wanted; none for all.
        top: members at most, None for all.
        skip: members that are left out from the start.
        only: whether the only member of a collection takes its place.
    """

    expand: str = ""
    levels: int = 1
    select: tuple[str, ...] = ()
    top: int | None = None
    skip: int = 0
    only: bool = False

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> ResourceQuery:
        """Return what the parameters of a URL ask.

        Raises:
            RedfishError: there is no such parameter, or its value is of no use.
        """
        query = cls()
        for name, value in pairs:
            if name == "only":
                query.only = True
            elif name == "$expand":
                query.expand, query.levels = _expansion(value)
            elif name == "$select":
                query.select = tuple(own.strip() for own in value.split(",") if own.strip())
            elif name == "$top":
                query.top = _count(name, value)
            elif name == "$skip":
                query.skip = _count(name, value)
            elif name.startswith("$"):
                raise RedfishError(BaseMessage.QUERY_UNSUPPORTED, name)
        return query

    def apply(self, payload: Payload, find: _Find) -> Payload:
        """Return what is asked of a resource.

        Args:
            payload: the resource.
            find: returns the resource at a path.
        """
        members = payload.get("Members")
        if members is not None:
            if self.only and len(members) == 1:
                return find(members[0][_ANNOTATED]) or payload
            payload = self._page(payload, members)
        if self.expand:
            payload = _Expansion(self.expand, find).of(payload, self.levels)
        return self._selected(payload)

    def _page(self, payload: Payload, members: list[Payload]) -> Payload:
        if self.skip == 0 and self.top is None:
            return payload
        end = len(members) if self.top is None else self.skip + self.top
        page = {**payload, "Members": members[self.skip : end]}
        if end < len(members):
            page["Members@odata.nextLink"] = (
                f"{payload[_ANNOTATED]}?$skip={end}&$top={self.top}" if self.top else
                payload[_ANNOTATED]
            )  # fmt: skip
        return page

    def _selected(self, payload: Payload) -> Payload:
        if not self.select:
            return payload
        wanted = {name.partition("/")[0] for name in self.select}
        return {
            name: value for name, value in payload.items() if name in wanted or name.startswith("@")
        }


class _Expansion:
    """The expansion of links, which stops at :data:`MOST_EXPANDED` resources."""

    def __init__(self, which: str, find: _Find) -> None:
        self._outside = which in ".*"
        self._inside = which in "~*"
        self._find = find
        self._left = MOST_EXPANDED

    def of(self, payload: Payload, levels: int) -> Payload:
        """Return a resource with its links expanded."""
        return {name: self._value(name, value, levels) for name, value in payload.items()}

    def _value(self, name: str, value: Any, levels: int, *, within: bool = False) -> Any:
        if isinstance(value, list):
            return [self._value(name, own, levels, within=within) for own in value]
        if not isinstance(value, Mapping):
            return value
        if value.keys() == {_ANNOTATED}:
            wanted = self._inside if within else self._outside
            return self._resource(value[_ANNOTATED], levels) if wanted else value
        within = within or name == "Links"
        return {own: self._value(own, of, levels, within=within) for own, of in value.items()}

    def _resource(self, path: str, levels: int) -> Payload:
        found = self._find(path) if self._left > 0 else None
        if found is None:
            return link(path)
        self._left -= 1
        return self.of(found, levels - 1) if levels > 1 else found


def _expansion(text: str) -> tuple[str, int]:
    match = _EXPAND.fullmatch(text)
    if match is None:
        raise RedfishError(BaseMessage.QUERY_VALUE, text, "$expand")
    levels = int(match[2] or 1)
    if not 1 <= levels <= _MOST_LEVELS:
        raise RedfishError(BaseMessage.QUERY_RANGE, str(levels), "$expand", f"1 - {_MOST_LEVELS}")
    return match[1], levels


def _count(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 6:  # noqa: PLR2004 - no collection has a million
        raise RedfishError(BaseMessage.QUERY_VALUE, text, name)
    return int(text)
