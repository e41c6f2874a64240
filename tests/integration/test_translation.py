"""Rewritten expressions beside the old ones, as Prometheus's own engine evaluates both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pytest

from twin.catalog import GPU
from twin.catalog.editions import Edition, edition
from twin.rules.promtool import PromtoolJob, run
from twin.rules.promtool_series import series_name
from twin.translation import renaming, rewritten

pytestmark = pytest.mark.integration

OLD, NEW = edition("dcgm", "4.8.2"), edition("dcgm", "4.9.0")
END, STEP = 1200, 30
HOSTS = ("n1", "n2", "n3")

EXPRESSIONS = (
    "DCGM_FI_DEV_SM_CLOCK < 115",
    "DCGM_FI_DEV_GPU_UTIL >= 90 and DCGM_FI_DEV_SM_CLOCK > 100",
    "avg by (Hostname) (DCGM_FI_DEV_SM_CLOCK offset 2m) > 10",
    "sum without (Hostname) (DCGM_FI_DEV_POWER_USAGE)",
    "sum(DCGM_FI_DEV_POWER_USAGE) by (Hostname, modelName)",
    "DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE) > 0.1",
    "DCGM_FI_DEV_FB_USED / ignoring (DCGM_FI_DRIVER_VERSION) DCGM_FI_DEV_FB_RESERVED",
    "rate(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[5m]) / 1000",
    "sum by (Hostname) (increase(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION[10m]))",
    "deriv(DCGM_FI_DEV_GPU_TEMP[5m]) > -1",
    "predict_linear(DCGM_FI_DEV_FB_USED[10m], 3600)",
    "quantile_over_time(0.5, DCGM_FI_DEV_GPU_UTIL[5m])",
    "stddev_over_time(DCGM_FI_DEV_SM_CLOCK[5m])",
    "stdvar_over_time(DCGM_FI_DEV_GPU_UTIL[5m])",
    "changes(DCGM_FI_DEV_SM_CLOCK[5m])",
    "max_over_time((DCGM_FI_DEV_SM_CLOCK > 100)[5m:1m])",
    "max_over_time(DCGM_FI_DEV_GPU_UTIL[5m:1m])",
    "-DCGM_FI_DEV_GPU_UTIL ^ 2",
    "100 / DCGM_FI_DEV_GPU_UTIL / 100",
    "2 * DCGM_FI_DEV_GPU_UTIL / 100",
    "topk(2, DCGM_FI_DEV_SM_CLOCK)",
    "quantile by (modelName) (0.5, DCGM_FI_DEV_SM_CLOCK)",
    "count(DCGM_FI_DEV_SM_CLOCK) by (Hostname)",
    "count(DCGM_FI_DEV_SM_CLOCK > 115)",
    'absent(DCGM_FI_DEV_SM_CLOCK{gpu="7"})',
    'absent_over_time(DCGM_FI_DEV_SM_CLOCK{Hostname="n9"}[5m])',
    'DCGM_FI_DEV_GPU_TEMP{Hostname=~"n[12]", gpu!="0"} > 10',
    "DCGM_FI_DEV_SM_CLOCK < bool 115",
    "DCGM_FI_DEV_SM_CLOCK < on () group_left () quantile(0.5, DCGM_FI_DEV_SM_CLOCK)",
    "DCGM_FI_DEV_XID_ERRORS > 0 unless on (Hostname) DCGM_FI_DEV_GPU_TEMP > 1e6",
    (
        'DCGM_FI_DEV_GPU_TEMP * on (Hostname) group_left () label_replace(up, "Hostname", "$1", '
        '"instance", "(.*)")'
    ),
    "DCGM_FI_DEV_SM_CLOCK * on (Hostname) group_left (rack) inventory",
    'sum by (host) (label_replace(DCGM_FI_DEV_POWER_USAGE, "host", "$1", "Hostname", "(.*)"))',
    'sum by (__name__) ({__name__=~"DCGM_FI_DEV_(SM|MEM)_CLOCK"})',
    'max by (Hostname) ({__name__=~"DCGM_FI_DEV_(GPU|MEMORY)_TEMP", gpu="1"})',
    'rate({__name__="DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"}[5m])',
    "avg_over_time(DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL[5m])",
    "timestamp(DCGM_FI_DEV_SM_CLOCK)",
    "sort_desc(DCGM_FI_DEV_THERMAL_VIOLATION / 1e9)",
    "(rate(DCGM_FI_DEV_POWER_VIOLATION[5m]) / 1e9) > 0",
    "histogram_quantile(0.5, vector(1)) or DCGM_FI_DEV_ROW_REMAP_FAILURE",
)


def _series(edition_of: Mapping[str, Edition]) -> Iterator[tuple[str, str]]:
    """Yield the series of some hosts, each of its own edition, over the same physical values."""
    for place, host in enumerate(HOSTS):
        own = edition_of[host]
        for gpu in range(2):
            identity = (f"{gpu}", f"U{place}{gpu}", "b", "d", "H100", host, "570")
            values = dict(zip(own.family.labels, identity, strict=True))
            for rank, signal in enumerate(GPU):
                row, first = own.row(signal), 100 * (rank + 1) + 10 * place + gpu
                steps = [first + (7 * step) % 11 for step in range(END // STEP)]
                if signal.kind == "counter":
                    steps = [1000 * (first + 30 * step) for step in range(END // STEP)]
                labels = {**values, **dict(next(iter(row.value_labels.values()), ()))}
                texts = (f"{step * row.factor!r}" for step in steps)
                yield series_name(row.metric, labels), " ".join(("_", *texts))
        yield series_name("up", {"instance": host}), "1x40"
        yield series_name("inventory", {"Hostname": host, "rack": f"r{place}"}), "2x40"


def _asked(editions: Mapping[str, Edition], queries: Sequence[str]) -> list[dict[str, float]]:
    """Return what each query gives: value by labels, with one name for what editions differ in."""
    job = PromtoolJob(list(_series(editions)), STEP, STEP, END)
    places = [job.ask(query, [END]) for query in queries]
    answer = run(job)
    assert answer.errors == {}
    found: list[dict[str, float]] = [{} for _ in job.queries]
    for sample in answer.found:
        labels = dict(sample.labels)
        for new, old in (("hostname", "Hostname"), (NEW.family.labels[-1], OLD.family.labels[-1])):
            if new in labels:
                labels[old] = labels.pop(new)
        if not labels.get("__name__", "").startswith("DCGM_FI_DEV_M"):
            labels.pop("__name__", None)
        found[sample.query][series_name("", dict(sorted(labels.items())))] = sample.value
    return [found[place] for place in places]


@pytest.fixture(scope="module")
def expected() -> list[dict[str, float]]:
    """What the expressions give on hosts of 4.8.2."""
    return _asked(dict.fromkeys(HOSTS, OLD), EXPRESSIONS)


def test_most_expressions_give_something(expected: list[dict[str, float]]) -> None:
    """What gives nothing proves nothing."""
    silent = [expr for expr, found in zip(EXPRESSIONS, expected, strict=True) if not found]
    assert silent == []


@pytest.mark.parametrize(
    ("fleet", "both"), [("new", False), ("old", True), ("mixed", True), ("new", True)]
)
def test_a_rewritten_expression_gives_the_same(
    fleet: str, both: bool, expected: list[dict[str, float]]
) -> None:
    """Same series and same values: on the new edition, and with both on every mix of the two."""
    kinds = {"old": (OLD, OLD, OLD), "mixed": (OLD, NEW, OLD), "new": (NEW, NEW, NEW)}[fleet]
    way = renaming(OLD, NEW)
    queries = [rewritten(expr, way, both=both).text for expr in EXPRESSIONS]
    found = _asked(dict(zip(HOSTS, kinds, strict=True)), queries)
    for expr, query, old, new in zip(EXPRESSIONS, queries, expected, found, strict=True):
        assert new == pytest.approx(old, rel=1e-9), f"{expr}\n{query}"
