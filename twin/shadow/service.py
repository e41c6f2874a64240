"""The observer's process: reads frames from the bus and publishes what it expects and finds.

The core (:mod:`twin.shadow.core`) does the work; the service connects it, keeps its calibration in
a file, and logs findings as they come and go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from twin.bus import BrokerUrl, Bus, keep_connected
from twin.errors import BusError, ConfigError, first_error
from twin.files import write_whole
from twin.scenario import show_duration
from twin.shadow.core import ShadowCore
from twin.shadow.present import ShadowPresent
from twin.shadow.reports import reports, series_told
from twin.site import Layout

__all__ = ["CalibrationFile", "Shadow"]

_log = structlog.get_logger(__name__)
_SAVE_BLOCKS = 10
"""Blocks of time between two savings of the calibration."""
_TELL_BLOCKS = 20
"""Blocks of time between two lines about what was left out."""
_FRESH_BLOCKS = 3.5
"""Blocks of time after which an observer that has not written is taken to be gone."""
_LEAST_FRESH = 30.0
_PRESENT = ".present"


class CalibrationFile:
    """The file that keeps a calibration beyond a restart.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, path: Path, site: str) -> CalibrationFile:
        """Return the file at a path, or in a folder the one that is named after the site."""
        return cls(path / f"{site}.shadow" if path.is_dir() else path)

    def load(self, core: ShadowCore) -> bool:
        """Let an observer go on with the calibration and return whether there is one.

        Raises:
            ConfigError: it cannot be read, or is none of this site.
        """
        try:
            core.restore(self.path.read_bytes())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ConfigError(
                f"--state {self.path}: cannot be read: {error}; choose a file that can be"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"--state {self.path}: is no calibration of site {core.layout.site.name!r} "
                f"({error}); remove it to calibrate anew, or choose another file"
            ) from error
        return True

    def save(self, data: bytes) -> None:
        """Put ``data`` in place of the file, in one step.

        Raises:
            OSError: it cannot be written; the old file stands.
        """
        write_whole(self.path, data)

    @property
    def present_path(self) -> Path:
        """The file beside it that has the present of the site."""
        return self.path.with_suffix(_PRESENT)

    def save_present(self, core: ShadowCore) -> None:
        """Keep what `twin whatif` goes on from.

        Raises:
            OSError: it cannot be written; the old file stands.
        """
        present = ShadowPresent.of(core)
        if present is not None:
            write_whole(self.present_path, present.encode(core.layout))

    def load_present(self, layout: Layout, now: float) -> ShadowPresent:
        """Return the present that a running observer keeps.

        Args:
            layout: its site.
            now: unix seconds.

        Raises:
            ConfigError: there is none, or it is old: no observer runs; or it is of another site.
        """
        path, site = self.present_path, layout.site.name
        remedy = f"start twin shadow --site {site} --state {self.path}, or name its --state"
        try:
            data, written = path.read_bytes(), path.stat().st_mtime
        except FileNotFoundError:
            raise ConfigError(f"--shadow {self.path}: no observer keeps {path.name} there; {remedy}"
                              ) from None  # fmt: skip
        except OSError as error:
            raise ConfigError(f"--shadow {path}: cannot be read: {error}") from error
        try:
            present = ShadowPresent.decode(data, layout)
        except ConfigError as error:
            raise ConfigError(
                f"--shadow {path}: is no present of site {site!r} ({error}); give the --site and "
                "the --state of the observer"
            ) from error
        if now - written > max(_FRESH_BLOCKS * present.block, _LEAST_FRESH):
            raise ConfigError(
                f"--shadow {path}: no observer answers: it was last written "
                f"{show_duration(round(now - written))} ago; {remedy}"
            )
        return present


class Shadow:
    """Observes a site.

    Args:
        core: does the work.
        name: client id.
        state: keeps the calibration; None for nowhere.
        clock: in seconds, never backwards.

    Attributes:
        connected: set once the first connection stands.
    """

    def __init__(
        self,
        core: ShadowCore,
        name: str,
        state: CalibrationFile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.core = core
        self._name = name
        self._state = state
        self._clock = clock
        self._told: dict[tuple[str, str], str] = {}
        self._refused = 0
        self.connected = asyncio.Event()

    async def run(self, broker: BrokerUrl, stop: asyncio.Event) -> None:
        """Observe until ``stop`` is set.

        Raises:
            BusError: the broker refuses us for good.
            ConfigError: the file of the calibration cannot be written.
        """
        await self._save()
        _log.info("exposed beside findings", what=self.core.settings.told,
                  series=series_told(self.core))  # fmt: skip
        try:
            async with asyncio.TaskGroup() as tasks:
                link = tasks.create_task(
                    keep_connected(broker, self._session, client_id=f"twin-shadow-{self._name}"),
                    name="shadow connection",
                )
                await stop.wait()
                link.cancel()
        except BaseExceptionGroup as group:
            raise first_error(group) from group
        with suppress(ConfigError):
            await self._save()

    async def _session(self, bus: Bus) -> None:
        for topics in self.core.subscriptions:
            await bus.subscribe(topics)
        self.connected.set()
        async for message in bus.messages():
            topic, payload = message.topic, message.payload
            if self.core.handle(topic, payload, retain=message.retain, at=self._clock()):
                await self._publish(bus)

    async def _publish(self, bus: Bus) -> None:
        """Say what the block of time that has ended shows."""
        core = self.core
        for message in reports(core):
            with suppress(BusError):
                await bus.publish(message.topic, message.payload, qos=message.qos, retain=False)
        self._tell()
        await self._save_present()
        if core.blocks % _SAVE_BLOCKS == 0:
            try:
                await self._save()
            except ConfigError as error:
                _log.warning("calibration not saved", error=str(error))

    def _tell(self) -> None:
        """Log what has come and gone, and now and then what was left out."""
        now = {(own.cause, own.place): own.text for own in self.core.findings}
        for key in now.keys() - self._told.keys():
            _log.warning("finding", cause=key[0], place=key[1], text=now[key])
        for key in self._told.keys() - now.keys():
            _log.info("finding ended", cause=key[0], place=key[1])
        self._told = now
        refused = sum(self.core.refused.values())
        if refused > self._refused and self.core.blocks % _TELL_BLOCKS == 0:
            self._refused = refused
            _log.warning("messages left out", **self.core.refused)

    async def _save_present(self) -> None:
        if self._state is None:
            return
        try:
            await asyncio.to_thread(self._state.save_present, self.core)
        except OSError as error:
            _log.warning("present not saved", error=str(error))

    async def _save(self) -> None:
        """Keep the calibration.

        Raises:
            ConfigError: it cannot be written.
        """
        if self._state is None:
            return
        try:
            await asyncio.to_thread(self._state.save, self.core.state())
        except OSError as error:
            raise ConfigError(
                f"--state {self._state.path}: cannot be written: {error}; choose a file that can be"
            ) from error
