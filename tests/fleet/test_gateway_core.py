"""The gateway's core: the inverse of the exposition, gaps, duplicates, and what strangers send."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest

from tests.fleet.conftest import NOW, Series, Show, answer, layout_of, lines, scraped
from twin.aggregator import Core
from twin.catalog import GPU, UnitKind
from twin.catalog.editions import EDITIONS
from twin.fleet.gateway_core import GatewayCore
from twin.site import Layout, load_site
from twin.wire import Codec, Decoder, OutboundMessage, RackMeta, Snapshot


def frames(core: GatewayCore, series: Series) -> dict[str, Snapshot]:
    """Return the frames of a poll with this answer, by topic."""
    core.take(answer(series))
    decoder = Decoder(core._layout, UnitKind.RACK)
    return {own.topic: decoder.decode(own.payload) for own in core.frames_due()}


def gpu_values(snapshot: Snapshot, signal: str, layout: Layout) -> list[float]:
    """Return a signal of the GPUs of a frame."""
    names = [own.name for own in layout.reported["gpu"] if own.on_wire]
    return [float(value) for value in snapshot.groups["gpu"][names.index(signal)]]


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("edition", [own.version for own in EDITIONS["dcgm"]])
def test_what_was_exposed_is_exposed_again(shown: Show, edition: str, codec: Codec) -> None:
    """Behind the gateway a second aggregator shows the first one's racks, label by label."""
    layout, first = shown(edition)
    gateway = GatewayCore(layout, "gateway-0", codec)
    gateway.take(answer(scraped(first)))
    second = Core(layout)
    for message in (*gateway.frames_due(), *gateway.metadata()):
        second.handle(message.topic, message.payload, message.retain, 1000.0)
    assert len(lines(first)) > 400
    assert lines(second) == lines(first)


def test_a_frame_has_the_time_of_its_newest_sample(shown: Show) -> None:
    """Racks whose samples are of other times have frames of other times, each sent once."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    series = [
        (own, NOW + 3.25 if own["rack"] == "r0002" else NOW, value)
        for own, _, value in scraped(first)
    ]
    sent = frames(gateway, series)
    assert [own.ts for own in sent.values()] == [NOW, NOW + 3.25, NOW]
    assert not frames(gateway, series)  # nothing is new
    later = [(own, time + 10.0, value) for own, time, value in series if own["rack"] == "r0001"]
    again = frames(gateway, later)
    assert [(topic, own.seq) for topic, own in again.items()] == [("twin/v1/small/rack/r0001", 1)]


@pytest.mark.parametrize("ahead", [3600.0, 1e9, 1e15, math.inf, math.nan])
def test_a_sample_of_the_future_silences_nobody(shown: Show, ahead: float) -> None:
    """It is left out and counted; its rack goes on with samples of the present."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    series = scraped(first)
    odd = [(own, NOW + ahead, value) if number == 0 else (own, NOW, value)
           for number, (own, _, value) in enumerate(series)]  # fmt: skip
    body = orjson.dumps(
        {"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": own, "values": [[time if math.isfinite(time) else 1e300, value]]}
            for own, time, value in odd
        ]}}
    )  # fmt: skip
    gateway.take(body)
    assert len(gateway.frames_due(NOW + 1.0)) == 3
    assert gateway.figures.outside == 1
    gateway.take(answer([(own, NOW + 10.0, value) for own, _, value in series]))
    sent = [Decoder(layout, UnitKind.RACK).decode(own.payload) for own in
            gateway.frames_due(NOW + 11.0)]  # fmt: skip
    assert [own.ts for own in sent] == [NOW + 10.0] * 3


def test_gaps_stay_gaps(shown: Show) -> None:
    """A series that ends, is NaN or out of range, or that its target no longer has is no value."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    metric = GPU["gpu_temp"].metric

    def changed(own: dict[str, str], time: float, value: str) -> tuple[Any, float, str] | None:
        if own["rack"] != "r0001" or own["__name__"] != metric:
            return own, time, value
        match own["Hostname"], own["gpu"]:
            case "r0001-n1", "0":
                return own, time, "NaN"
            case "r0001-n1", "1":
                return None
            case "r0001-n2", "0":
                return own, time, "99999"
        return own, time - 10.0, value  # its target was scraped since, without it

    series = [new for own in scraped(first) if (new := changed(*own)) is not None]
    sent = frames(gateway, series)
    assert all(map(math.isnan, gpu_values(sent["twin/v1/small/rack/r0001"], "gpu_temp", layout)))
    power = gpu_values(sent["twin/v1/small/rack/r0001"], "power_usage", layout)
    assert not any(map(math.isnan, power))
    assert (gateway.figures.outside, gateway.figures.stale) == (2, 1)


def test_a_counter_that_begins_anew_is_passed_on(shown: Show) -> None:
    """A reset is the exporter's, and rate() knows it: the value goes on as it is."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    metric = GPU["energy"].metric
    for step, value in enumerate(("5000000", "7000000", "12")):
        series = [
            (own, NOW + 10.0 * step, value if own["__name__"] == metric else told)
            for own, _, told in scraped(first)
        ]
        sent = frames(gateway, series)
        values = gpu_values(sent["twin/v1/small/rack/r0001"], "energy", layout)
        assert values == [float(value)] * 4


def test_of_duplicate_targets_the_newest_counts(shown: Show) -> None:
    """A second target of a host changes nothing but a count, and gives no mean."""
    layout, first = shown()
    series = scraped(first)
    twice = [
        ({**own, "job": "again", "instance": "pod:9400"}, time - 2.0, "1")
        for own, time, _ in series
        if own["__name__"] == GPU["power_usage"].metric
    ]
    plain, doubled = (GatewayCore(layout, "gateway-0", Codec.JSON) for _ in range(2))
    once = frames(plain, series)
    both = frames(doubled, [*twice, *series])
    for topic, snapshot in once.items():
        assert gpu_values(both[topic], "power_usage", layout) == gpu_values(
            snapshot, "power_usage", layout
        )
    assert (plain.figures.twice, doubled.figures.twice) == (0, 12)


def test_another_edition_in_mid_stream_keeps_its_values(shown: Show) -> None:
    """An exporter that was upgraded is read by its own names and units, and that is counted."""
    layout, before = shown("4.8.2")
    _, upgraded = shown("4.9.0")
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    sent = frames(gateway, scraped(upgraded))
    plain = frames(GatewayCore(layout, "gateway-0", Codec.JSON), scraped(before))
    for topic, snapshot in plain.items():
        for signal in ("sm_clock", "gpu_util", "fb_used", "power_usage"):
            expected = gpu_values(snapshot, signal, layout)
            assert gpu_values(sent[topic], signal, layout) == pytest.approx(expected, rel=1e-6)
    assert gateway.figures.foreign > 0
    assert any("another edition" in own for own in gateway.unlike(type(gateway.figures)()))


def test_renamed_hosts_are_told_and_taken_for_no_other(shown: Show) -> None:
    """Series of a host that the site file does not have are left out, and the host is named."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    series = [
        (
            {name: value.replace("r0001-n1", "new-host") for name, value in own.items()},
            time,
            value,
        )
        for own, time, value in scraped(first)
    ]
    sent = frames(gateway, series)
    power = gpu_values(sent["twin/v1/small/rack/r0001"], "power_usage", layout)
    assert [math.isnan(value) for value in power] == [True, True, False, False]
    assert gateway.unknown_hosts == ("new-host",)
    assert gateway.figures.unknown > 0


def test_identity_is_that_of_the_series(shown: Show) -> None:
    """Metadata has the UUIDs, PCI addresses, models and drivers that the exporter shows."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    gateway.metadata()
    swapped = {"UUID": "GPU-new", "pci_bus_id": "00000000:77:00.0", "modelName": "NVIDIA H200"}
    series = [
        ({**own, **swapped} if own.get("gpu") == "1" and own["Hostname"] == "r0001-n1" else own,
         time, value) for own, time, value in scraped(first)
    ]  # fmt: skip
    frames(gateway, series)
    metas = [RackMeta.model_validate_json(own.payload) for own in gateway.metadata()]
    meta = next(own for own in metas if own.rack == "r0001")
    assert (meta.gpu_uuids[1], meta.gpu_pci_addresses[1]) == ("GPU-new", "00000000:77:00.0")
    assert meta.hostnames == ("r0001-n1", "r0001-n2")
    assert meta.source == "measured"
    assert not gateway.metadata()
    assert len(gateway.metadata(every=True)) == 3


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"status":"error","error":"x"}',
        b'{"status":"success","data":{"resultType":"vector","result":[]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":7,"values":[[1,"1"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,[]]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[["a","b"]]}]}}',
        b'{"status":"success","data":{"resultType":"matrix","result":7}}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_none_is_counted(body: bytes) -> None:
    """Whatever comes as an answer ends no gateway and gives no frame."""
    gateway = GatewayCore(layout_of(), "gateway-0", Codec.JSON)
    gateway.take(body)
    assert gateway.frames_due() == []
    assert gateway.figures.refused == 1


def test_labels_of_strangers_are_no_frames(shown: Show) -> None:
    """Labels that look like the answer's own text, control characters or long ones are values."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    nasty = '"}},"values":[[1,"2"]]},{"metric":{"__name__":"up'
    series = [
        ({**own, "note": nasty, "other": "\x00\n" + "x" * 5000}, time, value)
        for own, time, value in scraped(first)
    ]
    assert (
        frames(gateway, series).keys()
        == frames(GatewayCore(layout, "gateway-0", Codec.JSON), scraped(first)).keys()
    )
    evil = [({**own, "UUID": "x" * 5000}, time + 10.0, value) for own, time, value in series]
    frames(gateway, evil)
    for meta in gateway.metadata(every=True):
        assert len(meta.payload) < 4000


def test_memory_is_bounded_whatever_series_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Series that are new at every poll are remembered up to a bound."""
    monkeypatch.setattr("twin.fleet.gateway_core._MOST_KEYS_BEYOND", 10)
    gateway = GatewayCore(layout_of(), "gateway-0", Codec.JSON)
    most = gateway._most_keys
    for poll in range(4):
        series: Series = [
            ({"__name__": "up", "instance": f"{poll}-{number}"}, NOW, "1") for number in range(most)
        ]
        frames(gateway, series)
    assert len(gateway._keys) <= most
    assert gateway.figures.unknown == 4 * most


def test_a_partial_answer_is_counted(shown: Show) -> None:
    """What a store says of its answer is kept in mind; its samples are taken."""
    layout, first = shown()
    gateway = GatewayCore(layout, "gateway-0", Codec.JSON)
    gateway.take(answer(scraped(first), warnings=["store away"]))
    assert len(gateway.frames_due()) == 3
    assert gateway.figures.partial == 1


def test_the_status_is_that_of_an_emulator() -> None:
    """Interval and counts stand where every emulator has them."""
    gateway = GatewayCore(layout_of(), "gateway-0", Codec.JSON, interval=30.0)
    message: OutboundMessage = gateway.status("online", {"unsent": 2})
    told = orjson.loads(message.payload)
    assert message.topic == "twin/v1/small/status/gateway-0"
    assert (told["interval"], told["unsent"], told["state"]) == (30.0, 2, "online")


def test_queries_are_batched_by_metric() -> None:
    """A small site is asked for everything at once, a large one metric by metric."""
    assert len(GatewayCore(layout_of(), "g", Codec.JSON).queries) == 1
    large = load_site("colossus-100k").model_copy(update={"measured": layout_of().site.measured})
    queries = GatewayCore(Layout(large), "g", Codec.CBOR).queries
    assert len(queries) > 80
    assert all(query.endswith("[2000ms]") for query in queries)
