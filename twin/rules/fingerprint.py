"""Fingerprints of code: what the results of rule tests depend on besides their input."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import numpy as np

import twin
from twin.rules.cache import digest
from twin.rules.promtool import promtool

__all__ = ["PHYSICS", "evaluation_code", "physics_code"]

PHYSICS = (
    "__init__.py",
    "aggregator",
    "bus",
    "catalog",
    "described.py",
    "emulator",
    "errors.py",
    "extension.py",
    "faults",
    "files.py",
    "parameters",
    "plant",
    "registry.py",
    "rules/observer.py",
    "rules/sampling.py",
    "rules/simulation.py",
    "scenario",
    "shadow",
    "site",
    "stored_arrays.py",
    "wire",
    "yamls.py",
)
"""Parts of the package that a scenario's samples depend on."""
_STATIC = frozenset({".pyc", ".html", ".css", ".js", ".svg"})


@cache
def physics_code() -> str:
    """Return a key of all code and data that determine the samples of a scenario."""
    root = Path(twin.__file__).parent
    parts: list[bytes | str] = [platform.machine(), platform.python_version(), np.__version__]
    for path in _files(root, PHYSICS):
        parts += [str(path.relative_to(root)), path.read_bytes()]
    return digest(*parts)


@cache
def evaluation_code() -> str:
    """Return a key of all code by which rules are evaluated, promtool included."""
    root = Path(twin.__file__).parent
    engine = Path(promtool()).resolve()
    status = engine.stat()
    parts: list[bytes | str] = [str(status.st_size), str(status.st_mtime_ns)]
    for path in _files(root, ("rules", "yamls.py")):
        parts += [str(path.relative_to(root)), path.read_bytes()]
    return digest(*parts)


def _files(root: Path, parts: tuple[str, ...]) -> list[Path]:
    found = []
    for part in parts:
        place = root / part
        found += [place] if place.is_file() else [own for own in place.rglob("*") if own.is_file()]
    return sorted(own for own in found if own.suffix not in _STATIC)
