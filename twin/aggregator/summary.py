"""Key figures of the site, for the page and for checks of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twin.aggregator.emulator_registry import EmulatorRegistry
from twin.aggregator.ingest import Ingest
from twin.aggregator.metrics_pages import MetricsPages
from twin.aggregator.rollup import Rollups, first_units
from twin.aggregator.state import simulation_time
from twin.aggregator.store import Store
from twin.aggregator.telemetry import OwnTelemetry
from twin.catalog import (
    GPU,
    GRID,
    JOB,
    JOB_STATES,
    MEGAPACK,
    DeviceClass,
    Level,
    UnitKind,
    own,
)
from twin.site import DetailPlan, job_places

__all__ = ["ArrayFigures", "JobFigures", "Summary", "summarise"]

_DECODE_REASONS = frozenset({"oversized", "malformed", "version", "schema", "shape", "value"})
"""Refusals of what is not a valid frame, as against one that comes at the wrong time or place."""


@dataclass(frozen=True, slots=True)
class ArrayFigures:
    """Key figures of one array; None where no value is reported.

    Attributes:
        name: name of the array.
        hall: its hall.
        detail: how much of it is exposed.
        racks: its racks.
        racks_reporting: its racks that report.
        it_power_watts: power of its servers.
        gpu_temperature_max_celsius: its hottest GPU.
    """

    name: str
    hall: str
    detail: str
    racks: int
    racks_reporting: int
    it_power_watts: float | None
    gpu_temperature_max_celsius: float | None


@dataclass(frozen=True, slots=True)
class JobFigures:
    """Key figures of one job; None where no value is reported.

    Attributes:
        name: name of the job.
        racks: racks that it holds.
        state: as ``training_job_state`` calls it.
        steps: steps done.
        goodput_ratio: share of its time that went into steps which were kept.
    """

    name: str
    racks: int
    state: str | None
    steps: int | None
    goodput_ratio: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Key figures of the site; None where no value is reported.

    Attributes:
        simulated_time: newest simulated time, unix seconds.
        lag_seconds: lag of the last frame.
        hottest_gpu: host and index of the hottest GPU.
        megapack_soc_ratio: mean state of charge of the Megapacks that report.
        megapack_power_watts: their power together, positive when discharging.
        jobs: the jobs that share the site, in order of their racks.
        faults: the faults in force: kind, target, identifier.
        series: series of the catalogue that are exposed at this moment.
        frames_ingested: frames taken over since the start.
        frames_lost: frames missed since the start, by gaps in the running numbers.
        decode_errors: messages since the start that were no valid frame.
        refused: refused messages since the start, by reason.
    """

    site: str
    title: str
    broker_connected: bool
    simulated_time: float | None
    lag_seconds: float | None
    racks: int
    racks_reporting: int
    gpus: int
    gpus_reporting: int
    it_power_watts: float | None
    gpu_temperature_max_celsius: float | None
    hottest_gpu: str | None
    megapacks: int
    megapacks_reporting: int
    megapack_soc_ratio: float | None
    megapack_power_watts: float | None
    grid_import_watts: float | None
    jobs: tuple[JobFigures, ...]
    faults: tuple[Mapping[str, str], ...]
    arrays: tuple[ArrayFigures, ...]
    series: int
    frames_ingested: int
    frames_lost: int
    decode_errors: int
    refused: Mapping[str, int]


def summarise(
    store: Store,
    rollups: Rollups,
    exposure: MetricsPages,
    ingest: Ingest,
    announced: EmulatorRegistry,
    telemetry: OwnTelemetry,
) -> Summary:
    """Return the key figures of this moment."""
    site = store.layout.site
    tallies = telemetry.tallies()
    refused = tallies[own.MESSAGES_REFUSED.name]
    soc, power = store.column(MEGAPACK, "soc"), store.column(MEGAPACK, "power")
    packs = np.isfinite(soc)
    return Summary(
        site=site.name,
        title=site.title,
        broker_connected=telemetry.connected,
        simulated_time=_known(simulation_time(store)),
        lag_seconds=ingest.lag,
        racks=site.racks,
        racks_reporting=int(store.units[UnitKind.RACK].reporting.sum()),
        gpus=site.gpus,
        gpus_reporting=int(_known(rollups.site("gpus_reporting")) or 0),
        it_power_watts=_known(rollups.site("it_power_watts")),
        gpu_temperature_max_celsius=_known(rollups.site("gpu_temperature_max_celsius")),
        hottest_gpu=_hottest(store),
        megapacks=site.megapacks.count,
        megapacks_reporting=int(packs.sum()),
        megapack_soc_ratio=float(soc[packs].mean()) if packs.any() else None,
        megapack_power_watts=float(power[packs].sum()) if packs.any() else None,
        grid_import_watts=_single(store, GRID, "power"),
        jobs=_jobs(store),
        faults=tuple(
            {"fault": fault.fault, "target": fault.target, "id": fault.id}
            for fault in announced.faults
        ),
        arrays=_arrays(store, rollups, exposure.plan),
        series=exposure.series(),
        frames_ingested=sum(tallies[own.FRAMES_INGESTED.name].values()),
        frames_lost=sum(tallies[own.FRAMES_LOST.name].values()),
        decode_errors=sum(refused[reason] for reason in _DECODE_REASONS),
        refused=refused,
    )


def _arrays(store: Store, rollups: Rollups, plan: DetailPlan) -> tuple[ArrayFigures, ...]:
    layout = store.layout
    power = rollups.value("it_power_watts", Level.ARRAY).tolist()
    hottest = rollups.value("gpu_temperature_max_celsius", Level.ARRAY).tolist()
    first = first_units(layout, UnitKind.RACK, Level.ARRAY)
    reporting = np.add.reduceat(store.units[UnitKind.RACK].reporting.astype(int), first).tolist()
    return tuple(
        ArrayFigures(
            name=layout.unit_name(UnitKind.ARRAY, array),
            hall=layout.hall_name(array),
            detail=plan[array].value,
            racks=len(layout.racks_of(array)),
            racks_reporting=reporting[array],
            it_power_watts=_known(power[array]),
            gpu_temperature_max_celsius=_known(hottest[array]),
        )
        for array in range(layout.site.arrays)
    )


def _jobs(store: Store) -> tuple[JobFigures, ...]:
    names = "state", "steps", "goodput"
    reported = zip(*(store.column(JOB, name)[:, 0].tolist() for name in names), strict=True)
    known = (tuple(map(_known, row)) for row in reported)
    return tuple(
        JobFigures(
            name=job.name,
            racks=len(job.racks),
            state=None if state is None else JOB_STATES.get(int(state)),
            steps=None if steps is None else int(steps),
            goodput_ratio=goodput,
        )
        # An aggregator of other parts of the site knows of no job.
        for job, (state, steps, goodput) in zip(
            job_places(store.layout.entire.site), known, strict=False
        )
    )


def _hottest(store: Store) -> str | None:
    """Return the host and the index of the hottest GPU."""
    layout, temperatures = store.layout, store.column(GPU, "gpu_temp")
    if not np.isfinite(temperatures).any():
        return None
    rack, index = divmod(int(np.nanargmax(temperatures)), temperatures.shape[1])
    server, gpu = divmod(index, layout.site.server.gpus)
    host = store.names.rack(layout.number(UnitKind.RACK, rack)).hostnames[server]
    return f"{host} gpu {gpu}"


def _single(store: Store, device: DeviceClass, signal: str) -> float | None:
    """Return a value of a device class that the site has one device of, None where it is not."""
    values = store.column(device, signal)
    return _known(float(values[0, 0])) if values.size else None


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
