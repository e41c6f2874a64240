"""The state on disk: it goes on, it is whole, and nothing else gets in."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import orjson
import pytest

from twin.emulator.state import StateFile
from twin.errors import ConfigError
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.site import Layout, load_site, parse_site

LAYOUT = Layout(load_site("colossus-array"))


def run(plant: Plant, seconds: int) -> None:
    """Step ``plant`` second by second."""
    for _ in range(seconds):
        plant.step(1.0, Conditions.healthy(LAYOUT))


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    """A state file that does not exist yet."""
    return StateFile(tmp_path / "deep" / "folder", LAYOUT, "training")


@pytest.mark.parametrize("workload", ["training", "trace:gpt3-512xh100", "idle"])
def test_a_resumed_plant_goes_on_as_if_never_stopped(tmp_path: Path, workload: str) -> None:
    """Saved and resumed, a plant gives the same values as one that ran through."""
    file = StateFile(tmp_path, LAYOUT, workload)
    plant = Plant(LAYOUT, seed=5, workload=workload)
    run(plant, 40)
    file.save({"plant": plant})
    resumed = file.load()["plant"]
    run(plant, 40)
    run(resumed, 40)
    through, again = plant.outputs(), resumed.outputs()
    for device, group in through.items():
        for name, values in group.items():
            np.testing.assert_array_equal(values, again[device][name], err_msg=name)


def test_jobs_go_on(tmp_path: Path) -> None:
    """Each of several jobs goes on where it was, one of them in a stall, as if never stopped."""
    layout = Layout(load_site("shared"))
    file = StateFile(tmp_path, layout, "training")
    conditions = Conditions.healthy(layout)
    conditions.gpu_attached[11, 5] = False
    plant = Plant(layout, seed=5)
    for _ in range(20):
        plant.step(1.0, conditions)
    file.save({"plant": plant})
    resumed = file.load()["plant"]
    for _ in range(20):
        plant.step(1.0, conditions)
        resumed.step(1.0, conditions)
    through, again = plant.outputs(), resumed.outputs()
    assert through["job"]["stalled_seconds"][1] > through["job"]["stalled_seconds"][0] == 0
    for device, group in through.items():
        for name, values in group.items():
            np.testing.assert_array_equal(values, again[device][name], err_msg=name)


def test_faults_go_on(file: StateFile) -> None:
    """Faults in force are kept with their parameters, targets and times."""
    schedule = FaultSchedule(LAYOUT, FAULTS)
    schedule.inject("a", "nic-flap", "r0002/n1/nic3", 5.0, 100.0, {"period": 7.0})
    file.save({"strikes": schedule.active})
    again = FaultSchedule(LAYOUT, FAULTS)
    again.restore(file.load()["strikes"])
    assert again.active == schedule.active


def test_no_state_yet(file: StateFile) -> None:
    """Without a file there is no state, and that is no error."""
    assert file.load() is None


def test_a_failed_write_leaves_the_old_file(
    file: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk takes no more, the old state stands and nothing half-written lies about."""
    file.save({"n": 1})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.save({"n": 2})
    assert file.load() == {"n": 1}
    assert [path.name for path in file.path.parent.iterdir()] == ["plant.state"]


def test_damage_is_named(file: StateFile) -> None:
    """A flipped byte, a cut file and a foreign file are refused with the remedy."""
    file.save({"n": list(range(100))})
    whole = file.path.read_bytes()
    for data in (whole[:-1] + b"x", whole[:40], b"", b"{}\n", b"\xff\x00"):
        file.path.write_bytes(data)
        with pytest.raises(ConfigError, match="is damaged; remove it to start afresh"):
            file.load()


def test_a_state_of_something_else_is_named(file: StateFile) -> None:
    """A state of another workload, site or parameter is refused by what differs."""
    file.save({"n": 1})
    folder = file.path.parent
    with pytest.raises(ConfigError, match="is of workload 'training', not 'idle'"):
        StateFile(folder, LAYOUT, "idle").load()
    with pytest.raises(ConfigError, match="is of site 'colossus-array', not 'demo'"):
        StateFile(folder, Layout(load_site("demo")), "training").load()
    other = Layout(parse_site("{name: colossus-array, racks: 9}", "test"))
    with pytest.raises(ConfigError, match="with other counts or parameters"):
        StateFile(folder, other, "training").load()


class Evil:
    """Runs a command when it is unpickled, anywhere but here."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/twin-was-here",)


def test_a_forged_state_runs_nothing(file: StateFile) -> None:
    """A file with a valid digest that calls a function is refused before it is called."""
    file.save({"n": 1})
    head = orjson.loads(file.path.read_bytes().split(b"\n", 1)[0])
    payload = pickle.dumps(Evil())
    head["sha256"] = hashlib.sha256(payload).hexdigest()
    file.path.write_bytes(orjson.dumps(head) + b"\n" + payload)
    with pytest.raises(ConfigError, match=r"posix\.system has no place in it"):
        file.load()
    assert not Path("/tmp/twin-was-here").exists()  # noqa: S108 - what the forgery would make


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A folder below a file is refused with the remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose a folder that can be written to"):
        StateFile(tmp_path / "file" / "below", LAYOUT, "training")
