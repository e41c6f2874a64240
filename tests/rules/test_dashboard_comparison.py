"""Dashboards on two editions: what goes empty, and whether its rewriting answers the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twin.catalog.editions import edition
from twin.rules.dashboard_comparison import compare_dashboard
from twin.scenario import load_scenario
from twin.scenario.loader import LoadedScenario

ROOT = Path(__file__).parents[2]
EDITIONS = (edition("dcgm", "4.8.2"), edition("dcgm", "4.9.0"))
SCENARIO = """
title: an XID
site: {racks: 1, servers_per_rack: 4, server: {gpus: 2, nics: 2}, megapacks: {count: 1},
  gensets: {count: 0}}
duration: 3m
faults: [{kind: gpu-xid, target: r0001/n1/gpu0, at: 2m}]
expect: {}
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedScenario:
    """Return a short scenario with an XID at its end."""
    path = tmp_path_factory.mktemp("scenarios") / "xid.yaml"
    path.write_text(SCENARIO)
    return load_scenario(str(path))


@pytest.mark.full
@pytest.mark.parametrize("name", ["rack", "server"])
def test_our_dashboards_answer_the_same_when_rewritten(name: str, loaded: LoadedScenario) -> None:
    """Every query of 4.8.2 that answers is answered alike by 4.9.0, and by half of each."""
    dashboard = json.loads((ROOT / f"dashboards/{name}.json").read_text(encoding="utf-8"))
    found = compare_dashboard(dashboard, loaded, EDITIONS)
    assert any(own.lost for own in found)
    answered = [own for own in found if own.before]
    assert [own.query.place for own in answered if not own.new_same] == []
    assert [own.query.place for own in answered if not own.both_same] == []


def test_what_cannot_be_asked_is_not_called_lost(loaded: LoadedScenario) -> None:
    """A query that is no PromQL gives no verdict, and the others one all the same."""
    panels = [
        {"title": title, "targets": [{"expr": expr}]}
        for title, expr in (
            ("broken", "sum((DCGM_FI_DEV_GPU_TEMP"),
            ("other", "up"),
            ("whole", 'max(DCGM_FI_DEV_GPU_TEMP{Hostname=~"$host"})'),
        )
    ]
    found = compare_dashboard({"panels": panels}, loaded, EDITIONS)
    broken, other, whole = found
    assert (broken.before, broken.lost) == (None, False)
    assert (other.reasons, other.lost) == ((), False)
    assert (whole.before, whole.after, whole.lost, whole.both_same) == (1, 0, True, True)
