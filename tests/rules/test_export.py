"""Exports as promtool runs them: its verdict is the one that `twin rules test` gave."""

from __future__ import annotations

import subprocess
from pathlib import Path
from textwrap import indent

import pytest

from twin.rules.export import export
from twin.rules.promtool import promtool
from twin.rules.scenario_run import Options, run_scenario
from twin.rules.source import load_rules
from twin.scenario.loader import LoadedScenario

pytestmark = pytest.mark.integration

GROUPS = """groups:
  - name: odd
    interval: 5s
    limit: 3
    rules:
      - record: pump:failed
        expr: cdu_pump_state{state="failed"} == 1
        labels: {enabled: yes, at: 22:00}
      - alert: PumpFailed
        expr: pump:failed
        for: 10s
        keep_firing_for: 25s
        labels: {on: yes, version: 1.10, mode: 0070, at: 22:00, big: 1_000, day: 2024-01-01}
      - alert: TooMany
        expr: DCGM_FI_DEV_GPU_TEMP > 95
  - name: empty
    rules: []
"""
"""Labels that YAML 1.1 reads as something else, and a limit."""


def resource(groups: str) -> str:
    """Return these groups as an object of Kubernetes."""
    return f"kind: PrometheusRule\nmetadata: {{name: r}}\nspec:\n{indent(groups, '  ')}"


def listed(groups: str) -> str:
    """Return a List with these groups and a Service, and an empty document."""
    own = indent(resource(groups), "    ").replace("    kind: P", "  - kind: P", 1)
    return f"---\nkind: List\nitems:\n  - kind: Service\n{own}---\n"


FORMS = {
    "plain": GROUPS,
    "object": resource(GROUPS),
    "list": listed(GROUPS),
    "documents": f"{resource(GROUPS)}---\n{resource(GROUPS).replace('PumpF', 'AlsoF')}---\n",
    "of Mimir": f"namespace: twin\n{GROUPS}",
}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(own, id=name, marks=[pytest.mark.full] * (number > 0))
        for number, (name, own) in enumerate(FORMS.items())
    ],
)
def test_an_export_ends_as_the_test_did(text: str, loaded: LoadedScenario, tmp_path: Path) -> None:
    """Odd labels, a limit and objects of Kubernetes are to promtool what they were to the twin."""
    path = tmp_path / "own.yml"
    path.write_text(text, encoding="utf-8")
    rules = load_rules([str(path)])
    test = tmp_path / "own.test.yml"
    test.write_text(export(loaded, rules, tmp_path), encoding="utf-8")
    command = [promtool(), "test", "rules", test.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    fires = [c for c in run_scenario(loaded, rules, Options()).checks if c.kind == "fires"]
    assert [c.status.value for c in fires] == ["passed"]
    exported = test.read_text(encoding="utf-8")
    for label in ('on="yes"', 'version="1.10"', 'mode="0070"', 'at="22:00"', 'big="1_000"'):
        assert label in exported
