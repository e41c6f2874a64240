"""Rules on two editions: what is lost, why, and whether the rewriting holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest

from twin.catalog.editions import edition
from twin.content_cache import Cache, default_folder
from twin.rules.comparison import RuleComparison, compare_rules, translated_rules
from twin.rules.report.comparison import (
    comparison_complaints,
    comparison_json,
    comparison_junit,
)
from twin.rules.scenario_run import Options
from twin.rules.source import RuleSet, load_rules
from twin.scenario import load_scenario
from twin.translation import renaming

pytestmark = pytest.mark.xdist_group("comparison")

EDITIONS = (edition("dcgm", "4.8.2"), edition("dcgm", "4.9.0"))

SCENARIO = """
title: an XID, then a GPU falls off the bus
site: {racks: 1, servers_per_rack: 2, server: {gpus: 2, nics: 2}, megapacks: {count: 1},
  gensets: {count: 0}}
duration: 4m
faults:
  - {kind: gpu-xid, target: r0001/n1/gpu0, at: 1m, for: 1m}
  - {kind: gpu-off-bus, target: r0001/n2/gpu1, at: 2m, for: 1m}
expect: {}
"""
QUIET = """
title: nothing
site: {racks: 1, servers_per_rack: 2, server: {gpus: 2, nics: 2}, megapacks: {count: 1},
  gensets: {count: 0}}
duration: 2m
expect: {}
"""
RULES = """
groups:
  - name: test
    rules:
      - record: host:gpus:count
        expr: count by (Hostname) (DCGM_FI_DEV_GPU_TEMP)
      - alert: GpuGone
        expr: host:gpus:count < 2
        annotations: {summary: "{{ $labels.Hostname }} has {{ $value }} GPUs"}
      - alert: Xid
        expr: DCGM_FI_DEV_XID_ERRORS > 0
      - alert: NoGpus
        expr: absent(DCGM_FI_DEV_GPU_TEMP)
      - alert: ClockAboveReason
        expr: DCGM_FI_DEV_SM_CLOCK > 5000
      - alert: NodeDown
        expr: up{job="node-exporter"} == 0
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """Return rules for 4.8.2."""
    path = tmp_path_factory.mktemp("rules") / "mine.yml"
    path.write_text(RULES)
    return load_rules([str(path)])


@pytest.fixture(scope="module")
def found(rules: RuleSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, RuleComparison]:
    """Return the comparison of these rules, by their names."""
    folder = tmp_path_factory.mktemp("scenarios")
    (folder / "faults.yaml").write_text(SCENARIO)
    (folder / "quiet.yaml").write_text(QUIET)
    scenarios = [load_scenario(str(folder / f"{name}.yaml")) for name in ("faults", "quiet")]
    compared = compare_rules(
        rules, scenarios, EDITIONS, Options(jobs=1, cache=Cache(default_folder()))
    )
    return {own.rule.name: own for own in compared}


@pytest.mark.full
def test_a_renamed_metric_takes_the_detection(found: dict[str, RuleComparison]) -> None:
    """The rule saw the fault on 4.8.2, sees nothing on 4.9.0, and the reason is named."""
    xid = found["Xid"]
    assert xid.lost == ["faults"]
    assert xid.reasons == ("DCGM_FI_DEV_XID_ERRORS is DCGM_FI_DEV_XID_ERROR",)
    assert xid.before is not None
    assert xid.before.detects.keys() == {"faults"}
    assert (xid.new, xid.new_proven) == ("DCGM_FI_DEV_XID_ERROR > 0", True)
    assert xid.both_proven


def test_a_recording_passes_its_reasons_on(found: dict[str, RuleComparison]) -> None:
    """An alert that reads a recording breaks with it, and is whole with it again."""
    gone = found["GpuGone"]
    assert gone.lost == ["faults"]
    assert "label Hostname is hostname" in gone.reasons
    assert any(reason.startswith("host:gpus:count: ") for reason in gone.reasons)
    assert gone.new_proven
    assert gone.both_proven
    assert len(gone.both_verdicts) == 3


def test_an_absence_begins_to_cry(found: dict[str, RuleComparison]) -> None:
    """``absent()`` of the old name is true for ever, and is not once it is rewritten."""
    nothing = found["NoGpus"]
    assert nothing.lost == []
    assert set(nothing.cries) == {"faults", "quiet"}
    assert nothing.new_proven
    assert nothing.both_proven


def test_what_no_scenario_exercises_is_not_called_proven(found: dict[str, RuleComparison]) -> None:
    """A rule that never fires proves nothing; its rewriting is shown all the same."""
    clock = found["ClockAboveReason"]
    assert (clock.lost, clock.cries, clock.exercised) == ([], [], False)
    assert clock.new == "DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6 > 5000"
    assert not clock.new_proven


def test_rules_on_other_exporters_are_left_alone(found: dict[str, RuleComparison]) -> None:
    """What reads nothing of the exporter is not run again."""
    down = found["NodeDown"]
    assert not down.affected
    assert (down.before, down.after) == (None, None)
    assert down.new == down.rule.expr


def test_what_is_said_of_a_comparison(found: dict[str, RuleComparison]) -> None:
    """Complaints, JSON and JUnit name the same rules."""
    compared: Sequence[RuleComparison] = list(found.values())
    complaints = comparison_complaints(compared, EDITIONS)
    assert complaints == [
        "dcgm-exporter 4.9.0 takes the detection of a fault from GpuGone, Xid",
        "dcgm-exporter 4.9.0 makes NoGpus fire while nothing is wrong",
    ]
    told = json.loads(json.dumps(comparison_json(compared, EDITIONS)))
    assert [own["rule"] for own in told["rules"] if own["lost"]] == ["GpuGone", "Xid"]
    suite = ET.fromstring(comparison_junit(compared, EDITIONS))[0]  # noqa: S314 - ours
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["GpuGone", "Xid", "NoGpus"]
    assert (suite.get("tests"), suite.get("failures")) == ("6", "3")


def test_texts_are_translated_with_their_rule(rules: RuleSet) -> None:
    """The annotation names the label as the new edition does; with both it keeps the old one."""
    way = renaming(*EDITIONS)
    for both, label in ((False, "hostname"), (True, "Hostname")):
        translated = translated_rules(rules, way, both=both)
        (gone,) = translated.named("GpuGone")
        summary = dict(gone.body["annotations"].value)  # type: ignore[union-attr]  # a mapping
        (text,) = (value.value for value in summary.values())
        assert text == f"{{{{ $labels.{label} }}}} has {{{{ $value }}}} GPUs"
