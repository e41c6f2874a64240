"""Firings that say nothing: true for want of what the twin does not have, or of history."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.rules.expression import selectors
from twin.rules.source import Rule, RuleSet
from twin.rules.unfounded import lacking_in_chain, looks_back, unfounded
from twin.rules.unknown_references import Lacking

FILE = Path("rules.yml")
NO_KUBELET = 'no series of up has job="kubelet"; there is "node-exporter"'
NO_NODE = 'no series of up has node="a"; none has that label'
HINTS = {'up{job="kubelet"}': NO_KUBELET, 'up{node="a"}': NO_NODE}
OF_EDITIONS = {"DCGM_FI_DEV_FB_TOTAL": "dcgm-exporter 4.8.2"}
LACKING = Lacking({"container_last_seen": "cadvisor", **OF_EDITIONS}, {"own_metric": ""})


def rule(expr: str, name: str = "A", line: int = 3, *, alerting: bool = True) -> Rule:
    """Return a rule."""
    return Rule(name, alerting, expr, 0.0, {}, "g", FILE, line, line, {}, selectors(expr))


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ('absent(up{job="kubelet"})', NO_KUBELET),
        ('absent(up{job="kubelet"} == 1)', NO_KUBELET),
        ('up == 1 unless on () up{job="kubelet"}', NO_KUBELET),
        ("absent(container_last_seen)", "cadvisor has container_last_seen"),
        ("(container_last_seen or vector(0)) == 0", "cadvisor has container_last_seen"),
        ("absent_over_time(own_metric[5m])", "no known exporter has own_metric"),
        ("rate(up[5m]) / rate(up[1d]) > 2", "compares up with the last 24h, but the scenario"),
        ('absent(up{node="a"})', ""),
        # Of another edition, or off by default: so it is on a real site too.
        ("absent(DCGM_FI_DEV_FB_TOTAL)", ""),
        ("up == 0 or container_last_seen > 0", ""),
        ("container_last_seen > 0 or up == 0", ""),
        ("increase(up[1d]) > 5", ""),
        ("rate(up[5m]) / rate(up[10m]) > 2", ""),
        ("up == 0", ""),
        ("absent(up", ""),
    ],
)
def test_what_is_true_only_for_want_of_something(expr: str, why: str) -> None:
    """Absence of what the twin lacks and comparison with a past that is not there say nothing."""
    own = rule(expr)
    rules = RuleSet((FILE,), (own,))
    found = unfounded(own, rules, {own.key: LACKING}, {own.key: HINTS}, 3600.0)
    assert why in found
    assert bool(found) is bool(why)


def test_records_are_looked_through() -> None:
    """What an alert lacks may be lacked by a record that it reads."""
    record = rule("sum(container_last_seen)", "seen:sum", 3, alerting=False)
    alert = rule("absent(seen:sum)", line=5)
    rules = RuleSet((FILE,), (record, alert))
    lacking = {record.key: LACKING}
    assert "cadvisor" in lacking_in_chain(alert, rules, lacking).real.values()
    assert "cadvisor has" in unfounded(alert, rules, lacking, {}, 3600.0)


def test_how_far_back_a_rule_looks() -> None:
    """An offset beyond every scenario is why a rule is never true."""
    assert looks_back("up - up offset 1d > 3", 3600.0) == (
        "it looks 24h back, and no scenario lasts longer than 1h"
    )
    assert not looks_back("up offset 5m > 3", 3600.0)
    assert not looks_back("up[", 3600.0)
