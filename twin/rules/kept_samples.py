"""Kept samples: a scenario's samples, read from the cache instead of simulated again.

Physics does not depend on rules. What a scenario gives depends on its site, its timeline,
its seed and the code, so those are the key of its entry; what it expects is not part of it.
An entry has the metrics that rules have asked for so far. A rule that reads another metric
makes its scenario run once more, for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.catalog import DEVICES
from twin.content_cache import Cache, digest
from twin.faults import FAULT_CLASSES
from twin.plant.device_model import MODELS
from twin.rules.fingerprint import physics_code
from twin.rules.sampling import MetricFamily, Samples, sample
from twin.scenario.loader import LoadedScenario

__all__ = ["Live", "cacheable", "is_kept", "kept_sample", "scenario_key"]

_LIVED = {"seed", "workload", "weather", "duration", "scrape", "step", "shadow", "faults"}
"""Parts of a scenario that decide what it gives; its site is another."""
_VALUE_BYTES = 8

Values = NDArray[np.float64]
Live = Callable[[LoadedScenario, Collection[str]], Samples]


def cacheable() -> bool:
    """Return whether all code that makes samples is the package's own."""
    return not any(table.is_extended for table in (DEVICES, MODELS, FAULT_CLASSES))


def scenario_key(loaded: LoadedScenario) -> str:
    """Return the key of what a scenario gives."""
    timeline = loaded.scenario.model_dump_json(include=_LIVED)
    return digest("samples", physics_code(), loaded.layout.site.model_dump_json(), timeline)


def is_kept(loaded: LoadedScenario, wanted: Collection[str], cache: Cache) -> bool:
    """Return whether the cache has all these metrics of a scenario."""
    content = cache.read(scenario_key(loaded))
    return content is not None and _decoded(content, loaded)[0].issuperset(wanted)


def kept_sample(
    loaded: LoadedScenario,
    wanted: Collection[str],
    cache: Cache | None,
    live: Live | None = None,
) -> Samples:
    """Return what Prometheus would have scraped of a scenario, as :func:`sample` does.

    Args:
        loaded: the scenario.
        wanted: metric names that are read.
        cache: where it is kept; None lives through the scenario in any case.
        live: lives through a scenario; None for :func:`sample`.
    """
    live = live or sample
    if cache is None:
        return live(loaded, wanted)
    key = scenario_key(loaded)
    content = cache.read(key)
    known, families = _nothing() if content is None else _decoded(content, loaded)
    if not known.issuperset(wanted):
        known = known.union(wanted)
        samples = live(loaded, known)
        cache.write(key, _encoded(samples, known))
        families = samples.families
    return Samples(
        loaded.scenario.scrape,
        _scrapes(loaded),
        {name: family for name, family in families.items() if name in wanted},
    )


def _encoded(samples: Samples, names: Collection[str]) -> bytes:
    """Return a length, a table of families as JSON of that length, and their values.

    A series that never changes has one value, the others one a scrape.
    """
    blocks: list[bytes] = []
    table: list[dict[str, object]] = []
    for name, family in samples.families.items():
        values = np.ascontiguousarray(family.values)
        bits = values.view(np.int64)
        constant = (bits == bits[:, :1]).all(axis=1)
        table.append({"name": name, "labels": list(family.labels), "constant": constant.tolist()})
        blocks += [values[constant, 0].tobytes(), values[~constant].tobytes()]
    head = orjson.dumps({"names": sorted(names), "families": table})
    return b"".join([len(head).to_bytes(_VALUE_BYTES, "little"), head, *blocks])


def _nothing() -> tuple[frozenset[str], Mapping[str, MetricFamily]]:
    return frozenset(), {}


def _scrapes(loaded: LoadedScenario) -> int:
    return round(loaded.scenario.duration) // round(loaded.scenario.scrape)


def _decoded(
    content: bytes, loaded: LoadedScenario
) -> tuple[frozenset[str], Mapping[str, MetricFamily]]:
    """Return the names that were asked for, and the families that came of them.

    Nothing, where it is not what this module writes of that scenario.
    """
    try:
        return _read(content, _scrapes(loaded))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, MemoryError):
        return _nothing()


def _read(content: bytes, scrapes: int) -> tuple[frozenset[str], Mapping[str, MetricFamily]]:
    start = _VALUE_BYTES + int.from_bytes(content[:_VALUE_BYTES], "little")
    head: dict[str, Any] = orjson.loads(content[_VALUE_BYTES:start])
    families = {}
    for entry in head["families"]:
        constant = np.array(entry["constant"], np.bool_)
        labels = [{str(name): str(value) for name, value in own.items()} for own in entry["labels"]]
        if len(labels) != constant.size:
            raise ValueError(f"{constant.size} series with {len(labels)} sets of labels")
        values = np.empty((constant.size, scrapes))
        once = int(constant.sum())
        values[constant], start = _taken(content, start, (once, 1))
        values[~constant], start = _taken(content, start, (constant.size - once, scrapes))
        families[entry["name"]] = MetricFamily(labels, values)
    if start != len(content):
        raise ValueError(f"{len(content) - start} bytes more than it has series")
    return frozenset(head["names"]), families


def _taken(content: bytes, start: int, shape: tuple[int, int]) -> tuple[Values, int]:
    """Return an array of the content, and where the next one starts."""
    count = shape[0] * shape[1]
    array = np.frombuffer(content, np.float64, count, start).reshape(shape)
    return array, start + count * _VALUE_BYTES
