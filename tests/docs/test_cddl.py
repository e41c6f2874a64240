"""The CDDL of CBOR frames: true to the frames that an emulator sends."""

from __future__ import annotations

import re

import cbor2
import numpy as np
import pytest

from twin.catalog import UnitKind
from twin.docs.cddl import pages
from twin.docs.schema import EXAMPLE_SITE
from twin.site import Layout, load_site
from twin.wire import Codec, Encoder
from twin.wire.cbor_form import FLOAT32, FLOAT64

LAYOUT = Layout(load_site(EXAMPLE_SITE))
TEXT = pages()["schema/frames.cddl"]
RULES = {
    name: dict(re.findall(r"^  (\w+): (.*),$", body, re.MULTILINE))
    for name, body in re.findall(r"^([\w-]+) = \{\n(.*?)^\}$", TEXT, re.MULTILINE | re.DOTALL)
}


def column(value: object) -> str:
    """Return the type of a column as the text writes it."""
    assert isinstance(value, cbor2.CBORTag)
    return {FLOAT32: "float32", FLOAT64: "float64"}[value.tag] + f"<{len(value.value)}>"


@pytest.mark.parametrize("great", [False, True])
@pytest.mark.parametrize("kind", UnitKind)
def test_frames_are_as_described(kind: UnitKind, great: bool) -> None:
    """Groups, columns and the arrays' types and lengths, before counters grow and after."""
    plant = {
        device.name: {
            signal.name: np.full(LAYOUT.shape(device), 1e15 if great else 0.0)
            for signal in device.wire_signals
        }
        for device in LAYOUT.devices_of(kind)
    }
    encoder = Encoder(LAYOUT, kind, Codec.CBOR)
    encoder.load(plant)
    frame = cbor2.loads(encoder.encode(0, 1.0, 1))

    groups = RULES[f"{kind.value}-frame"]
    assert list(frame) == ["v", "ts", "seq", *groups]
    for group, rule in groups.items():
        assert list(frame[group]) == list(RULES[rule])
        for name, kinds in RULES[rule].items():
            own = column(frame[group][name])
            assert own in kinds.split(" / "), (group, name)
            assert not great or own == kinds.split(" / ")[-1], (group, name)


def test_every_rule_is_used() -> None:
    """Each group belongs to a frame, and each kind of frame has its rule."""
    frames = {f"{kind.value}-frame" for kind in UnitKind}
    used = {rule for frame in frames for rule in RULES[frame].values()}
    assert set(RULES) == frames | used
