"""One rack in detail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from twin.aggregator.page.floor import Floor
from twin.aggregator.page.rack import Racks, groups_of
from twin.aggregator.store import Store
from twin.catalog import UnitKind
from twin.site import Layout, load_site, preset_names

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed


@pytest.fixture
def racks(feed: Feed) -> Racks:
    """What can be said of the fed racks."""
    return Racks(feed.core.store, Floor(feed.core.store))


def test_every_device_of_the_rack(feed: Feed, racks: Racks) -> None:
    """All GPUs, NIC ports, pumps and phases are there with the values of their frame."""
    feed.site()
    rack = racks.describe(1)
    assert (rack["rack"], rack["array"], rack["hall"]) == ("r0002", "a001", "h1")
    assert rack["devices"]["gpu"]["power"] == [
        round(value) for value in feed.outputs["gpu"]["power_usage"][1].tolist()
    ]
    counts = {group.key: len(rack["devices"][group.key]["power"]) for group in racks.groups
              if group.key in {"gpu", "server", "pump", "pdu"}}  # fmt: skip
    assert counts == {"gpu": 4, "server": 2, "pump": 2, "pdu": 3}
    assert len(rack["devices"]["nic"]["up"]) == 4
    orjson.dumps(rack)


def test_a_silent_rack_says_why(feed: Feed, racks: Racks) -> None:
    """Of a rack that never reported nothing is known but the reason."""
    feed.frame(UnitKind.RACK, 0)
    rack = racks.describe(1)
    assert (rack["reporting"], rack["missing"], rack["time"]) == (False, "never_seen", None)
    assert set(rack["figures"].values()) == {None}
    assert rack["devices"]["gpu"]["temperature"] == [None] * 4


@pytest.mark.parametrize("name", preset_names())
def test_groups_exist_on_every_site(name: str) -> None:
    """Every group and column that is offered is reported, and matrices have whole rows."""
    layout = Layout(load_site(name))
    for group in groups_of(layout):
        reported = {signal.name for signal in layout.reported[group.device.name]}
        assert {column.signal for column in group.columns} <= reported
        assert group.columns
        assert not group.rows or layout.per_unit(group.device) % group.rows == 0


def test_every_shipped_site_can_be_described() -> None:
    """A site whose accelerators are no GPUs can be looked at too."""
    store = Store(Layout(load_site("ultracluster")))
    rack = Racks(store, Floor(store)).describe(0)
    assert len(rack["devices"]["neuroncore"]["utilization"]) == 128
