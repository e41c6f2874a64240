"""Fingerprints of code: what the results of rule tests depend on besides their input."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from twin.content_cache import code_key, digest
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


@cache
def physics_code() -> str:
    """Return a key of all code and data that determine the samples of a scenario."""
    return code_key(PHYSICS)


@cache
def evaluation_code() -> str:
    """Return a key of all code by which rules are evaluated, promtool included."""
    status = Path(promtool()).resolve().stat()
    return digest(
        str(status.st_size),
        str(status.st_mtime_ns),
        code_key(("rules", "content_cache.py", "yamls.py")),
    )
