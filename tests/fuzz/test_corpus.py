"""The corpus: every input that a fuzzer began with or once broke something with, and mutants."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, frame_into, fresh_core, seeds
from twin.catalog import UnitKind

INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
MUTANTS = 5


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_input(path: Path) -> None:
    """What was found once is not found again."""
    TARGETS[path.parent.name](path.read_bytes())


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Return ``data`` cut off, doubled, or with a few bytes changed."""
    if not data:
        return bytes([rng.randrange(256)])
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    first = rng.randrange(len(data))
    return rng.choice([bytes(changed), data[:first], data[:first] + data, data + data[first:]])


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_mutants(target: str) -> None:
    """What differs a little from the corpus breaks nothing either."""
    rng = random.Random(target)  # noqa: S311 - the same mutants each time
    for path in INPUTS:
        if path.parent.name == target:
            for _ in range(MUTANTS):
                TARGETS[target](mutated(path.read_bytes(), rng))


def test_every_target_has_a_corpus() -> None:
    """No target begins with nothing, and no folder is of a target that is gone."""
    assert {path.parent.name for path in INPUTS} == set(TARGETS)


def test_frames_are_valid() -> None:
    """The frames that fuzzing begins with are taken over, or it would never get past the head."""
    core = fresh_core()
    for data in (*seeds()["json"], *seeds()["cbor"]):
        frame_into(core, data)
    tallies = core.telemetry.tallies()
    assert sum(tallies["twin_frames_ingested_total"].values()) == len(UnitKind)
    assert tallies["twin_messages_refused_total"]["duplicate"] == len(UnitKind), (
        "in the other codec"
    )
