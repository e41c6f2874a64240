"""Targets of a past: what a day of samples is written to, whole or not at all."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from twin.errors import ConfigError
from twin.files import write_whole
from twin.history.block_making import BlockMaker
from twin.history.events import PastEvent, event_lines
from twin.history.openmetrics import write_openmetrics
from twin.history.page_reader import Block
from twin.history.parquet import ParquetDay
from twin.history.past import DAY

__all__ = ["BlocksTarget", "DayWriter", "OpenMetricsTarget", "ParquetTarget", "SampleTarget"]


class DayWriter(ABC):
    """A day that is being written."""

    @abstractmethod
    def take(self, blocks: Iterable[Block]) -> int:
        """Write the blocks of a part of the day and return how many samples they have."""

    @abstractmethod
    def finish(self, events: Sequence[PastEvent]) -> None:
        """Put the day in place, with what was in force in it."""

    @abstractmethod
    def drop(self) -> None:
        """Leave nothing of it."""


class SampleTarget(ABC):
    """A folder of days.

    Args:
        folder: where they are; made if it is not there.

    Raises:
        ConfigError: it cannot be written to.
    """

    bytes_a_sample: ClassVar[float]
    """Size of a sample once written, est. from a day of ``demo``."""

    seconds_a_sample: ClassVar[float]
    """What it takes to write one, in s, est. from a day of ``demo``."""

    seconds_of_others: ClassVar[float] = 0.0
    """The same of other programs beside."""

    word: ClassVar[str]
    """What stands before the colon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--to: {folder} cannot be made: {error.strerror}") from error

    def name_of(self, day: int) -> str:
        """Return the name of a day that begins at this unix time."""
        moment = datetime.fromtimestamp(day, UTC)
        return f"{moment:%Y-%m-%d}" if day % DAY == 0 else f"{moment:%Y-%m-%dT%H%M%S}"

    in_order: ClassVar[bool] = False
    """Whether days must be written one after the other."""

    @classmethod
    def made_of(cls, text: str) -> SampleTarget:
        """Return the target of what stands after the colon."""
        return cls(Path(text))

    @property
    def text(self) -> str:
        """What :func:`target_of` makes it of."""
        return f"{self.word}:{self.folder}"

    @property
    def place(self) -> str:
        """Where the samples are, for a person."""
        return str(self.folder)

    @abstractmethod
    def has(self, day: int) -> bool:
        """Return whether the day is there already."""

    @abstractmethod
    def day(self, day: int) -> DayWriter:
        """Begin a day."""


class _FolderDay(DayWriter):
    """A day as a folder, which is renamed once it is whole."""

    def __init__(self, final: Path) -> None:
        self._final = final
        self.folder = final.with_name(f".{final.name}.new")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def finish(self, events: Sequence[PastEvent]) -> None:
        """Put the day in place."""
        write_whole(self.folder / "events.jsonl", event_lines(events))
        self.folder.rename(self._final)

    def drop(self) -> None:
        """Leave nothing of it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class _ParquetFolder(_FolderDay):
    def __init__(self, final: Path) -> None:
        super().__init__(final)
        self._day = ParquetDay(self.folder)

    def take(self, blocks: Iterable[Block]) -> int:
        """Append row groups."""
        return self._day.take(blocks)

    def finish(self, events: Sequence[PastEvent]) -> None:
        """Close the files and put the day in place."""
        self._day.write_events(events)
        self._day.close()
        self.folder.rename(self._final)

    def drop(self) -> None:
        """Leave nothing of it."""
        self._day.close()
        super().drop()


class ParquetTarget(SampleTarget):
    """Parquet: ``day=2026-01-31/class=gpu/dcgm-0.parquet``, identity and metrics as columns."""

    word = "parquet"
    bytes_a_sample = 1.0
    seconds_a_sample = 0.15e-6

    def has(self, day: int) -> bool:
        """Return whether the day is there already."""
        return self._path(day).is_dir()

    def day(self, day: int) -> DayWriter:
        """Begin a day."""
        return _ParquetFolder(self._path(day))

    def _path(self, day: int) -> Path:
        return self.folder / f"day={self.name_of(day)}"


class _OpenMetricsFolder(_FolderDay):
    _part = 0

    def take(self, blocks: Iterable[Block]) -> int:
        """Write a file."""
        self._part += 1
        return write_openmetrics(self.folder / f"{self._part:03d}.om", blocks)


class OpenMetricsTarget(SampleTarget):
    """OpenMetrics with timestamps: ``2026-01-31/001.om``, a file for each two hours."""

    word = "openmetrics"
    bytes_a_sample = 180.0
    seconds_a_sample = 0.7e-6

    def has(self, day: int) -> bool:
        """Return whether the day is there already."""
        return (self.folder / self.name_of(day)).is_dir()

    def day(self, day: int) -> DayWriter:
        """Begin a day."""
        return _OpenMetricsFolder(self.folder / self.name_of(day))


class _BlocksDay(_FolderDay):
    """A day of Prometheus's blocks, made by promtool from files that are removed again."""

    def __init__(self, final: Path, promtool: str) -> None:
        super().__init__(final)
        self._maker = BlockMaker(promtool, self.folder)

    def take(self, blocks: Iterable[Block]) -> int:
        """Begin to make the blocks of a part."""
        return self._maker.take(blocks)

    def finish(self, events: Sequence[PastEvent]) -> None:
        """Move the blocks to where Prometheus finds them, and say that the day is whole."""
        self._maker.finish()
        for block in sorted(self.folder.iterdir()):
            block.rename(self._final.parent / block.name)
        self.folder.rmdir()
        write_whole(self._final, event_lines(events))

    def drop(self) -> None:
        """Leave nothing of it."""
        self._maker.stop()
        super().drop()


class BlocksTarget(SampleTarget):
    """Blocks of Prometheus: the folder is its ``--storage.tsdb.path``, or is copied there.

    Raises:
        ConfigError: promtool is not there.
    """

    word = "blocks"
    bytes_a_sample = 1.7
    seconds_a_sample = 0.7e-6
    seconds_of_others = 2.3e-6

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        found = shutil.which("promtool")
        if found is None:
            raise ConfigError(
                "--to blocks: promtool is not installed, which makes Prometheus's blocks; install "
                "prometheus, or use --to openmetrics"
            )
        self._promtool = found

    @property
    def is_used(self) -> bool:
        """Whether a Prometheus has begun to write there."""
        return (self.folder / "wal").is_dir()

    def has(self, day: int) -> bool:
        """Return whether the day is there already."""
        return self._mark(day).is_file()

    def day(self, day: int) -> DayWriter:
        """Begin a day."""
        return _BlocksDay(self._mark(day), self._promtool)

    def _mark(self, day: int) -> Path:
        return self.folder / f"twin-history-{self.name_of(day)}"
