"""Rules over kube-state-metrics and Slurm's exporters have the series that they read."""

from __future__ import annotations

import numpy as np
import pytest

from twin.rules.sampling import known_metrics, sample
from twin.scenario.loader import find_scenarios
from twin.site import Layout, load_site


def test_scenario_has_the_series_of_its_scheduler() -> None:
    """A node that goes down is not ready, is cordoned, and Ready again after its repair."""
    (loaded,) = find_scenarios(["node-drained"])
    samples = sample(loaded, {"kube_node_status_condition", "kube_node_spec_unschedulable"})
    family = samples.families["kube_node_status_condition"]
    wanted = {"node": "r0002-n1", "condition": "Ready", "status": "true"}
    (ready,) = [
        values
        for labels, values in zip(family.labels, family.values, strict=True)
        if wanted.items() <= labels.items()
    ]
    scrape = samples.interval
    down = [at * scrape for at, value in enumerate(ready, 1) if value == 0]
    assert down[0] == pytest.approx(180, abs=20)
    assert ready[-1] == 1
    family = samples.families["kube_node_spec_unschedulable"]
    (cordoned,) = [
        values
        for labels, values in zip(family.labels, family.values, strict=True)
        if labels["node"] == "r0002-n1"
    ]
    assert np.nanmax(cordoned[:8]) == 0
    assert cordoned[-1] == 0
    assert np.nansum(cordoned) * scrape > 120
    assert {labels["job"] for labels in family.labels} == {"kube-state-metrics"}


@pytest.mark.parametrize(
    ("site", "metric", "known"),
    [
        ("cluster-slurm", "slurm_node_job", True),
        ("cluster-slurm", "kube_pod_info", False),
        ("cluster-kubernetes", "kube_pod_labels", True),
        ("demo", "slurm_jobs", False),
    ],
)
def test_metric_is_known_where_its_exporter_runs(site: str, metric: str, known: bool) -> None:
    """A rule over a metric that no exporter of the site has is told so."""
    assert (metric in known_metrics(Layout(load_site(site)))) is known
