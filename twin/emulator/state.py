"""The state of a plant on disk, so that counters and charge go on after a restart.

One file, ``plant.state``, or ``plant-0.state`` for the shard 0: a line of JSON that says
what it belongs to, then the pickled state. It is written beside and renamed, so that it is
whole at any moment.
Reading admits only the twin's own classes and NumPy's arrays and generators: a file
that somebody else wrote cannot run code.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from twin import __version__
from twin.errors import ConfigError
from twin.site import Layout

__all__ = ["SAVE_SECONDS", "Identity", "StateFile", "repeated_steps"]

SAVE_SECONDS = 30.0
"""Between two times that an emulator keeps its state."""
_MOST_REPEATED_SECONDS = 2 * SAVE_SECONDS
"""Between a state that was kept and the kill; more is a pause, which is left out."""
_NAME = "plant.state"
_PART_NAME = "plant-{}.state"
_FORMAT = 3
"""Rises when what is kept has another shape."""
_LAYOUT = "layout"
_ALLOWED = {
    ("builtins", "complex"),
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "range"),
    ("builtins", "slice"),
    ("collections", "deque"),
    ("copyreg", "_reconstructor"),
    ("builtins", "object"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.random._pickle", "__bit_generator_ctor"),
    ("numpy.random._pickle", "__generator_ctor"),
    ("numpy.random._pcg64", "PCG64"),
    ("numpy.random.bit_generator", "__pyx_unpickle_SeedSequence"),
    ("numpy.random.bit_generator", "SeedSequence"),
}
"""Names from outside the twin that a state may refer to."""


def repeated_steps(gone: float, period: float) -> int:
    """Return the steps that were published after a state was kept, at most.

    Counters must not fall: Prometheus takes the smallest fall for a restart from nothing,
    and adds all that was ever counted. So an emulator that was killed lives through again
    what it may have told since it last kept its state.

    Args:
        gone: seconds of the wall clock since then.
        period: seconds of the wall clock between two steps.
    """
    return math.ceil(min(max(0.0, gone), _MOST_REPEATED_SECONDS) / period)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a state belongs to: it is of no use to anything else.

    Attributes:
        version: version of the twin.
        site: name of the site.
        site_digest: digest of the site's whole description.
        workload: workload that the plant runs.
    """

    version: str
    site: str
    site_digest: str
    workload: str

    @classmethod
    def of(cls, layout: Layout, workload: str) -> Identity:
        """Return the identity of a site under a workload."""
        text = layout.site.model_dump_json().encode()
        digest = hashlib.sha256(text).hexdigest()
        return cls(__version__, layout.site.name, digest, workload)


class StateFile:
    """The state file of one emulator.

    Args:
        folder: where it lies; made when it is not there.
        layout: the site.
        workload: what the plant runs.
        part: part of the site that the plant is, for a file of its own; None for all of it.

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
        self._layout = layout
        self._identity = Identity.of(layout, workload)

    def save(self, state: Any) -> None:
        """Write ``state``; until it is whole the old file stands.

        Raises:
            OSError: it cannot be written, for example because the disk is full.
        """
        self.write(self.dump(state))

    def dump(self, state: Any) -> bytes:
        """Return ``state`` as the bytes of the file."""
        body = io.BytesIO()
        _Pickler(body, self._layout).dump(state)
        payload = body.getvalue()
        head = {
            "format": _FORMAT,
            "version": self._identity.version,
            "site": self._identity.site,
            "site_digest": self._identity.site_digest,
            "workload": self._identity.workload,
            "sha256": hashlib.sha256(payload).hexdigest(),
        }
        return orjson.dumps(head) + b"\n" + payload

    def write(self, data: bytes) -> None:
        """Put ``data`` in place of the file, in one step.

        Raises:
            OSError: it cannot be written; the old file stands.
        """
        beside = self.path.with_suffix(".new")
        try:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise

    def load(self) -> Any:
        """Return the state, or None when there is none yet.

        Raises:
            ConfigError: the file is damaged, or belongs to another site, workload or version.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error}") from error
        head, _, payload = data.partition(b"\n")
        self._check(head, payload)
        try:
            return _Unpickler(io.BytesIO(payload), self._layout).load()
        except (
            pickle.UnpicklingError,
            AttributeError,
            ImportError,
            TypeError,
            ValueError,
        ) as error:
            raise self._useless(f"holds what is no state of a plant ({error})") from error

    def _check(self, head: bytes, payload: bytes) -> None:
        try:
            found = orjson.loads(head)
        except orjson.JSONDecodeError as error:
            raise self._useless("is damaged") from error
        if not isinstance(found, dict) or "sha256" not in found:
            raise self._useless("is damaged")
        if found["sha256"] != hashlib.sha256(payload).hexdigest():
            raise self._useless("is damaged")
        if found.get("format") != _FORMAT:
            raise self._useless("was written by a twin that divided the plant otherwise")
        wanted = self._identity
        for what, value in (
            ("version", wanted.version),
            ("site", wanted.site),
            ("workload", wanted.workload),
        ):
            if found.get(what) != value:
                raise self._useless(f"is of {what} {found.get(what)!r}, not {value!r}")
        if found.get("site_digest") != wanted.site_digest:
            raise self._useless(f"is of a site {wanted.site!r} with other counts or parameters")

    def _useless(self, what: str) -> ConfigError:
        return ConfigError(
            f"{self.path}: {what}; remove it to start afresh, or choose another --state"
        )


class _Pickler(pickle.Pickler):
    """Leaves the site out: whoever reads the state has it."""

    def __init__(self, file: io.BytesIO, layout: Layout) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._parts = {id(layout): _LAYOUT, id(layout.site): "site"}

    def persistent_id(self, obj: Any) -> str | None:
        return self._parts.get(id(obj))


class _Unpickler(pickle.Unpickler):
    """Admits only what a state consists of."""

    def __init__(self, file: io.BytesIO, layout: Layout) -> None:
        super().__init__(file)
        self._layout = layout

    def persistent_load(self, pid: str) -> Any:
        return self._layout if pid == _LAYOUT else self._layout.site

    def find_class(self, module: str, name: str) -> Any:
        ours = (
            module.startswith(("twin.plant.", "twin.faults.", "twin.parameters.", "twin.site."))
            and "." not in name
        )
        if ours or (module, name) in _ALLOWED:
            found = super().find_class(module, name)
            if (module, name) in _ALLOWED or isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in it")
