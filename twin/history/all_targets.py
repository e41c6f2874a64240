"""All targets of a past by their words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from twin.errors import ConfigError
from twin.history.remote_write import RemoteWriteTarget
from twin.history.targets import BlocksTarget, OpenMetricsTarget, ParquetTarget, SampleTarget

__all__ = ["TARGETS", "target_of"]

TARGETS: Mapping[str, type[SampleTarget]] = MappingProxyType(
    {
        target.word: target
        for target in (ParquetTarget, OpenMetricsTarget, BlocksTarget, RemoteWriteTarget)
    }
)
"""Targets by the word before the colon."""


def target_of(text: str, tenant: str | None = None) -> SampleTarget:
    """Return the target of ``parquet:FOLDER`` and its like, or of ``write:URL``.

    Args:
        text: as a person writes it.
        tenant: of Mimir, for ``write``.

    Raises:
        ConfigError: it is none of these, or what it needs is not there.
    """
    word, colon, place = text.partition(":")
    if word not in TARGETS or not colon or not place:
        forms = ", ".join(
            f"{known}:{'URL' if target is RemoteWriteTarget else 'FOLDER'}"
            for known, target in TARGETS.items()
        )
        raise ConfigError(f"--to {text!r} is not known; write one of {forms}")
    if tenant is None:
        return TARGETS[word].made_of(place)
    if TARGETS[word] is not RemoteWriteTarget:
        raise ConfigError(f"--tenant is for --to write:URL, and not for --to {text}; leave it out")
    return RemoteWriteTarget(place, headers={"X-Scope-OrgID": tenant})
