"""Names of real exporters: the metrics that they have and the twin does not.

A file of ``names/`` has those of one exporter, one a line, with their source. A name that
ends in ``*`` stands for all that begin with it, where the names depend on the machine. What
the twin exposes stands in the catalogue and not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

__all__ = ["exporter_of", "real_names"]

_PARTS = ("_bucket", "_count", "_sum")
"""What a histogram or a summary adds to its name."""


@cache
def real_names() -> Mapping[str, str]:
    """Return the exporter of each name; those that end in ``*`` among them."""
    found: dict[str, str] = {}
    for file in resources.files("twin.catalog").joinpath("names").iterdir():
        exporter = file.name.removesuffix(".txt")
        for line in file.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                found[line] = exporter
    return MappingProxyType(found)


def exporter_of(name: str) -> str | None:
    """Return which real exporter has a metric that the twin does not have, None for none."""
    names = real_names()
    for known in (name, *(name.removesuffix(part) for part in _PARTS)):
        if known in names:
            return names[known]
    beginnings = (known for known in names if known.endswith("*"))
    return next((names[own] for own in beginnings if name.startswith(own[:-1])), None)
