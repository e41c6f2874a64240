"""Past of a simulated site in a real Prometheus: its samples as blocks of promtool."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.integration.conftest import Prometheus
from twin.rules.promtool import promtool
from twin.rules.promtool_series import series_name
from twin.rules.sampling import Samples

NOTHING = "global: {scrape_interval: 15s}\n"


def prometheus_with(folder: Path, samples: Samples, origin: float) -> Prometheus:
    """Return a Prometheus, not yet started, that has these samples from ``origin`` on."""
    server = Prometheus(folder, NOTHING)
    text = folder / "past.om"
    text.write_text("".join(_lines(samples, origin)), encoding="utf-8")
    subprocess.run(
        [promtool(), "tsdb", "create-blocks-from", "openmetrics", str(text),
         str(folder / "data")],
        check=True, capture_output=True,
    )  # fmt: skip
    return server


def _lines(samples: Samples, origin: float) -> Iterator[str]:
    for name, family in samples.families.items():
        for labels, values in zip(family.labels, family.values, strict=True):
            series = series_name(name, labels)
            for index in np.flatnonzero(np.isfinite(values)):
                at = origin + (index + 1) * samples.interval
                yield f"{series} {float(values[index])!r} {at:.3f}\n"
    yield "# EOF\n"
