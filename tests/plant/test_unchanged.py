"""Signals that do not change: shown as the same array, which nobody writes to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.faults import FAULTS, FaultSchedule
from twin.plant import Plant
from twin.plant.units import Kept, frozen
from twin.site import Layout, parse_site

_STEPS = 40
_FAULTS = {3: ("nic-flap", "r0001/n1/nic0"), 8: ("gpu-xid", "r0001/n1/gpu0"),
           14: ("nic-down", "r0002/n2/nic1"), 20: ("gpu-off-bus", "r0002/n1/gpu1")}  # fmt: skip


def test_the_same_array_has_the_same_values() -> None:
    """Whatever happens, an array that is read-only and shown again is what it was."""
    layout = Layout(parse_site("name: tiny\nracks: 3\nservers_per_rack: 2\n", "tiny"))
    plant, schedule = Plant(layout, seed=4), FaultSchedule(layout, FAULTS)
    seen: dict[int, tuple[NDArray[np.floating], NDArray[np.floating]]] = {}
    changed = []
    for step in range(_STEPS):
        if step in _FAULTS:
            kind, target = _FAULTS[step]
            schedule.inject(f"f{step}", kind, target, float(step), 6.0, None)
        schedule.expire(float(step))
        plant.step(1.0, schedule.conditions(float(step)))
        for device, group in plant.outputs().items():
            for name, values in group.items():
                if values.flags.writeable:
                    continue
                before = seen.setdefault(id(values), (values, values.copy()))[1]
                if not np.array_equal(before, values, equal_nan=True):
                    changed.append((step, device, name))
    assert not changed


def test_counters_of_healthy_ports_stand_still() -> None:
    """Where nothing happens, the arrays of links, errors and flaps are shown again."""
    layout = Layout(parse_site("name: tiny\nracks: 2\nservers_per_rack: 2\n", "tiny"))
    plant, schedule = Plant(layout, seed=1), FaultSchedule(layout, FAULTS)
    shown = []
    for step in range(2):
        plant.step(1.0, schedule.conditions(float(step)))
        shown.append(plant.outputs())
    names = ("state", "up", "speed", "rate", "link_downed", "rx_errors", "carrier_changes")
    for name in names:
        assert shown[0]["nic"][name] is shown[1]["nic"][name], name
    for name in ("xid", "pcie_replay", "mem_clock", "fb_reserved"):
        assert shown[0]["gpu"][name] is shown[1]["gpu"][name], name


def test_what_follows_is_made_anew_when_its_source_is_another() -> None:
    """A kept array stays for frozen sources and equal numbers, and for no others."""
    kept, source, made = Kept(), frozen(np.ones(2)), []

    def make() -> NDArray[np.float64]:
        made.append(1)
        return np.zeros(2)

    first = kept("x", make, source, 0.5)
    assert kept("x", make, source, 0.5) is first
    assert kept("x", make, source, 0.25) is not first
    open_source = np.ones(2)
    assert kept("y", make, open_source) is not kept("y", make, open_source)
    assert len(made) == len(("first", "other number", "open", "open again"))
