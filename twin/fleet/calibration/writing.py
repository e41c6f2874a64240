"""Writing of calibrated parameters into a site file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from twin.site import Layout, load_gpu_model
from twin.yamls import load

__all__ = ["calibrated_text"]

_DIGITS = 5


def calibrated_text(text: str, where: str, layout: Layout, values: Mapping[str, float]) -> str:
    """Return a site file with these values in place of its own, by their keys with dots.

    The name of a GPU model becomes a section of its own.
    """
    found: dict[str, Any] = dict(load(text, where))
    for key, value in values.items():
        section, _, name = key.rpartition(".")
        inner = found.get(section)
        if section == "gpu" and not isinstance(inner, Mapping):
            inner = load_gpu_model(layout.site.gpu.key).model_dump(exclude_defaults=True)
        found[section] = {**(inner or {}), name: float(f"{value:.{_DIGITS}g}")}
    measured = found.pop("measured", None)
    head = f"# Calibrated by twin calibrate: {', '.join(sorted(values))}.\n"
    body = yaml.safe_dump(_plain(found), sort_keys=False, allow_unicode=True)
    if not measured:
        return head + body
    rows = (yaml.safe_dump(_plain(own), default_flow_style=True, sort_keys=False, width=10**9)
            for own in measured)  # fmt: skip
    return head + body + "measured:\n" + "".join(f"  - {own.strip()}\n" for own in rows)


def _plain(value: Any) -> Any:
    """Return a value with tuples as lists, which YAML has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(own) for own in value]
    return value
