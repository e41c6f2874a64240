"""The present of an observed site: what its devices measure, and what they are like by now.

The observer keeps it in a file of its own after each block of time, so that `twin whatif` goes on
from there. It is small: a few numbers a device.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from twin.errors import ConfigError
from twin.plant.units import Floats
from twin.shadow.medians import rooted
from twin.shadow.readings import Moment
from twin.site import Layout
from twin.stored_arrays import UNREADABLE, check_stored, stored_array

if TYPE_CHECKING:
    from twin.shadow.core import ShadowCore

__all__ = ["PRESENT", "PresentMeans", "ShadowPresent", "site_digest"]

_POWER = "gpu.power_usage"
PRESENT = (_POWER, "gpu.gpu_temp", "cdu.supply_temperature", "cdu.flow")
"""Readings whose means over the last block are kept."""
_FITTED = {
    "resistance": ("gpu_temperature", "gpu_temperature_in_air"),
    "memory": ("memory_temperature",),
}
"""What is known of each GPU, and the relations that tell it."""
_PEAK = "peak"
"""Highest sample of each GPU's power."""
_HEAD = "head.json"


def site_digest(layout: Layout) -> str:
    """Return what tells a site from one with other counts or parameters."""
    return sha256(layout.site.model_dump_json().encode()).hexdigest()


class PresentMeans:
    """Means of some readings over the last block of time.

    Attributes:
        values: of the last block by reading, (racks, devices); NaN where there was no sample.
    """

    def __init__(self) -> None:
        self.values: dict[str, Floats] = {}
        self._sums: dict[str, Floats] = {}
        self._peak: Floats | None = None

    def sample(self, moment: Moment) -> None:
        """Take in the readings of an instant."""
        for name in PRESENT:
            values = moment.mean_power if name == _POWER else moment[name]
            there = np.isfinite(values)
            sums = self._sums.setdefault(name, np.zeros((2, *values.shape)))
            sums += np.stack((there, np.where(there, values, 0.0)))
        power = moment[_POWER]
        self._peak = power.copy() if self._peak is None else np.fmax(self._peak, power)

    def close(self) -> None:
        """End a block."""
        for name, (count, total) in self._sums.items():
            self.values[name] = np.where(count > 0.0, total / np.maximum(count, 1.0), np.nan)
        if self._peak is not None:
            self.values[_PEAK] = self._peak
        self._sums, self._peak = {}, None


@dataclass(frozen=True, slots=True)
class ShadowPresent:
    """What an observer knows of a site at the end of a block.

    Attributes:
        ts: end of the block, unix seconds.
        block: its seconds.
        readings: mean by reading, (racks, devices); NaN where there is none.
        peak: highest power of each GPU in it, W.
        resistance: thermal resistance of each GPU over its model's, NaN before it is calibrated.
        memory: rise of its memory above the die over its model's, likewise.
        findings: of the observer, a sentence each.
    """

    ts: float
    block: float
    readings: Mapping[str, Floats]
    peak: Floats
    resistance: Floats
    memory: Floats
    findings: Sequence[str]

    @classmethod
    def of(cls, core: ShadowCore) -> ShadowPresent | None:
        """Return what an observer knows; None before the end of its first block."""
        means = core.present.values
        if not means:
            return None
        fitted = {}
        for name, relations in _FITTED.items():
            fitted[name] = np.full(means[_PEAK].shape, np.nan)
            for relation in relations:
                if relation in core.watches:
                    watch = core.watches[relation]
                    np.copyto(fitted[name], watch.over_model, where=watch.applies)
        return cls(
            core.block_end, core.block, {name: means[name] for name in PRESENT}, means[_PEAK],
            fitted["resistance"], fitted["memory"], tuple(own.text for own in core.findings),
        )  # fmt: skip

    def encode(self, layout: Layout) -> bytes:
        """Return it as the bytes of a file of this site."""
        head = {"site": site_digest(layout), "ts": self.ts, "block": self.block,
                "findings": list(self.findings)}  # fmt: skip
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_HEAD, json.dumps(head))
            for name, values in self._arrays().items():
                with archive.open(f"{name}.npy", "w") as file:
                    npy.write_array(file, values.astype(np.float32), allow_pickle=False)
        return body.getvalue()

    def _arrays(self) -> dict[str, Floats]:
        own = {_PEAK: self.peak, "resistance": self.resistance, "memory": self.memory}
        return {**self.readings, **own}

    @classmethod
    def decode(cls, data: bytes, layout: Layout) -> ShadowPresent:
        """Return what :meth:`encode` wrote.

        Raises:
            ConfigError: it is damaged, or of another site.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                check_stored(archive, len(data))
                head = json.loads(archive.read(_HEAD))
                if head["site"] != site_digest(layout):
                    raise ConfigError("it is of a site with other counts or parameters")
                return cls._read(head, archive, layout)
        except UNREADABLE as error:
            raise ConfigError(f"it is damaged: {error!r}") from error

    @classmethod
    def _read(cls, head: dict[str, Any], archive: zipfile.ZipFile, layout: Layout) -> ShadowPresent:
        gpus = np.zeros(layout.site.accelerators)
        units = np.zeros((layout.site.racks, 1))

        def array(name: str) -> Floats:
            like = gpus if name.startswith("gpu.") or "." not in name else units
            return rooted(stored_array(archive.read(f"{name}.npy")), like)

        return cls(
            float(head["ts"]), float(head["block"]), {name: array(name) for name in PRESENT},
            array(_PEAK), array("resistance"), array("memory"),
            tuple(str(text) for text in head["findings"]),
        )  # fmt: skip
