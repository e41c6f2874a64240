"""Counters files: what dcgm-exporter is told to export, read as the exporter reads them.

``internal/pkg/counters/counter_config.go`` of NVIDIA/dcgm-exporter 4.5.3-4.8.2: lines of three
fields ``name, type, help``; a line that begins with ``#`` is a comment; spaces around a field do
not count; a file replaces the exporter's own list and does not add to it. A field is exposed under
the name that stands in the file, so an old name gives the old unit, too.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from twin.catalog.editions.model import CounterRow, Edition
from twin.catalog.model import Exporter, MetricType
from twin.catalog.place import Place
from twin.catalog.real_exporters import exporter_of
from twin.errors import ConfigError

__all__ = ["with_counters"]

_FIELDS = 3
_LABEL = "label"
_TYPES = {kind.value: kind for kind in (MetricType.GAUGE, MetricType.COUNTER)}


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of a file, with its number there."""

    number: int
    field: str
    kind: str
    help: str


def with_counters(edition: Edition, text: str, where: str, known: Sequence[Edition]) -> Edition:
    """Return an edition that exports what a counters file lists.

    Args:
        edition: the exporter's edition.
        text: of the file.
        where: the file, for messages.
        known: all editions of the exporter, the oldest first.

    Raises:
        ConfigError: the exporter would not start with the file; with file and line.
    """
    notes: list[str] = []
    rows: list[CounterRow] = []
    labels: list[str] = []
    seen: dict[str, int] = {}
    for line in _lines(text, where):
        place = f"{where}:{line.number}"
        if line.field in seen:
            raise ConfigError(
                f"{place}: {line.field} is already in line {seen[line.field]}; remove one"
            )
        seen[line.field] = line.number
        if line.field in edition.drivers and line.kind == _LABEL:
            labels.append(line.field)
        elif line.field in edition.fields and line.kind in _TYPES:
            rows.append(CounterRow(line.field, _TYPES[line.kind], line.help))
        else:
            _check_name(edition, line.field, place, known)
            what = "label" if line.kind == _LABEL else "series"
            notes.append(f"{place}: the twin does not have {line.field}, so it gives no {what}")
    if not seen:
        raise ConfigError(
            f"{where}: lists no field; write for example "
            "DCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C)."
        )
    family = _labelled(edition.family, sorted(labels))
    return replace(edition, rows=tuple(rows), notes=tuple(notes), family=family)


def _lines(text: str, where: str) -> Iterator[_Line]:
    """Yield the rows of a file that are neither empty nor a comment."""
    lines = ["" if line.startswith("#") else line for line in text.splitlines()]
    reader = csv.reader(lines, strict=True)
    try:
        for parts in reader:
            if not parts:
                continue
            place = f"{where}:{reader.line_num}"
            if len(parts) != _FIELDS:
                raise ConfigError(
                    f"{place}: has {len(parts)} fields and not {_FIELDS}; write name, type, help, "
                    "and a help text with commas in quotes that follow the comma at once"
                )
            name, kind, help_text = (part.strip(" ") for part in parts)
            if kind != _LABEL and kind not in _TYPES:
                raise ConfigError(f"{place}: type {kind!r} is not gauge, counter or label")
            yield _Line(reader.line_num, name, kind, help_text)
    except csv.Error as error:
        raise ConfigError(f"{where}:{reader.line_num}: is no CSV: {error}") from error


def _check_name(edition: Edition, name: str, place: str, known: Sequence[Edition]) -> None:
    """Refuse a field that the edition does not know, as the exporter does when it starts."""
    if name in edition.fields or name in edition.drivers:
        return
    first = next((own for own in known if name in own.fields or name in own.drivers), None)
    if first is not None:
        raise ConfigError(
            f"{place}: {edition.title} has no field {name}; it comes with {first.version}"
        )
    if exporter_of(name) != edition.family.job:
        raise ConfigError(f"{place}: {edition.title} has no field {name!r}; correct its name")


def _labelled(family: Exporter, labels: Sequence[str]) -> Exporter:
    """Return the exporter with these labels for the driver's version in place of its last one."""
    return replace(
        family,
        labels=(*family.labels[:-1], *labels),
        identify=partial(_identify, family.identify, len(labels)),
    )


def _identify(
    identify: Callable[[Place], tuple[str, ...]], count: int, place: Place
) -> tuple[str, ...]:
    *values, driver = identify(place)
    return (*values, *[driver] * count)
