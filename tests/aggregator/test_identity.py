"""Identity: names that a rack announces are exposed, within bounds that strangers cannot move."""

from __future__ import annotations

from typing import Any
from uuid import uuid5

import pytest

from tests.aggregator.conftest import Feed
from twin.aggregator.identity import SETTLE_SECONDS
from twin.catalog import UnitKind
from twin.site.identity import _NAMESPACE
from twin.wire import RackMeta, rack_meta

REAL: dict[str, Any] = {
    "rack": "r0001",
    "gpu_model": "NVIDIA H200",
    "gpu_uuids": ("GPU-a", "GPU-b", "GPU-c", "GPU-d"),
    "gpu_pci_addresses": ("0000:01:00.0",) * 4,
    "hostnames": ("node17.example", "node18.example"),
    "driver_version": "580.65.06",
}


def announce(feed: Feed, topic: str = "r0001", **changes: object) -> None:
    """Publish metadata of a rack."""
    feed.send(f"twin/v1/small/meta/rack/{topic}", RackMeta(**{**REAL, **changes}).encode())


def page(feed: Feed, array: int = 0) -> str:
    """Return what is exposed of an array, every unit reporting."""
    for rack in range(3):
        feed.frame(UnitKind.RACK, rack, ts=feed.now, seq=int(feed.now))
    return bytes(feed.core.array(array)).decode()


def refused(feed: Feed, reason: str) -> float:
    """Return how many messages were refused for a reason."""
    text = bytes(feed.core.metrics()).decode()
    line = f'twin_messages_refused_total{{reason="{reason}"}} '
    return next(float(own.removeprefix(line)) for own in text.splitlines() if own.startswith(line))


def test_announced_names_are_exposed(feed: Feed) -> None:
    """A rack that announces real names is exposed under them, at the place that the site says."""
    assert 'Hostname="r0001-n1"' in page(feed)
    announce(feed)
    text = page(feed)
    assert (
        'DCGM_FI_DEV_GPU_TEMP{gpu="0",UUID="GPU-c",pci_bus_id="0000:01:00.0",device="nvidia0",'
        'modelName="NVIDIA H200",Hostname="node18.example",DCGM_FI_DRIVER_VERSION="580.65.06",'
        'job="dcgm-exporter",instance="node18.example:9400",'
        'site="small",hall="h1",array="a001",rack="r0001"}'
    ) in text
    assert 'instance="node17.example:9100"' in text
    assert 'instance="r0001-n1' not in text
    assert 'Hostname="r0002-n1"' in text


def test_uuids_are_those_of_the_standard(feed: Feed) -> None:
    """GPUs have the UUIDs of version 5 that their places give."""
    names = feed.core.layout.names
    wanted = tuple(f"GPU-{uuid5(_NAMESPACE, f'small/2/{gpu}')}" for gpu in range(4))
    assert names.rack(2).gpu_uuids == wanted


def test_what_the_twin_announces_is_what_the_site_file_says(feed: Feed) -> None:
    """An emulated rack keeps its names and no series begins anew."""
    before = page(feed)
    for rack in range(3):
        meta = rack_meta(feed.layout.names, rack)
        feed.send(f"twin/v1/small/meta/rack/{meta.rack}", meta.encode())
    assert page(feed) == before


def test_deleted_metadata_gives_the_site_file_its_names_back(feed: Feed) -> None:
    """An empty retained message ends what was announced."""
    before = page(feed)
    announce(feed)
    feed.now += SETTLE_SECONDS
    feed.send("twin/v1/small/meta/rack/r0001", b"")
    text = page(feed)
    assert "node17" not in text
    assert text.count("Hostname=") == before.count("Hostname=")


@pytest.mark.parametrize(
    ("topic", "changes", "reason"),
    [
        ("r0009", {"rack": "r0009"}, "foreign"),
        ("r0002", {}, "foreign"),
        ("r0001", {"gpu_uuids": ("GPU-a",)}, "shape"),
        ("r0001", {"hostnames": ("a", "b", "c")}, "shape"),
        ("r0001", {"gpu_pci_addresses": ("a",)}, "shape"),
        ("r0001", {"hostnames": ("a", "a")}, "value"),
        ("r0001", {"gpu_uuids": ("a", "a", "b", "c")}, "value"),
        ("r0001", {"hostnames": ("r0002-n1", "b")}, "value"),
    ],
)
def test_wrong_metadata_is_refused(
    feed: Feed, topic: str, changes: dict[str, object], reason: str
) -> None:
    """Other counts, double names and another rack's names change nothing and are counted."""
    before, counted = page(feed), refused(feed, reason)
    announce(feed, topic, **changes)
    assert page(feed).count("Hostname=") == before.count("Hostname=")
    assert "NVIDIA H200" not in page(feed)
    assert refused(feed, reason) == counted + 1


def test_a_rack_cannot_take_an_announced_name(feed: Feed) -> None:
    """A host name or UUID that a rack announced is that rack's, until it gives it up."""
    announce(feed)
    announce(feed, "r0002", rack="r0002", gpu_uuids=("w", "x", "y", "z"))
    announce(feed, "r0002", rack="r0002", hostnames=("c", "d"))
    assert 'Hostname="r0002-n1"' in page(feed)
    assert refused(feed, "value") == 2
    feed.now += SETTLE_SECONDS
    feed.send("twin/v1/small/meta/rack/r0001", b"")
    feed.core.tick(feed.now)
    text = page(feed)
    assert 'UUID="GPU-a"' in text
    assert 'Hostname="c"' in text
    assert "node17" not in text


def test_series_are_bounded_however_often_a_rack_changes_its_name(feed: Feed) -> None:
    """A rack that flips its identity every second begins new series once in five minutes."""
    seen = set()
    for second in range(int(2 * SETTLE_SECONDS)):
        feed.now += 1
        announce(feed, hostnames=(f"a{second}", f"b{second}"))
        feed.core.tick(feed.now)
        if second % 10 == 0:
            text = page(feed)
            seen.add(text.partition('Hostname="')[2].partition('"')[0])
    assert len(seen) <= 3


def test_a_label_from_the_bus_is_escaped(feed: Feed) -> None:
    """Quotes, backslashes and line breaks in a name stay inside their label."""
    announce(feed, hostnames=('a"b\\c\n', "d"))
    assert 'Hostname="a\\"b\\\\c\\n"' in page(feed)


def test_a_real_rack_says_so_and_a_simulated_one_as_before(feed: Feed) -> None:
    """The source is told of measured racks alone, and the names of the rest stay the same bytes."""
    assert b"source" not in rack_meta(feed.layout.names, 0).encode()
    identities = feed.core.store.names
    assert identities.source(0) == "simulated"
    announce(feed, source="measured")
    assert identities.source(0) == "measured"
    assert identities.source(1) == "simulated"
