"""What an emulator does as a shard: whom it hears, what it lets go of, what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.bus import InboundMessage
from twin.catalog import UnitKind
from twin.emulator import Emulator, EmulatorConfig
from twin.emulator.role import Role, role_of
from twin.errors import ConfigError, FrameError
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions
from twin.site import FACILITY, Layout, Shard, parse_site
from twin.wire import EmulatorStatus, Topics

LAYOUT = Layout(
    parse_site(
        "{name: roles, racks: 6, racks_per_array: 1, servers_per_rack: 1,"
        " server: {gpus: 2, nics: 2}}",
        "roles",
    )
)
TOPICS = Topics("roles")
HEALTHY = Conditions.healthy(LAYOUT)


def role(shard: Shard | str) -> Role:
    """Return a role that has begun."""
    found = role_of(EmulatorConfig(LAYOUT, shard=shard))
    found.begin(0.0, None)
    return found


def word(shard: str, state: str = "online", *, retain: bool = False) -> InboundMessage:
    """Return the status of an emulator of a shard."""
    name = f"shard-{shard.partition('/')[0]}"
    status = EmulatorStatus.model_validate({"emulator": name, "state": state, "shard": shard})
    return InboundMessage(TOPICS.status(name), status.encode(), retain)


def exchange(halls: Role, facility: Role, tick: int) -> None:
    """Let one tick pass in which the two hear each other."""
    now = float(tick)
    halls.step(1.0, HEALTHY, tick)
    for told in halls.words(now):
        facility.hear(InboundMessage(told.topic, told.payload, told.retain), now)
    facility.step(1.0, HEALTHY, tick)
    for told in facility.words(now):
        halls.hear(InboundMessage(told.topic, told.payload, told.retain), now)


def test_a_shard_that_never_hears_the_facility_says_so() -> None:
    """Without any feedback its age grows from when the shard first spoke."""
    halls = role(Shard(0, 2))
    assert [halls.status(now)["feedback_age"] for now in (100.0, 160.0)] == [0.0, 60.0]


def test_halls_and_facility_hear_each_other() -> None:
    """After a tick the facility assumes the silent shard's racks only, and the halls are told."""
    halls, facility = role(Shard(0, 2)), role(FACILITY)
    assert halls.status(1.0)["feedback_age"] == 0.0
    exchange(halls, facility, 1)
    exchange(halls, facility, 2)
    assert facility.status(2.0)["racks_assumed"] == 3
    assert halls.status(2.0)["feedback_age"] == 0.0
    assert halls.status(9.0)["feedback_age"] == 7.0


def test_what_is_of_another_time_is_not_heard() -> None:
    """A feedback that the broker kept from yesterday changes nothing; a report is refused."""
    halls, facility = role(Shard(0, 2)), role(FACILITY)
    exchange(halls, facility, 1)
    (old,) = facility.words(1.0)
    halls.hear(InboundMessage(old.topic, old.payload, retain=True), 90_000.0)
    assert halls.status(1.0)["feedback_age"] == 0.0
    (draw,) = halls.words(1.0)
    with pytest.raises(FrameError, match="not of this time"):
        facility.hear(InboundMessage(draw.topic, draw.payload, retain=False), 90_000.0)


def test_a_new_shard_takes_its_arrays_from_the_others() -> None:
    """As soon as it is online the others fall silent about what is its own, and nothing else."""
    halls = role(Shard(0, 2))
    assert halls.quiet == frozenset()
    halls.hear(word("2/3"), 0.0)
    numbers = halls.layout.array_numbers
    left = {numbers[row] for row in range(len(numbers)) if row not in halls.quiet}
    assert left == set(Shard(0, 3).arrays(6))
    halls.hear(word("2/3", "lost"), 0.0)
    assert halls.quiet, "who is lost will be replaced"
    halls.hear(word("2/3", "offline"), 0.0)
    assert halls.quiet == frozenset(), "who has ended gives back"


def test_a_kept_word_of_a_larger_site_takes_nothing() -> None:
    """What the broker retained may be of long ago."""
    halls = role(Shard(0, 2))
    halls.hear(word("2/3", retain=True), 0.0)
    assert halls.quiet == frozenset()


def test_a_state_is_taken_up_if_it_has_the_arrays() -> None:
    """After growing, a shard's arrays are among those it had; after shrinking they are not."""
    kept = role(Shard(0, 2)).plant
    grown, shrunk = (role_of(EmulatorConfig(LAYOUT, shard=Shard(0, n))) for n in (3, 1))
    assert grown.begin(0.0, kept)
    assert grown.plant is kept
    assert grown.quiet
    assert not shrunk.begin(0.0, kept)
    assert shrunk.plant is not kept


def test_each_shard_has_a_state_of_its_own(tmp_path: Path) -> None:
    """Shards may share a folder."""
    parts = (Shard(0, 2), Shard(1, 2), FACILITY, None)
    emulators = [Emulator(EmulatorConfig(LAYOUT, shard=part, state=tmp_path)) for part in parts]
    files = {str(emulator._state.path.name) for emulator in emulators if emulator._state}
    assert files == {"plant-0.state", "plant-1.state", "plant-facility.state", "plant.state"}


@pytest.mark.parametrize("part", [Shard(1, 2), FACILITY])
async def test_a_shard_goes_on_from_its_state(tmp_path: Path, part: Shard | str) -> None:
    """What was kept is taken up, with the running numbers of its frames."""
    config = EmulatorConfig(LAYOUT, shard=part, state=tmp_path)
    before = Emulator(config)
    before._role.step(1.0, HEALTHY, 1)
    before._publisher.skip(7)
    await before._save()
    after = Emulator(config)
    assert after._role.plant.time == 1.0
    assert after._publisher.sequence == before._publisher.sequence


async def test_the_time_since_a_state_was_kept_is_lived_through(tmp_path: Path) -> None:
    """A shard that was killed comes back with counters no lower than those it had shown."""
    wall = 1_000.0
    config = EmulatorConfig(LAYOUT, shard=Shard(0, 2), state=tmp_path)
    lost = Emulator(config, wall=lambda: wall)
    lost.epoch = wall - lost._role.plant.time
    await lost._save()
    for tick in range(5):
        lost._role.step(1.0, HEALTHY, tick)
    energy = lost._role.plant.outputs()["gpu"]["energy"].copy()
    wall += 5.0
    back = Emulator(config, wall=lambda: wall)
    await back._catch_up()
    assert (back._role.plant.outputs()["gpu"]["energy"] >= energy).all()
    assert set(back._publisher.sequence[UnitKind.RACK]) == {5}


def test_followers_take_over_the_faults_in_force() -> None:
    """A shard makes the same faults, with their parameters, from what the facility tells."""
    leader, follower = (Emulator(EmulatorConfig(LAYOUT, shard=s)) for s in (FACILITY, Shard(0, 2)))
    leader._faults.inject("a", "nic-flap", "r0002/n1/nic0", 5.0, 60, {"down": 3.0})
    told = leader._commands.report(parameters=True).encode()
    follower._hear(InboundMessage(TOPICS.faults, told, retain=True))
    assert follower._faults.active == leader._faults.active
    follower._hear(InboundMessage(TOPICS.faults, b"{}", retain=True))
    assert follower._faults.active == leader._faults.active, "nonsense changes nothing"


def test_commands_are_the_facilitys() -> None:
    """One emulator answers; the others only follow."""
    assert role(FACILITY).leads
    assert role_of(EmulatorConfig(LAYOUT)).leads
    assert not role(Shard(0, 2)).leads
    assert TOPICS.faults in role(Shard(0, 2)).filters


@pytest.mark.parametrize(
    ("more", "match"), [({"slow_down": True}, "--slow-down"), ({"speed": 2.0}, "--speed")]
)
def test_shards_keep_step(more: dict[str, object], match: str) -> None:
    """What would make a shard's time its own is refused."""
    with pytest.raises(ConfigError, match=match):
        EmulatorConfig(LAYOUT, shard=Shard(0, 2), **more)  # type: ignore[arg-type]  # one of two


def test_more_shards_than_arrays_are_refused() -> None:
    """The error comes before anything is started."""
    with pytest.raises(ConfigError, match="only 6 arrays"):
        Emulator(EmulatorConfig(LAYOUT, shard=Shard(6, 7)))


def test_a_schedule_is_not_changed_by_a_look() -> None:
    """Making a strike to compare it lets nothing begin."""
    schedule = FaultSchedule(LAYOUT, FAULTS)
    schedule.applied_fault("a", "server-down", "r0001/n1", (0.0, 9.0), {})
    assert schedule.active == ()
