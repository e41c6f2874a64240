"""Samples in Parquet: a row for a device and a time, its identity and its metrics as columns.

Series with the same labels at the same times are one table; where an exporter gives some metrics
further labels, those are another file of the same folder. In a row group the rows of a device
follow each other: its identity is then a run, and what hardly changes compresses by itself.
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
_MOST_ROWS = 131_072
"""Rows of a row group: what is made for one stays in the processor's caches."""
_LOOKED_AT, _FEW = 1024, 8
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


@dataclass(frozen=True, slots=True)
class _FileKey:
    """What makes tables parts of one file.

    Attributes:
        device: device class.
        names: of the labels.
        lacking: those of them that some of the devices lack.
        metrics: names of the metrics.
    """

    device: str
    names: tuple[str, ...]
    lacking: frozenset[str]
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _RowOrder:
    """The rows of a table, device by device.

    Attributes:
        devices: how many.
        moments: unix time of each scrape in ms.
        there: (devices, scrapes), which have a row; None for all.
    """

    devices: int
    moments: NDArray[np.int64]
    there: NDArray[np.bool_] | None

    def times(self) -> NDArray[np.int64]:
        """Return the time of each row."""
        return self._spread(self.moments[None, :])

    def of_devices(self, codes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return what each device has, row by row."""
        return self._spread(codes[:, None])

    def of_samples(self, table: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return a table, (devices, scrapes), row by row."""
        return table.reshape(-1) if self.there is None else table[self.there]

    def _spread(self, values: NDArray[Any]) -> NDArray[Any]:
        whole = np.broadcast_to(values, (self.devices, self.moments.size))
        return whole.reshape(-1) if self.there is None else whole[self.there]


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
        self._files: dict[_FileKey, Any] = {}
        self._numbers: dict[str, int] = {}
        self._identities: dict[tuple[int, ...], tuple[list[Sequence[bytes]], _Identity]] = {}
        self._older = self._identities

    def take(self, blocks: Iterable[Block]) -> int:
        """Append a row group to each file and return the number of samples."""
        self._older, self._identities = self._identities, {}
        groups: dict[tuple[_FileKey, bytes], list[_Rows]] = {}
        for device, rows in _together(blocks):
            identity = self._identity([rows.labels])
            lacking = frozenset(name for name, (codes, _) in identity.items() if codes.min() < 0)
            key = _FileKey(device, tuple(identity), lacking, tuple(rows.columns))
            groups.setdefault((key, rows.times.tobytes()), []).append(rows)
        return sum(self._write(key, parts) for (key, _), parts in groups.items())

    def _identity(self, labels: list[Sequence[bytes]]) -> _Identity:
        """Return the labels of some series as columns; most are the same from part to part."""
        key = tuple(id(own) for own in labels)
        known = self._identities.get(key) or self._older.get(key)
        if known is None or any(a is not b for a, b in zip(known[0], labels, strict=True)):
            known = labels, _columns_of([own for part in labels for own in part])
        self._identities[key] = known
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

    def _write(self, key: _FileKey, parts: Sequence[_Rows]) -> int:
        """Append what some devices said, and return the number of samples."""
        identity, times = self._identity([rows.labels for rows in parts]), parts[0].times
        devices = sum(len(rows.labels) for rows in parts)
        each = max(1, _MOST_ROWS // times.size)
        samples = 0
        for first in range(0, devices, each):
            own = slice(first, min(first + each, devices))
            values = {
                name: _by_device([rows.columns[name] for rows in parts], own)
                for name in key.metrics
            }
            there = _there(values)
            if there is None or there.any():
                rows = _RowOrder(own.stop - own.start, times, there)
                labels = {name: (codes[own], words) for name, (codes, words) in identity.items()}
                samples += self._append(key, labels, values, rows)
        return samples

    def _append(
        self,
        key: _FileKey,
        identity: _Identity,
        values: Mapping[str, NDArray[np.float64]],
        rows: _RowOrder,
    ) -> int:
        """Append a row group, and return the number of samples."""
        arrow, samples = self._arrow, 0
        moment, new = arrow.timestamp("ms", tz="UTC"), key not in self._files
        fields = [arrow.field("time", moment, nullable=False)]
        columns, few = [arrow.array(rows.times(), moment)], ["time"]
        for name, (codes, words) in identity.items():
            own = rows.of_devices(codes)
            without = own < 0 if name in key.lacking else None
            column = arrow.DictionaryArray.from_arrays(
                arrow.array(own, mask=without), arrow.array(words, arrow.string())
            )
            own_name = _free(name, key.metrics)
            few.append(own_name)
            fields.append(arrow.field(own_name, column.type, nullable=without is not None))
            columns.append(column)
        for name, table in values.items():
            flat = rows.of_samples(table)
            missing = None if _is_whole(flat) else ~np.isfinite(flat)
            samples += flat.size if missing is None else int(flat.size - missing.sum())
            fields.append(arrow.field(name, arrow.float64()))
            columns.append(arrow.array(flat, arrow.float64(), mask=missing))
            if new and _repeats(flat):
                few.append(name)
        made = arrow.Table.from_arrays(columns, schema=arrow.schema(fields))
        job = identity["job"][1][0] if "job" in identity else None
        self._file(key, job or "twin", made.schema, few, len(identity)).write_table(made)
        return samples

    def _file(self, key: _FileKey, job: str, schema: Any, few: Sequence[str], labels: int) -> Any:
        """Return the file of some columns, which is made when they first appear.

        Args:
            key: of the file.
            job: of its exporter.
            schema: of its columns.
            few: columns with few values, which are written with a dictionary.
            labels: how many of them, after the time, are runs of the same value, which are
                smaller than what compressing them would cost.
        """
        if key not in self._files:
            folder = self._folder / f"class={key.device}"
            folder.mkdir(exist_ok=True)
            word = "rules" if key.device in _OF_RULES else _WORD.sub("-", job.lower())
            stem = f"{key.device}/{word}"
            number = self._numbers[stem] = self._numbers.get(stem, -1) + 1
            self._files[key] = self._parquet.ParquetWriter(
                folder / f"{word}-{number}.parquet",
                schema,
                compression={
                    name: "none" if name in few[1 : 1 + labels] else "zstd" for name in schema.names
                },
                use_dictionary=list(few),
                write_statistics=["time"],
            )
        return self._files[key]


def _by_device(tables: Sequence[NDArray[np.float64]], own: slice) -> NDArray[np.float64]:
    """Return some devices of tables of (scrapes, devices), side by side, device by device."""
    joined = np.empty((own.stop - own.start, tables[0].shape[0]))
    first = -own.start
    for table in tables:
        last = first + table.shape[1]
        low, high = max(first, 0), min(last, len(joined))
        if low < high:
            joined[low:high] = table[:, low - first : high - first].T
        first = last
    return joined


def _is_whole(values: NDArray[np.float64]) -> bool:
    """Return whether no value is missing: a sum tells it without a table of answers."""
    return bool(np.isfinite(values.sum()))


def _repeats(values: NDArray[np.float64]) -> bool:
    """Return whether the values, of which some are looked at, are few different ones."""
    some = values[:: max(1, values.size // _LOOKED_AT)]
    return bool(np.unique(some).size * _FEW < some.size)


def _there(columns: Mapping[str, NDArray[np.float64]]) -> NDArray[np.bool_] | None:
    """Return which devices reported anything at each time, (devices, samples), None for all."""
    if any(_is_whole(values) for values in columns.values()):
        return None
    there = np.logical_or.reduce([np.isfinite(values) for values in columns.values()])
    return None if there.all() else there


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
