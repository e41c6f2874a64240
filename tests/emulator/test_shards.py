"""Shards: each steps the whole plant and publishes its own part of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from twin.catalog import UnitKind
from twin.emulator import Emulator, EmulatorConfig, EmulatorCore
from twin.emulator.array_ownership import ArrayOwnership
from twin.errors import ConfigError
from twin.site import FACILITY, Layout, Shard, parse_site
from twin.wire import Clear, Codec, EmulatorStatus, Inject, OutboundMessage, Topics, decode_message

SITE = """
name: sharded
racks: 7
racks_per_array: 1
servers_per_rack: 1
server: {gpus: 2, nics: 2, psus: 2}
jobs:
  - {name: one, racks: 4}
  - {name: two, racks: 2, workload: training}
"""
LAYOUT = Layout(parse_site(SITE, "sharded"))
ARRAYS = LAYOUT.site.arrays
TOPICS = Topics("sharded")
PARTS = (Shard(0, 2), Shard(1, 2), FACILITY)


def core(part: Shard | str | None, epoch: float = 0.0) -> EmulatorCore:
    """Return a core for a part of the site, None for all of it."""
    name = f"shard-{part.index}" if isinstance(part, Shard) else part or "plant-0"
    config = EmulatorConfig(LAYOUT, name=name, seed=3, shard=part, codec=Codec.CBOR)
    return EmulatorCore(config, epoch)


def frames(core: EmulatorCore) -> dict[str, bytes]:
    """Return the frames of the tick that was stepped last, by topic."""
    stamps = [core.frames.stamp(unit) for unit in core.frames.due()]
    sent = [core.frames.message(stamp) for stamp in stamps if stamp is not None]
    return {message.topic: message.payload for message in sent}


def tell(message: OutboundMessage, others: Sequence[EmulatorCore]) -> None:
    """Let others hear a message."""
    for other in others:
        if message.topic in other.subscriptions or message.topic.startswith(TOPICS.status("")):
            other.on_message(message.topic, message.payload)


def status(shard: str, state: str = "online") -> EmulatorStatus:
    """Return the status of an emulator of a shard."""
    name = f"shard-{shard.partition('/')[0]}"
    return EmulatorStatus.model_validate({"emulator": name, "state": state, "shard": shard})


def test_shards_publish_together_what_one_emulator_publishes() -> None:
    """Begun with the same tick, through a fault, every frame is the same to the last byte."""
    whole, shards = core(None), [core(part) for part in PARTS]
    leader = shards[-1]
    for second in range(40):
        if second == 5:
            leader.inject("a", "gpu-off-bus", "r0003/n1/gpu0", 12.0)
            whole.faults.inject("a", "gpu-off-bus", "r0003/n1/gpu0", 6.0, 12.0)
        for each in (whole, *shards):
            each.step(1.0)
        for message in leader.outbox():
            tell(message, shards[:-1])
        expected = frames(whole)
        found: dict[str, bytes] = {}
        for shard in shards:
            own = frames(shard)
            assert not set(own) & set(found)
            found |= own
        assert found == expected, second
    assert whole.plant.jobs.outputs()["interruptions"].any()


def test_a_fault_begins_and_ends_with_the_same_tick_everywhere() -> None:
    """A command takes effect a tick later, when all shards have been told of it."""
    leader, follower = core(FACILITY), core(Shard(0, 2))
    inject = Inject(id="a", fault="pump-failure", target="r0001/pump1", duration=100.0)
    assert leader.on_message(TOPICS.command("inject"), inject.encode())
    ack, told = leader.outbox()
    assert ack.topic == TOPICS.ack("a")
    tell(told, [follower])
    assert leader.faults.active == follower.faults.active
    working = [bool(each.faults.conditions(at).pump_available.all())
               for at in (0.0, 1.0) for each in (leader, follower)]  # fmt: skip
    assert working == [True, True, False, False]
    for each in (leader, follower):
        each.step(1.0)
    assert leader.on_message(TOPICS.command("clear"), Clear(id="b").encode())
    tell(leader.outbox()[-1], [follower])
    assert [f.until for f in follower.faults.active] == [2.0]


def test_a_shard_that_begins_late_falls_in_with_the_jobs() -> None:
    """A shard without a state puts its jobs where they stand in the plant that ran for longest."""
    old = core(FACILITY)
    for _ in range(25):
        old.step(1.0)
    young = core(Shard(0, 2), epoch=24.0)
    young.step(1.0)
    tell(old.status("online", {}), [young])
    assert young.plant.jobs.standings == old.plant.jobs.standings
    tell(young.status("online", {}), [old])
    moved = [each.plant.jobs.standings for each in (old, young)]
    assert moved[0] == moved[1], "and the old one stays where it is"


def test_standings_of_another_time_or_shape_change_nothing() -> None:
    """What is stale is ignored, and what is no standing is refused."""
    old, young = core(FACILITY), core(Shard(0, 2))
    for _ in range(5):
        old.step(1.0)
    before = young.plant.jobs.standings
    tell(old.status("online", {}), [young])
    assert young.plant.jobs.standings == before
    said = decode_message(EmulatorStatus, old.status("online", {}).payload).model_dump()
    shapes: tuple[list[dict[str, float]], ...] = (
        [], [{}, {}], [{**standing, "state": 99.0} for standing in before],
    )  # fmt: skip
    for standings in shapes:
        jobs = {"ts": young.now, "standings": standings}
        wrong = EmulatorStatus.model_validate({**said, "jobs": jobs})
        young.on_message(TOPICS.status("facility"), wrong.encode())
    assert young.plant.jobs.standings == before


def test_a_new_shard_takes_its_arrays_from_the_others() -> None:
    """As soon as it is online the others fall silent about what is its own, and nothing else."""
    own = ArrayOwnership(Shard(0, 2), ARRAYS)
    own.on_status(status("2/3"))
    assert own.arrays == Shard(0, 3).arrays(ARRAYS)
    own.on_status(status("2/3", "lost"))
    assert own.arrays == Shard(0, 3).arrays(ARRAYS), "who is lost will be replaced"
    own.on_status(status("2/3", "offline"))
    assert own.arrays == Shard(0, 2).arrays(ARRAYS), "who has ended gives back"
    own.on_status(status("9/1000"))
    assert own.arrays == Shard(0, 2).arrays(ARRAYS), "there are not so many arrays"


def test_arrays_change_hands_with_a_tick() -> None:
    """What is published changes with the next step, and not what was kept of long ago."""
    shard = core(Shard(0, 2))
    shard.on_message(TOPICS.status("shard-2"), status("2/3").encode(), retain=True)
    shard.step(1.0)
    assert shard.frames.layout.array_numbers == Shard(0, 2).arrays(ARRAYS)
    shard.on_message(TOPICS.status("shard-2"), status("2/3").encode())
    shard.step(1.0)
    assert shard.frames.layout.array_numbers == Shard(0, 3).arrays(ARRAYS)
    assert len([topic for topic in frames(shard) if "/rack/" in topic]) == len(
        Shard(0, 3).arrays(ARRAYS)
    )


def test_each_shard_has_a_state_of_its_own(tmp_path: Path) -> None:
    """Shards may share a folder."""
    emulators = [
        Emulator(EmulatorConfig(LAYOUT, shard=part, state=tmp_path)) for part in (*PARTS, None)
    ]
    files = {str(emulator._state.path.name) for emulator in emulators if emulator._state}
    assert files == {"plant-0.state", "plant-1.state", "plant-facility.state", "plant.state"}


@pytest.mark.parametrize("part", [Shard(1, 2), FACILITY])
async def test_a_shard_that_was_killed_comes_to_where_it_was(
    tmp_path: Path, part: Shard | str
) -> None:
    """It lives through the time since its state was kept, to the same bytes as without a kill."""
    wall = 1_000.0
    config = EmulatorConfig(LAYOUT, seed=3, shard=part, state=tmp_path)
    lost = Emulator(config, wall=lambda: wall)
    lost.core.move_to(wall)
    lost.core.step(1.0)
    wall += 1.0
    await lost._save()
    for _ in range(5):
        lost.core.step(1.0)
        frames(lost.core)
        wall += 1.0
    back = Emulator(config, wall=lambda: wall)
    await back._catch_up()
    assert back.core.now == lost.core.now == wall
    assert set(back.core.frames.sequence[UnitKind.RACK]) == {5}
    lost.core.step(1.0)
    back.core.step(1.0)
    stamps = lost.core.frames.sequence, back.core.frames.sequence
    for numbers in stamps:
        for kind in UnitKind:
            numbers[kind][:] = [0] * len(numbers[kind])
    assert frames(back.core) == frames(lost.core)


async def test_a_long_pause_is_left_out(tmp_path: Path) -> None:
    """After more than five minutes a shard goes on from its state, at the present."""
    wall = 1_000.0
    config = EmulatorConfig(LAYOUT, shard=FACILITY, state=tmp_path)
    before = Emulator(config, wall=lambda: wall)
    await before._save()
    wall += 301.0
    after = Emulator(config, wall=lambda: wall)
    await after._catch_up()
    assert after.core.plant.time == 0.0


def test_followers_take_over_the_faults_in_force() -> None:
    """A shard makes the same faults, with their parameters, from what the facility tells."""
    leader, follower = core(FACILITY), core(Shard(0, 2))
    leader.inject("a", "nic-flap", "r0002/n1/nic0", 60.0, {"down": 3.0})
    tell(leader.faults_message(), [follower])
    assert follower.faults.active == leader.faults.active
    follower.on_message(TOPICS.faults, b"{}", retain=True)
    assert follower.faults.active == leader.faults.active, "nonsense changes nothing"


def test_commands_are_the_facilitys() -> None:
    """One emulator answers; the others only follow."""
    assert TOPICS.command("+") in core(FACILITY).subscriptions
    assert core(None).subscriptions == (TOPICS.command("+"),)
    assert core(Shard(0, 2)).subscriptions == (TOPICS.faults, TOPICS.status("+"))


@pytest.mark.parametrize(
    ("more", "match"), [({"slow_down": True}, "--slow-down"), ({"speed": 2.0}, "--speed")]
)
def test_shards_keep_step(more: dict[str, object], match: str) -> None:
    """What would make a shard's time its own is refused."""
    with pytest.raises(ConfigError, match=match):
        EmulatorConfig(LAYOUT, shard=Shard(0, 2), **more)  # type: ignore[arg-type]  # one of two


def test_more_shards_than_arrays_are_refused() -> None:
    """The error comes before anything is started."""
    with pytest.raises(ConfigError, match="only 7 arrays"):
        Emulator(EmulatorConfig(LAYOUT, shard=Shard(7, 8)))
