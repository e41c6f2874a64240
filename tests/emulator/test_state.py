"""The state on disk: it goes on, it is whole, and nothing else gets in."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.service import Emulator
from twin.emulator.state import KeptState, StateFile
from twin.errors import ConfigError
from twin.plant import Conditions, Plant
from twin.plant.state import PlantState, PlantStateError, restore_plant, state_of
from twin.site import Layout, load_site, parse_site
from twin.wire import Inject, Topics

LAYOUT = Layout(load_site("colossus-array"))
SMALL = Layout(parse_site("{name: small, racks: 2, servers_per_rack: 2}", "test"))


def run(plant: Plant, seconds: int, conditions: Conditions) -> None:
    """Step ``plant`` second by second."""
    for _ in range(seconds):
        plant.step(1.0, conditions)


def assert_same(plant: Plant, other: Plant) -> None:
    """Assert that two plants give the same values to the last bit."""
    through, again = plant.outputs(), other.outputs()
    for device, group in through.items():
        for name, values in group.items():
            np.testing.assert_array_equal(values, again[device][name], err_msg=name)


def kept(plant: Plant | None = None) -> KeptState:
    """Return a state to keep."""
    return KeptState(state_of(plant or Plant(SMALL)), now=1e9)


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    """A state file that does not exist yet."""
    return StateFile(tmp_path / "deep" / "folder", SMALL, "training")


@pytest.mark.parametrize(
    ("site", "workload"),
    [
        ("colossus-array", "training"),
        ("colossus-array", "trace:gpt3-512xh100"),
        ("colossus-array", "idle"),
        ("shared", "training"),
        ("gefion", "training"),
        ("cortex-50k", "idle"),
        ("nvl72-pod", "training"),
    ],
)
def test_a_resumed_plant_goes_on_as_if_never_stopped(
    tmp_path: Path, site: str, workload: str
) -> None:
    """Kept in a stall and resumed under another seed, a plant gives the values of one that ran."""
    layout = Layout(load_site(site))
    file = StateFile(tmp_path, layout, workload)
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[1, 5] = False
    moved = conditions.fan_available if layout.site.has_air else conditions.pump_available
    moved[0, 0] = False
    if layout.site.rack:
        conditions.nvlink_up[0, 3] = conditions.shelf_psu_available[2, 0] = False
        conditions.nvlink_recoveries_per_second[1, 9] = 0.5
        conditions.tray_leak[3, 2] = 0.3
        conditions.bus_joint_ohms[4, 1] = 0.01
    plant, resumed = Plant(layout, 5, workload), Plant(layout, 6, workload)
    run(plant, 20, conditions)
    file.save(KeptState(state_of(plant), now=1e9))
    loaded = file.load()
    assert loaded is not None
    restore_plant(resumed, loaded.plant)
    run(plant, 20, conditions)
    run(resumed, 20, conditions)
    assert_same(plant, resumed)


def test_an_emulator_goes_on(file: StateFile) -> None:
    """Faults with their parameters, targets and times, running numbers and time are kept."""
    config = EmulatorConfig(SMALL)
    core = EmulatorCore(config, epoch=1e9)
    command = Inject(
        id="a", fault="nic-flap", target="r0002/n1/nic3", duration=100.0, parameters={"period": 7.0}
    )
    assert core.on_message(Topics("small").command("inject"), command.encode())
    core.step(1.0)
    file.save(core.state(ended=True, wall=5.0))
    loaded = file.load()
    assert loaded is not None
    again = EmulatorCore(config, epoch=2e9, kept=loaded)
    assert again.faults.active == core.faults.active
    assert again.frames.sequence == core.frames.sequence
    assert again.now == core.now
    assert (loaded.ended, loaded.wall) == (True, 5.0)


def test_arrays_are_read_by_numpy(file: StateFile) -> None:
    """Every array stands in the file under the name of the attributes that lead to it."""
    plant = Plant(SMALL)
    file.save(kept(plant))
    with np.load(io.BytesIO(file.path.read_bytes()), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["plant.facility.megapacks.soc"], plant.megapacks.soc)


def test_another_release_reads_what_it_knows(file: StateFile) -> None:
    """A part of the state that is new keeps its first value, and one that is gone is left out."""
    plant = Plant(SMALL, seed=3)
    run(plant, 5, Conditions.healthy(SMALL))
    state = state_of(plant)
    packs = state.tree["attributes"]["facility"]["attributes"]["megapacks"]["attributes"]
    packs["of_another_release"] = packs.pop("soc")
    file.save(KeptState(state, now=1e9))
    loaded = file.load()
    assert loaded is not None
    resumed = Plant(SMALL)
    first = resumed.megapacks.soc.copy()
    restore_plant(resumed, loaded.plant)
    np.testing.assert_array_equal(resumed.megapacks.soc, first)
    np.testing.assert_array_equal(resumed.megapacks.charged, plant.megapacks.charged)
    run(resumed, 5, Conditions.healthy(SMALL))


def test_no_state_yet(file: StateFile) -> None:
    """Without a file there is no state, and that is no error."""
    assert file.load() is None


def test_a_failed_write_leaves_the_old_file(
    file: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk takes no more, the old state stands and nothing half-written lies about."""
    file.save(kept())
    before = file.path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.save(kept())
    assert file.path.read_bytes() == before
    assert [path.name for path in file.path.parent.iterdir()] == ["plant.state"]


def test_damage_is_named(file: StateFile) -> None:
    """A flipped byte, a cut file and a foreign file are refused with the remedy."""
    file.save(kept())
    whole = file.path.read_bytes()
    with zipfile.ZipFile(file.path) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    # Within what it holds: of the names and dates before it none decides what is read.
    middle = largest.header_offset + 30 + len(largest.filename) + largest.file_size // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for data in (flipped, whole[:-1], whole[:40], b"", b"{}\n", b"\xff\x00"):
        file.path.write_bytes(data)
        with pytest.raises(ConfigError, match="is damaged; remove it to start afresh"):
            file.load()


def test_a_state_of_something_else_is_named(file: StateFile) -> None:
    """A state of another workload, site, parameter or format is refused by what differs."""
    file.save(kept())
    folder = file.path.parent
    with pytest.raises(ConfigError, match="is of workload 'training', not 'idle'"):
        StateFile(folder, SMALL, "idle").load()
    with pytest.raises(ConfigError, match="is of site 'small', not 'demo'"):
        StateFile(folder, Layout(load_site("demo")), "training").load()
    other = Layout(parse_site("{name: small, racks: 9}", "test"))
    with pytest.raises(ConfigError, match="with other counts or parameters"):
        StateFile(folder, other, "training").load()
    file.path.write_bytes(b'{"format": 3, "version": "0.0.9"}\nsomething pickled')
    with pytest.raises(ConfigError, match=r"in a format that is gone; remove it"):
        file.load()


def edit(file: StateFile, name: str, change: Callable[[bytes], bytes], how: int = 0) -> None:
    """Forge a part of a state file, with a checksum that holds."""
    with zipfile.ZipFile(io.BytesIO(file.path.read_bytes())) as archive:
        parts = {own: archive.read(own) for own in archive.namelist()}
    with zipfile.ZipFile(file.path, "w", how) as archive:
        for own, data in parts.items():
            archive.writestr(own, change(data) if own == name else data)


def changed(**changes: Any) -> Callable[[bytes], bytes]:
    """Return an edit of a JSON object."""
    return lambda data: json.dumps({**json.loads(data), **changes}).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed(format=9), "is of format 9, and this twin reads 4"),
        (changed(now=float("nan")), "has a wrong now in its head"),
        (changed(now=1e300), "has a wrong now in its head"),
        (changed(ended="maybe"), "has a wrong ended in its head"),
        (changed(sequence={"rack": [-1]}), "has a wrong sequence.rack.0 in its head"),
        (changed(faults=[{}]), "has a wrong faults.0"),
        (lambda _: b"[]", "is damaged"),
        (lambda _: b"[" * 100_000, "is damaged"),
        (lambda _: b"\xff", "is damaged"),
    ],
)
def test_a_forged_head_is_one_sentence(
    file: StateFile, change: Callable[[bytes], bytes], words: str
) -> None:
    """A head of a wrong shape is refused by its place, whatever is in it."""
    file.save(kept())
    edit(file, "head.json", change)
    with pytest.raises(ConfigError, match=words):
        file.load()


HUGE = (
    b"\x93NUMPY\x01\x00\x46\x00"
    b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }\n"
)


@pytest.mark.parametrize(
    "data", [HUGE, HUGE[:20], b"", b"\x93NUMPY\x09\x00", HUGE.replace(b"<f8", b"|O ")]
)
def test_a_forged_array_takes_no_memory(file: StateFile, data: bytes) -> None:
    """An array that declares more than it has, or Python objects, is damage."""
    file.save(kept())
    edit(file, "plant.facility.megapacks.soc.npy", lambda _: data)
    with pytest.raises(ConfigError, match="is damaged"):
        file.load()


def test_a_compressed_state_is_refused(file: StateFile) -> None:
    """Compression, by which a small file could become a large one, is damage."""
    file.save(kept())
    edit(file, "head.json", lambda data: data, zipfile.ZIP_DEFLATED)
    with pytest.raises(ConfigError, match="is damaged"):
        file.load()


SOC = ("facility", "megapacks", "soc")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (SOC, {"$array": "nowhere"}, "the array nowhere is missing"),
        (
            SOC,
            {"$array": "plant.halls.heat.cdus.loops.speeds"},
            "plant.facility.megapacks.soc has the shape",
        ),
        (SOC, {"$same": "nowhere"}, "plant.facility.megapacks.soc is not a plant's state"),
        (SOC, {"$evil": 1}, "is of the unknown kind"),
        (SOC, {}, "is of the unknown kind"),
        (SOC, "full", "plant.facility.megapacks.soc is 'full', which is no ndarray"),
        (("time",), "noon", "plant.time is 'noon', which is no float"),
        (("time",), -1.0, "the plant has run for -1.0 s"),
        (("time",), float("nan"), "plant.time is nan, which is no float"),
        (("halls",), {"$object": "Popen", "name": "x", "attributes": {}}, "'Popen', which no"),
        (("halls",), {"$object": 3}, "plant.halls is"),
        (("halls",), {"$random": {}}, "plant.halls is not a plant's state"),
    ],
)
def test_a_forged_value_is_one_sentence(path: tuple[str, ...], value: Any, words: str) -> None:
    """A value of another type, shape or class is refused by its name."""
    state = state_of(Plant(SMALL))
    node = state.tree["attributes"]
    for key in path[:-1]:
        node = node[key]["attributes"]
    node[path[-1]] = value
    with pytest.raises(PlantStateError, match=words):
        restore_plant(Plant(SMALL), state)


def test_a_state_that_does_not_fit_names_its_file(tmp_path: Path) -> None:
    """An emulator that is given a state of other sizes ends with the file and the remedy."""
    file = StateFile(tmp_path, SMALL, "training")
    file.save(KeptState(PlantState({"$object": "Plant"}, {}), now=1e9))
    with pytest.raises(ConfigError, match=r"plant\.state: does not fit this site: .*; remove it"):
        Emulator(EmulatorConfig(SMALL, state=tmp_path))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder below a file is refused with the remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose a folder that can be written to"):
        StateFile(tmp_path / "file" / "below", LAYOUT, "training")


def forged(change: Callable[[np.ndarray[Any, Any]], Any]) -> Callable[[bytes], bytes]:
    """Return an edit of an array."""

    def edited(data: bytes) -> bytes:
        out = io.BytesIO()
        np.save(out, change(np.load(io.BytesIO(data))))
        return out.getvalue()

    return edited


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("halls.gpus.die", lambda own: own * np.nan, "die has values that are no numbers"),
        ("halls.gpus.die", lambda own: own - np.inf, "die has values that are no numbers"),
        ("halls.gpus.die", lambda own: own + 1e35, "die has values that are no numbers"),
        ("halls.gpus.die", lambda own: own.astype("U9"), "is of the type <U9"),
        ("halls.gpus.die", lambda own: own.astype(complex), "is of the type complex128"),
        ("halls.gpus.die", lambda own: own[:0], "die has the shape"),
        ("halls.gpus.energy_joules", lambda own: own - 1e12, "energy of a gpu counts -"),
        ("halls.gpus.energy_joules", lambda own: own + 1e22, "energy of a gpu counts"),
        (
            "halls.sensors._conditions.gpu_responding",
            lambda own: own.astype("U9"),
            "is of the type <U9",
        ),
    ],
)
def test_what_no_plant_shows_is_refused(
    tmp_path: Path, name: str, change: Callable[[np.ndarray[Any, Any]], Any], words: str
) -> None:
    """Values that are no numbers, of another type, or counters below 0 end in one sentence."""
    config = EmulatorConfig(SMALL, state=tmp_path)
    core = EmulatorCore(config, epoch=1e9)
    core.step(1.0)
    file = StateFile(tmp_path, SMALL, "training")
    file.save(core.state())
    Emulator(config)
    edit(file, f"plant.{name}.npy", forged(change))
    with pytest.raises(ConfigError, match=rf"does not fit this site: .*{re.escape(words)}"):
        Emulator(config)


def test_another_byte_order_is_the_same(file: StateFile) -> None:
    """An array of another byte order is taken up in the plant's own."""
    plant = Plant(SMALL)
    file.save(kept(plant))
    edit(file, "plant.halls.gpus.die.npy", forged(lambda own: own.astype(">f4")))
    loaded = file.load()
    assert loaded is not None
    resumed = Plant(SMALL)
    restore_plant(resumed, loaded.plant)
    np.testing.assert_array_equal(
        resumed.outputs()["gpu"]["gpu_temp"], plant.outputs()["gpu"]["gpu_temp"]
    )
    run(resumed, 2, Conditions.healthy(SMALL))


def test_a_state_that_no_plant_runs_from(tmp_path: Path) -> None:
    """A state that fits by its shape and breaks the first step is refused before it runs."""
    config = EmulatorConfig(SMALL, state=tmp_path)
    core = EmulatorCore(config, epoch=1e9)
    core.step(1.0)
    state = core.state()
    jobs = state.plant.tree["attributes"]["halls"]["attributes"]["jobs"]["attributes"]
    jobs["_jobs"] = {"$tuple": [None for _ in jobs["_jobs"]["$tuple"]]}
    StateFile(tmp_path, SMALL, "training").save(state)
    with pytest.raises(ConfigError, match=r"does not fit this site: .*cannot run from it"):
        Emulator(config)
