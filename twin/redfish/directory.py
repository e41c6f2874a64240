"""Directory of a site's BMCs: their names, and what each manages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twin.aggregator import Store
from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.redfish.kinds import BMC_KINDS
from twin.redfish.table import BmcKind
from twin.redfish.view import BmcView

__all__ = ["Bmc", "Directory"]


@dataclass(frozen=True, slots=True)
class Bmc:
    """One BMC.

    Attributes:
        kind: of it.
        rack: index of its rack.
        host: index of what it manages in the rack.
    """

    kind: BmcKind
    rack: int
    host: int


class Directory:
    """The BMCs of the chosen racks, in order of the racks.

    Names follow the racks' metadata, so a BMC is found by the name that its host has now.

    Args:
        store: has the names.
        racks: names of racks; none for all.

    Attributes:
        chosen: names of these racks.
        bmcs: all of them.
        version: grows whenever a name changes.

    Raises:
        ConfigError: there is no such rack.
    """

    def __init__(self, store: Store, racks: Iterable[str] = ()) -> None:
        self._store = store
        layout = store.layout
        chosen = _numbers(store, racks)
        self.chosen = [layout.unit_name(UnitKind.RACK, rack) for rack in chosen]
        site = layout.site
        self.bmcs = [
            Bmc(kind, rack, host)
            for rack in chosen or range(layout.units(UnitKind.RACK))
            for kind in BMC_KINDS
            if kind.stands(site, rack)
            for host in range(kind.hosts.count(site))
        ]
        self.version = 0
        self._names: dict[str, Bmc] = {}
        self._name_of: dict[Bmc, str] = {}
        self._of_rack: defaultdict[int, list[Bmc]] = defaultdict(list)
        for bmc in self.bmcs:
            self._of_rack[bmc.rack].append(bmc)
        self.refresh(self._of_rack)

    def __len__(self) -> int:
        return len(self.bmcs)

    def __iter__(self) -> Iterator[Bmc]:
        return iter(self.bmcs)

    def refresh(self, racks: Iterable[int]) -> None:
        """Take over the present names of the hosts of some racks, which have their indices."""
        self.version += 1
        renamed = [bmc for rack in racks for bmc in self._of_rack.get(rack, ())]
        for bmc in renamed:
            old = self._name_of.pop(bmc, "").lower()
            if self._names.get(old) == bmc:
                del self._names[old]
        for bmc in renamed:
            name = f"{self.view(bmc).managed}{bmc.kind.suffix}"
            self._name_of[bmc] = name
            self._names[name.lower()] = bmc

    def find(self, name: str) -> Bmc | None:
        """Return the BMC of a name, with or without a domain, in whatever case."""
        name = name.lower()
        return self._names.get(name) or self._names.get(name.partition(".")[0])

    def view(self, bmc: Bmc) -> BmcView:
        """Return what a BMC sees now."""
        return BmcView(self._store, bmc.kind, bmc.rack, bmc.host)

    def name(self, bmc: Bmc) -> str:
        """Return the name of a BMC."""
        return self._name_of[bmc]

    def rack_name(self, bmc: Bmc) -> str:
        """Return the name of the rack of a BMC."""
        return self._store.layout.unit_name(UnitKind.RACK, bmc.rack)


def _numbers(store: Store, racks: Iterable[str]) -> list[int]:
    numbers = []
    for name in racks:
        rack = store.layout.unit_index(UnitKind.RACK, name)
        if rack is None:
            layout = store.layout
            last = layout.unit_name(UnitKind.RACK, layout.units(UnitKind.RACK) - 1)
            raise ConfigError(
                f"--rack {name!r}: site {layout.site.name} has no such rack; the last is {last}"
            )
        numbers.append(rack)
    return sorted(set(numbers))
