"""Samples in Parquet: a row for a device and a time, its identity and its metrics as columns.

Series with the same labels at the same times are one table; where an exporter gives some metrics
further labels, those are another file of the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin.errors import not_installed
from twin.history.events import PastEvent, events_table
from twin.history.page_reader import Block
from twin.rules.sampling import labels_of_block

__all__ = ["ParquetDay", "pyarrow"]

_WORD = re.compile(r"[^a-z0-9]+")
_OF_RULES = ("alert", "rule")
"""Classes whose job is that of the device that a rule is about."""
_LOOKED_AT, _FEW = 4096, 8
"""Values by which a dictionary is chosen, and how often each must come for it to pay."""


_Identity = Mapping[str, tuple[NDArray[np.int32], list[str]]]
"""Label names to the code of each series, -1 where it lacks the label, and the codes' words."""


@dataclass(slots=True)
class _Rows:
    """Metrics that share their rows.

    Attributes:
        labels: label block of each device.
        times: unix time of each sample in ms.
        columns: metric name to (samples, devices).
    """

    labels: Sequence[bytes]
    times: NDArray[np.int64]
    columns: dict[str, NDArray[np.float64]] = field(default_factory=dict)


class ParquetDay:
    """The files of a day.

    Args:
        folder: in which ``class=…`` folders are made.

    Raises:
        ConfigError: pyarrow is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._arrow, self._parquet = pyarrow("--to parquet")
        self._folder = folder
        self._files: dict[tuple[str, tuple[str, ...], tuple[str, ...]], Any] = {}
        self._numbers: dict[str, int] = {}
        self._identities: dict[int, tuple[Sequence[bytes], _Identity]] = {}
        self._older = self._identities

    def take(self, blocks: Iterable[Block]) -> int:
        """Append a row group to each file and return the number of samples."""
        samples, self._older, self._identities = 0, self._identities, {}
        for device, rows in _together(blocks):
            samples += self._write(device, rows)
        return samples

    def _identity(self, labels: Sequence[bytes]) -> _Identity:
        """Return the labels of some series as columns; most are the same from part to part."""
        known = self._identities.get(id(labels)) or self._older.get(id(labels))
        if known is None or known[0] is not labels:
            known = labels, _columns_of(labels)
        self._identities[id(labels)] = known
        return known[1]

    def write_events(self, events: Sequence[PastEvent]) -> None:
        """Write what was in force, as ``events.parquet`` of a dataset."""
        folder = self._folder / "class=event"
        folder.mkdir()
        table = events_table(self._arrow, [asdict(own) for own in events])
        self._parquet.write_table(table, folder / "events.parquet")

    def close(self) -> None:
        """Close all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _write(self, device: str, rows: _Rows) -> int:
        identity = self._identity(rows.labels)
        names, metrics = tuple(identity), tuple(rows.columns)
        there = _there(rows)
        if not there.any():
            return 0
        at, who = np.nonzero(there)
        arrow = self._arrow
        columns: dict[str, Any] = {
            "time": arrow.array(rows.times[at], arrow.timestamp("ms", tz="UTC"))
        }
        for name, (codes, words) in identity.items():
            own = codes[who]
            without = own < 0
            columns[_free(name, metrics)] = arrow.DictionaryArray.from_arrays(
                arrow.array(own, mask=without if without.any() else None),
                arrow.array(words, arrow.string()),
            )
        samples, whole, few = 0, bool(there.all()), list(columns)
        for name, values in rows.columns.items():
            flat = values.reshape(-1) if whole else values[there]
            missing = ~np.isfinite(flat)
            lacking = int(missing.sum())
            samples += flat.size - lacking
            columns[name] = arrow.array(flat, arrow.float64(), mask=missing if lacking else None)
            if _repeats(flat):
                few.append(name)
        table = arrow.table(columns)
        job = identity["job"][1][0] if "job" in identity else None
        self._file(device, names, metrics, job or "twin", table.schema, few).write_table(table)
        return samples

    def _file(
        self,
        device: str,
        names: tuple[str, ...],
        metrics: tuple[str, ...],
        job: str,
        schema: Any,
        few: Sequence[str],
    ) -> Any:
        """Return the file of some columns, which is made when they first appear.

        Columns with few values are written with a dictionary, and others without: building one
        that does not pay takes as long as all else.
        """
        key = device, names, metrics
        if key not in self._files:
            folder = self._folder / f"class={device}"
            folder.mkdir(exist_ok=True)
            stem = f"{device}/{'rules' if device in _OF_RULES else _WORD.sub('-', job.lower())}"
            number = self._numbers[stem] = self._numbers.get(stem, -1) + 1
            path = folder / f"{stem.partition('/')[2]}-{number}.parquet"
            self._files[key] = self._parquet.ParquetWriter(
                path, schema, compression="zstd", use_dictionary=list(few)
            )
        return self._files[key]


def _there(rows: _Rows) -> NDArray[np.bool_]:
    """Return which devices reported anything, (samples, devices)."""
    there = np.zeros((len(rows.times), len(rows.labels)), np.bool_)
    for values in rows.columns.values():
        there |= np.isfinite(values)
        if there.all():
            break
    return there


def _repeats(values: NDArray[np.float64]) -> bool:
    """Return whether the first values are few different ones."""
    first = values[:_LOOKED_AT]
    return bool(np.unique(first).size * _FEW < first.size)


def _together(blocks: Iterable[Block]) -> list[tuple[str, _Rows]]:
    """Return the blocks by what shares its rows: device class, labels and times."""
    found: dict[tuple[str, int, bytes, bytes], list[_Rows]] = {}
    for block in blocks:
        if not len(block.labels):
            continue
        key = (block.device, len(block.labels), block.labels[0], block.times.tobytes())
        groups = found.setdefault(key, [])
        name = block.head.name
        for rows in groups:
            same = rows.labels is block.labels or rows.labels == block.labels
            if same and name not in rows.columns:
                rows.columns[name] = block.values
                break
        else:
            groups.append(_Rows(block.labels, block.times, {name: block.values}))
    return [(key[0], rows) for key, groups in found.items() for rows in groups]


def _columns_of(labels: Sequence[bytes]) -> _Identity:
    identity = [labels_of_block(block) for block in labels]
    columns: dict[str, tuple[NDArray[np.int32], list[str]]] = {}
    for name in dict.fromkeys(name for own in identity for name in own):
        values = [own.get(name) for own in identity]
        words = list(dict.fromkeys(word for word in values if word is not None))
        codes = {word: code for code, word in enumerate(words)}
        own_codes = [-1 if word is None else codes[word] for word in values]
        columns[name] = np.array(own_codes, np.int32), words
    return columns


def _free(name: str, metrics: Sequence[str]) -> str:
    """Return a column name for a label that no other column has."""
    return f"label_{name}" if name in metrics or name == "time" else name


def pyarrow(wanted_by: str) -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - of the extra history
        from pyarrow import parquet  # noqa: PLC0415 - likewise
    except ImportError:
        raise not_installed(wanted_by, "pyarrow>=18") from None
    return pa, parquet
