"""Several aggregators of one site: what each has, and what they make together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import httpx
import pytest

from twin.aggregator import Core
from twin.aggregator.app import create_app
from twin.aggregator.discovery import target_groups
from twin.aggregator.service import AggregatorConfig
from twin.aggregator.shard_assignment import Addresses, ShardAssignment
from twin.bus import BrokerUrl
from twin.catalog import UnitKind
from twin.errors import ConfigError
from twin.site import DetailPlan, Layout, Shard, parse_site
from twin.wire import ActiveFault, Encoder, Faults, Outputs, Topics

SITE = """
name: divided
racks: 11
racks_per_array: 2
halls: 2
servers_per_rack: 1
server: {gpus: 2, nics: 2, psus: 2}
megapacks: {count: 2}
gensets: {count: 1}
"""
LAYOUT = Layout(parse_site(SITE, "divided"))
TOPICS = Topics("divided")
ABOUT_SELF = ("twin_unit_restarts", "twin_rollup")


class Site:
    """Aggregators of a site and one of all of it, fed with the same frames."""

    def __init__(self, outputs: Outputs, shards: int) -> None:
        self.outputs = {device: dict(signals) for device, signals in outputs.items()}
        self.whole = Core(LAYOUT)
        self.cores = {index: self.core(Shard(index, shards)) for index in range(shards)}
        self.now = 1_000.0
        self.seq = 0
        self._encoders = {kind: Encoder(LAYOUT, kind) for kind in UnitKind if LAYOUT.units(kind)}

    @staticmethod
    def core(shard: Shard) -> Core:
        """Return the core of a shard."""
        core = Core(LAYOUT, None, ShardAssignment(LAYOUT, shard))
        core.connected(connected=True)
        return core

    def publish(self, topic: str, payload: bytes) -> None:
        """Give a message to everybody who has subscribed to its topic."""
        self.whole.handle(topic, payload, retain=False, now=self.now)
        for core in self.cores.values():
            assert core.shard is not None
            if any(_matches(wanted, topic) for wanted in core.shard.division.filters()):
                core.handle(topic, payload, retain=False, now=self.now)

    def tick(self, silent: Iterable[int] = ()) -> None:
        """Let a second pass: frames of all units, then what the aggregators tell each other."""
        self.now += 1.0
        self.seq += 1
        for kind, encoder in self._encoders.items():
            encoder.load(self.outputs)
            for unit in range(LAYOUT.units(kind)):
                topic = TOPICS.frame(kind, LAYOUT.unit_name(kind, unit))
                self.publish(topic, encoder.encode(unit, self.now, self.seq))
        self.whole.tick(self.now)
        bytes(self.whole.metrics())
        for index, core in self.cores.items():
            core.tick(self.now)
            for outgoing in core.outbox():
                if index not in silent:
                    self.publish(outgoing.topic, outgoing.payload)


def _matches(wanted: str, topic: str) -> bool:
    pairs = list(zip(wanted.split("/"), topic.split("/"), strict=False))
    return wanted.count("/") == topic.count("/") and all(w in ("+", t) for w, t in pairs)


def lines(core: Core) -> dict[str, float]:
    """Return what a core says of the site, on all of its pages."""
    pages = [core.metrics(), *(core.array(a) for a in range(core.layout.site.arrays))]
    found = {}
    for line in "".join(bytes(page).decode() for page in pages).splitlines():
        if line.startswith("#") or (
            line.startswith("twin_")
            and (not line.startswith(("twin_unit_", "twin_sim")) or line.startswith(ABOUT_SELF))
        ):
            continue
        name, _, value = line.rpartition(" ")
        assert name not in found, name
        found[name] = float(value)
    return found


@pytest.fixture
def site(outputs: Callable[[Layout], Outputs]) -> Site:
    """Three aggregators."""
    return Site(outputs(LAYOUT), 3)


@pytest.mark.parametrize("shards", [1, 2, 3, 6])
def test_together_they_expose_the_site_once(
    outputs: Callable[[Layout], Outputs], shards: int
) -> None:
    """Every series of one aggregator is in exactly one of several, with the same value."""
    site = Site(outputs(LAYOUT), shards)
    for _ in range(3):
        site.tick()
    found = [lines(core) for core in site.cores.values()]
    owners = Counter(name for own in found for name in own)
    assert max(owners.values()) == 1
    merged = {name: value for own in found for name, value in own.items()}
    expected = lines(site.whole)
    assert set(merged) == set(expected)
    assert merged == pytest.approx(expected)


def test_rollups_of_the_site_leave_out_who_is_silent(site: Site) -> None:
    """A shard that died takes its racks out of the sums after the timeout, no counter falls."""
    for _ in range(3):
        site.outputs["pdu"]["energy"] = site.outputs["pdu"]["energy"] + 100.0
        site.tick()
    gpus = 'site_gpus_reporting{site="divided"}'
    energy = 'site_pdu_energy_joules_total{site="divided"}'
    before = lines(site.cores[0])
    assert before[gpus] == LAYOUT.site.gpus
    assert before[energy] > 0
    for _ in range(8):
        site.tick(silent=[1])
    after = lines(site.cores[0])
    silent = Shard(1, 3).arrays(LAYOUT.site.arrays)
    racks = sum(len(LAYOUT.racks_of(array)) for array in silent)
    assert after[gpus] == LAYOUT.site.gpus - 2 * racks
    assert after[energy] >= before[energy]
    site.tick()
    assert lines(site.cores[0])[gpus] == LAYOUT.site.gpus


def parts(core: Core) -> tuple[float, float]:
    """Return how many parts a core says are in its sums, and how many belong there."""
    text = bytes(core.metrics()).decode().splitlines()
    told = dict(line.rsplit(" ", 1) for line in text if line.startswith("twin_rollup_shards"))
    return float(told["twin_rollup_shards"]), float(told["twin_rollup_shards_expected"])


def test_who_takes_the_sums_tells_which_parts_are_missing(site: Site) -> None:
    """It counts the parts against the shards there are; the others say 0 from the start."""
    assert [parts(core) for core in site.cores.values()] == [(1, 3), (0, 0), (0, 0)]
    for _ in range(3):
        site.tick()
    assert parts(site.cores[0]) == (3, 3)
    for _ in range(8):
        site.tick(silent=[1])
    assert parts(site.cores[0]) == (2, 3)


def test_a_new_aggregator_takes_over_once_it_is_ready(site: Site) -> None:
    """The others release its arrays then, all at once, and the site stays whole."""
    site.tick()
    site.cores[3] = site.core(Shard(3, 4))
    moved = Shard(3, 4).arrays(LAYOUT.site.arrays)
    assert all(core.shard and core.shard.shards == 3 for core in list(site.cores.values())[:3])
    for _ in range(25):
        site.tick()
    events = site.cores[0].live.watch.since(0)
    assert not [event.text for event in events if "lost" in event.text]
    assert all(core.shard and core.shard.shards == 4 for core in site.cores.values())
    found = [lines(core) for core in site.cores.values()]
    assert max(Counter(name for own in found for name in own).values()) == 1
    assert {name for own in found for name in own} == set(lines(site.whole))
    name = LAYOUT.unit_name(UnitKind.ARRAY, moved[0])
    assert [any(f'array="{name}"' in key for key in own) for own in found] == [False] * 3 + [True]


def test_targets_name_each_array_once_where_it_is() -> None:
    """Whoever is asked, all aggregators and all arrays are there; a pair has every one twice."""
    division = ShardAssignment(LAYOUT, Shard(1, 3), replicas=2)
    addresses = Addresses("http://agg-{replica}-{shard}:9400", division)
    groups = target_groups(LAYOUT, addresses, DetailPlan.of_site(LAYOUT.site), 3)
    assert len(groups) == 2 * (3 + LAYOUT.site.arrays)
    arrays = {
        (group["labels"]["replica"], group["labels"]["array"]): group["targets"]
        for group in groups
        if "array" in group["labels"]
    }
    owners = division.owners(3)
    assert arrays["1", "a005"] == [f"agg-1-{owners[4]}:9400"]
    of_one = target_groups(LAYOUT, addresses, DetailPlan.of_site(LAYOUT.site), 3, replica=1)
    assert {t for group in of_one for t in group["targets"]} == {
        f"agg-1-{shard}:9400" for shard in range(3)
    }
    assert not any("replica" in group["labels"] for group in of_one)


@pytest.mark.parametrize(
    ("template", "match"),
    [
        ("agg:9400", "alike"),
        ("agg-{shard}:9400", "alike"),
        ("agg-{shard}-{what}:9400", "not valid"),
        ("http://agg-{ordinal}:9400/path", "not valid"),
    ],
)
def test_a_pattern_that_does_not_tell_them_apart_is_refused(template: str, match: str) -> None:
    """Prometheus would ask the wrong one."""
    with pytest.raises(ConfigError, match=match):
        Addresses(template, ShardAssignment(LAYOUT, Shard(0, 3), replicas=2))


def test_several_aggregators_need_addresses() -> None:
    """Without --advertise nobody could say where the others are."""
    config = AggregatorConfig(LAYOUT, BrokerUrl("127.0.0.1", 1883), shard=Shard(0, 2))
    with pytest.raises(ConfigError, match="--advertise"):
        config.addresses(config.division)
    alone = replace(config, shard=None)
    assert alone.addresses(alone.division) is None


def test_a_replica_that_is_none_is_refused() -> None:
    """Replicas are numbered from 0."""
    with pytest.raises(ConfigError, match="numbered from 0 to 1"):
        ShardAssignment(LAYOUT, Shard(0, 2), replica=2, replicas=2)


async def test_an_array_that_is_elsewhere_is_shown_where(site: Site) -> None:
    """Prometheus follows, so that a discovery that is a moment old costs no scrape."""
    site.tick()
    core = site.cores[0]
    assert core.shard is not None
    addresses = Addresses("agg-{shard}:9400", core.shard.division)
    transport = httpx.ASGITransport(create_app(core, advertise=addresses))
    owners = core.shard.division.owners(3)
    name = LAYOUT.unit_name(UnitKind.ARRAY, owners.index(2))
    async with httpx.AsyncClient(transport=transport, base_url="http://agg-0:9400") as client:
        answer = await client.get(f"/arrays/{name}/metrics")
        assert answer.headers["location"] == f"http://agg-2:9400/arrays/{name}/metrics"
        own = await client.get(
            f"/arrays/{LAYOUT.unit_name(UnitKind.ARRAY, owners.index(0))}/metrics"
        )
        assert own.status_code == httpx.codes.OK
        assert (await client.get("/arrays/a999/metrics")).status_code == httpx.codes.NOT_FOUND
        assert (await client.get("/sd?replica=1")).status_code == httpx.codes.NOT_FOUND
        assert len((await client.get("/sd?replica=0")).json()) == 3 + LAYOUT.site.arrays


@pytest.mark.parametrize("change", [{"shard": "1/9"}, {"halls": ["h9"]}, {"halls": ["h1", "h1"]}])
def test_a_part_that_does_not_fit_is_refused(site: Site, change: dict[str, object]) -> None:
    """A stranger's part is counted and changes no roll-up."""
    site.tick()
    core = site.cores[1]
    site.now += 5.0
    core.tick(site.now)
    (outgoing,) = core.outbox()
    before = lines(site.cores[0])
    text = outgoing.payload.decode()
    for key, value in change.items():
        start = text.index(f'"{key}":')
        end = text.index(',"', start)
        text = f'{text[:start]}"{key}":{str(value).replace(chr(39), chr(34))}{text[end:]}'
        if key == "shard":
            text = text.replace('"shard":1/9', '"shard":"1/9"')
    site.cores[0].handle(outgoing.topic, text.encode(), retain=False, now=site.now)
    refused = site.cores[0].telemetry.tallies()["twin_messages_refused_total"]
    assert sum(refused.values()) == 1
    assert lines(site.cores[0]) == before


@pytest.mark.parametrize("shards", [1, 2, 3, 6])
def test_frames_of_another_shards_units_are_refused_as_foreign(
    outputs: Callable[[Layout], Outputs], shards: int
) -> None:
    """Of every kind of unit a shard takes its own frames and counts all others as foreign."""
    site = Site(outputs(LAYOUT), shards)
    for core in site.cores.values():
        for kind in (own for own in UnitKind if LAYOUT.units(own)):
            encoder = Encoder(LAYOUT, kind)
            encoder.load(site.outputs)
            for unit in range(LAYOUT.units(kind)):
                name = LAYOUT.unit_name(kind, unit)
                before = core.telemetry.tallies()["twin_messages_refused_total"]
                core.handle(TOPICS.frame(kind, name), encoder.encode(unit, 1.0, 1), False, site.now)
                after = core.telemetry.tallies()["twin_messages_refused_total"]
                counted = {reason: after[reason] - before[reason] for reason in after}
                own = core.layout.unit_index(kind, name) is not None
                assert counted == {**dict.fromkeys(after, 0), "foreign": int(not own)}, (kind, name)


def test_a_shard_takes_faults_anywhere_on_the_site(site: Site) -> None:
    """The list of active faults is one of the whole site: every shard takes all of it."""
    faults = Faults(
        active=tuple(
            ActiveFault(id=kind, fault=kind, target=target, since=0.0, until=None)
            for kind, target in (("grid-outage", "grid"), ("pump-failure", "r0011/pump1"))
        )
    )
    site.publish(TOPICS.faults, faults.encode())
    for core in site.cores.values():
        assert not sum(core.telemetry.tallies()["twin_messages_refused_total"].values())
