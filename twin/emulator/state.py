"""State of an emulator on disk, so that counters and charge go on after a restart.

One file, ``plant.state``, or ``plant-0.state`` for the shard 0: an uncompressed zip archive
with ``head.json`` (what the state belongs to, faults, running numbers), ``tree.json`` (plain
values) and one ``.npy`` file an array, under its name; ``numpy.load`` reads the arrays. It is
written to a temporary file and renamed, so it is always complete. It contains no code.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from numpy.lib import format as npy
from pydantic import Field, ValidationError

from twin import __version__
from twin.errors import ConfigError
from twin.files import write_whole
from twin.plant.state import PlantState
from twin.site import Layout
from twin.stored_arrays import UNREADABLE, check_stored, stored_array
from twin.wire.messages import END_OF_TIME, ActiveFault, Strict

__all__ = ["SAVE_SECONDS", "KeptState", "StateFile", "repeated_steps"]

SAVE_SECONDS = 30.0
"""Between two times that an emulator keeps its state."""
_MOST_REPEATED_SECONDS = 2 * SAVE_SECONDS
"""Between a state that was kept and the kill; more is a pause, which is left out."""
_NAME = "plant.state"
_PART_NAME = "plant-{}.state"
_FORMAT = 4
"""Rises when the file has another shape. A part of the plant that is new or gone is none."""
_HEAD, _TREE, _ARRAY = "head.json", "tree.json", ".npy"

_Time = Annotated[float, Field(ge=0, lt=END_OF_TIME)]


def repeated_steps(gone: float, period: float) -> int:
    """Return the steps that were published after a state was kept, at most.

    Counters must not decrease: Prometheus takes the smallest decrease for a restart from 0
    and adds the whole value again. So a killed emulator recomputes the steps that it may
    have published since it last saved its state.

    Args:
        gone: seconds of the wall clock since then.
        period: seconds of the wall clock between two steps.
    """
    return math.ceil(min(max(0.0, gone), _MOST_REPEATED_SECONDS) / period)


@dataclass(frozen=True, slots=True)
class KeptState:
    """All that the next emulator needs to go on from here.

    Attributes:
        plant: its state.
        now: simulated unix time.
        faults: those in force, with their parameters.
        sequence: running number of each unit's next frame, by kind of unit.
        ended: whether publishing has ended.
        wall: wall clock at which it was kept, unix seconds.
    """

    plant: PlantState
    now: float
    faults: tuple[ActiveFault, ...] = ()
    sequence: dict[str, tuple[int, ...]] = field(default_factory=dict)
    ended: bool = False
    wall: float = 0.0


class _Head(Strict):
    """What a state belongs to, and all of it that is not the plant's."""

    format: int
    version: str
    site: str
    site_digest: str
    workload: str
    now: _Time
    wall: _Time
    ended: bool
    faults: tuple[ActiveFault, ...]
    sequence: dict[str, tuple[Annotated[int, Field(ge=0, lt=2**53)], ...]]


class StateFile:
    """The state file of one emulator.

    Args:
        folder: where it lies; made when it is not there.
        layout: the site.
        workload: what the plant runs.
        part: part of the site that is published, for a file of its own; None for all of it.

    Raises:
        ConfigError: the folder cannot be made.
    """

    def __init__(
        self, folder: Path, layout: Layout, workload: str, part: str | None = None
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"--state {folder}: cannot be made: {error}; choose a folder that can be written to"
            ) from error
        self.path = folder / (_NAME if part is None else _PART_NAME.format(part))
        self._site = layout.site.name
        self._digest = hashlib.sha256(layout.site.model_dump_json().encode()).hexdigest()
        self._workload = workload

    def save(self, state: KeptState) -> None:
        """Write ``state``; until it is whole the old file stands.

        Raises:
            OSError: it cannot be written, for example because the disk is full.
        """
        self.write(self.dump(state))

    def dump(self, state: KeptState) -> bytes:
        """Return ``state`` as the bytes of the file."""
        head = _Head(
            format=_FORMAT,
            version=__version__,
            site=self._site,
            site_digest=self._digest,
            workload=self._workload,
            now=state.now,
            wall=state.wall,
            ended=state.ended,
            faults=state.faults,
            sequence=state.sequence,
        )
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_HEAD, head.model_dump_json())
            archive.writestr(_TREE, json.dumps(state.plant.tree))
            for name, array in state.plant.arrays.items():
                with archive.open(f"{name}{_ARRAY}", "w") as file:
                    npy.write_array(file, array, allow_pickle=False)
        return body.getvalue()

    def write(self, data: bytes) -> None:
        """Put ``data`` in place of the file, in one step.

        Raises:
            OSError: it cannot be written; the old file stands.
        """
        write_whole(self.path, data)

    def load(self) -> KeptState | None:
        """Return the state, or None when there is none yet.

        Raises:
            ConfigError: the file is damaged, or belongs to another site, workload or format.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error}") from error
        if data.startswith(b'{"format":'):
            raise self.useless("was written by a twin before 0.1.0, in a format that is gone")
        try:
            return self._read(data)
        except UNREADABLE as error:
            raise self.useless("is damaged") from error

    def useless(self, what: str) -> ConfigError:
        """Return the error that the file cannot be taken up."""
        return ConfigError(
            f"{self.path}: {what}; remove it to start afresh, or choose another --state"
        )

    def _read(self, data: bytes) -> KeptState:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            check_stored(archive, len(data))
            head = self._head(archive.read(_HEAD))
            tree = json.loads(archive.read(_TREE))
            arrays = {
                name.removesuffix(_ARRAY): stored_array(archive.read(name))
                for name in names
                if name.endswith(_ARRAY)
            }
        return KeptState(
            PlantState(tree, arrays), head.now, head.faults, head.sequence, head.ended, head.wall
        )

    def _head(self, text: bytes) -> _Head:
        found: Any = json.loads(text)
        if not isinstance(found, dict):
            raise TypeError("the head is not an object")
        if found.get("format") != _FORMAT:
            raise self.useless(f"is of format {found.get('format')}, and this twin reads {_FORMAT}")
        try:
            head = _Head.model_validate(found)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise self.useless(f"has a wrong {place} in its head ({first['msg']})") from error
        for what, value, wanted in (
            ("site", head.site, self._site),
            ("workload", head.workload, self._workload),
        ):
            if value != wanted:
                raise self.useless(f"is of {what} {value!r}, not {wanted!r}")
        if head.site_digest != self._digest:
            raise self.useless(f"is of a site {self._site!r} with other counts or parameters")
        return head
