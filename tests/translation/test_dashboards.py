"""Dashboards in another edition: queries, variables, legends, links and tables."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from twin.catalog.editions import edition
from twin.translation import Renaming, queries_of, renaming, translated_dashboard

DASHBOARD: dict[str, Any] = {
    "title": "GPUs by Hostname",
    "templating": {
        "list": [
            {
                "type": "query",
                "name": "host",
                "query": {"query": "label_values(DCGM_FI_DEV_GPU_TEMP, Hostname)", "refId": "A"},
                "definition": "label_values(DCGM_FI_DEV_GPU_TEMP, Hostname)",
            },
            {
                "type": "query",
                "name": "gpu",
                "query": 'label_values(DCGM_FI_DEV_GPU_TEMP{rack="$rack"}, gpu)',
            },
            {"type": "custom", "name": "x", "query": "DCGM_FI_DEV_GPU_TEMP,b"},
        ]
    },
    "annotations": {"list": [{"name": "XID", "expr": "DCGM_FI_DEV_XID_ERRORS > 0"}]},
    "panels": [
        {
            "title": "Clock",
            "targets": [
                {
                    "expr": 'DCGM_FI_DEV_SM_CLOCK{Hostname=~"$host"}',
                    "legendFormat": "{{Hostname}} {{gpu}}",
                }
            ],
            "fieldConfig": {
                "defaults": {"links": [{"url": "/d/x?var-host=${__field.labels.Hostname}"}]},
                "overrides": [{"matcher": {"id": "byName", "options": "Hostname"}}],
            },
            "transformations": [
                {"id": "organize", "options": {"renameByName": {"Hostname": "Server"}}}
            ],
        },
        {
            "title": "Row",
            "type": "row",
            "panels": [{"title": "In", "targets": [{"expr": "avg(DCGM_FI_DEV_GPU_UTIL)"}, {}]}],
        },
    ],
}


@pytest.fixture(scope="module")
def way() -> Renaming:
    """From 4.8.2 to 4.9.0."""
    return renaming(edition("dcgm", "4.8.2"), edition("dcgm", "4.9.0"))


def test_a_dashboard_for_the_new_edition(way: Renaming) -> None:
    """Queries, and every place that names a label, speak of the new edition; titles stay."""
    before = copy.deepcopy(DASHBOARD)
    found = translated_dashboard(DASHBOARD, way)
    assert before == DASHBOARD
    host, gpu, custom = found["templating"]["list"]
    assert host["query"]["query"] == "label_values(DCGM_FI_DEV_GPU_TEMP_CELSIUS, hostname)"
    assert host["definition"] == host["query"]["query"]
    assert gpu["query"] == 'label_values(DCGM_FI_DEV_GPU_TEMP_CELSIUS{rack="$rack"}, gpu)'
    assert custom == DASHBOARD["templating"]["list"][2]
    panel = found["panels"][0]
    assert panel["targets"][0] == {
        "expr": 'DCGM_FI_DEV_SM_CLOCK_HERTZ{hostname=~"$host"} / 1e6',
        "legendFormat": "{{hostname}} {{gpu}}",
    }
    assert "Hostname" not in json.dumps(panel)
    assert panel["transformations"][0]["options"] == {"renameByName": {"hostname": "Server"}}
    inside = found["panels"][1]["panels"][0]["targets"][0]["expr"]
    assert inside == "avg(DCGM_FI_DEV_GPU_UTIL_RATIO * 100)"
    assert found["annotations"]["list"][0]["expr"] == "DCGM_FI_DEV_XID_ERROR > 0"
    assert found["title"] == "GPUs by Hostname"


def test_a_dashboard_for_both_editions(way: Renaming) -> None:
    """Labels keep their names; a variable of a renamed label is taken from a query."""
    found = translated_dashboard(DASHBOARD, way, both=True)
    host, gpu, _ = found["templating"]["list"]
    assert host["query"]["query"] == (
        "query_result(group by (Hostname) (label_replace(DCGM_FI_DEV_GPU_TEMP or "
        'DCGM_FI_DEV_GPU_TEMP_CELSIUS, "Hostname", "$1", "hostname", "(.+)")))'
    )
    assert host["regex"] == '/Hostname="([^"]*)"/'
    assert gpu["query"] == (
        'label_values({__name__=~"DCGM_FI_DEV_GPU_TEMP|DCGM_FI_DEV_GPU_TEMP_CELSIUS", '
        'rack="$rack"}, gpu)'
    )
    panel = found["panels"][0]
    assert panel["targets"][0]["legendFormat"] == "{{Hostname}} {{gpu}}"
    assert panel["targets"][0]["expr"] == (
        'label_replace(DCGM_FI_DEV_SM_CLOCK{Hostname=~"$host"} or '
        'DCGM_FI_DEV_SM_CLOCK_HERTZ{hostname=~"$host"} / 1e6, "Hostname", "$1", "hostname", "(.+)")'
    )


def test_queries_are_found_wherever_they_stand(way: Renaming) -> None:
    """Variables, annotations, panels, and panels in collapsed rows."""
    found = [(own.kind, own.place) for own in queries_of(DASHBOARD, way)]
    assert found == [
        ("variable", "host"),
        ("variable", "gpu"),
        ("annotation", "XID"),
        ("panel", "Clock"),
        ("panel", "In"),
    ]


@pytest.mark.parametrize(
    "odd", [{}, {"panels": None, "templating": {"list": None}}, {"rows": [{}]}]
)
def test_what_is_no_dashboard_stays_as_it_is(odd: dict[str, Any], way: Renaming) -> None:
    """A file without panels is no error."""
    assert translated_dashboard(odd, way) == odd
    assert list(queries_of(odd, way)) == []
