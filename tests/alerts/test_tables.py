"""The tables of alerts: whole, consistent, and with limits that can be set."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from twin.alerts import ALERTS, PROOFS, RULES, THRESHOLDS
from twin.alerts.model import Domain, Recording, fill, used
from twin.errors import ConfigError
from twin.faults import FAULTS

LIMITS = {threshold.name: threshold.value for threshold in THRESHOLDS}
RECORDINGS = [recording for rules in RULES for recording in rules.recordings]
TEXTS = [alert.expr for alert in ALERTS.values()] + [rule.expr for rule in RECORDINGS]


def test_a_name_stands_for_one_alert() -> None:
    """There is one table a domain, and no two alerts share a name."""
    assert [rules.domain for rules in RULES] == list(Domain)
    names = Counter(alert.name for rules in RULES for alert in rules.alerts)
    assert set(names.values()) == {1}
    assert all(re.fullmatch(r"([A-Z][a-z]+)+", name) for name in names)


def test_every_threshold_is_used() -> None:
    """No limit is left over, and each says where it comes from."""
    assert set(re.findall(r"\[\[(\w+)\]\]", " ".join(TEXTS))) == set(LIMITS)
    assert all(threshold.basis for threshold in THRESHOLDS)


@pytest.mark.parametrize("rule", RECORDINGS, ids=lambda rule: rule.name)
def test_every_recording_is_read(rule: Recording) -> None:
    """A recording rule has an alert that reads it, and is named by level, metric, operation."""
    assert any(rule.name in alert.expr for alert in ALERTS.values())
    assert re.fullmatch(r"\w+:\w+:\w+", rule.name)


def test_proofs_name_what_exists() -> None:
    """A proof is of a fault and alerts that there are, and each alert fires while it watches."""
    for proof in PROOFS:
        assert proof.fault in FAULTS
        assert set(proof.fires) <= set(ALERTS)
        assert all(seconds <= proof.watch for seconds in proof.fires.values())


def test_limits_are_filled_in() -> None:
    """Where a threshold stood its number stands, in any of the numbers' notations."""
    assert fill("a > [[gpu_hot]]\n  b[[[checkpoint_age]]s]", LIMITS) == "a > 85\nb[3600s]"
    assert "[[" not in "".join(fill(text, LIMITS) for text in TEXTS)
    assert used(ALERTS["GpuTooHot"]) == ("gpu_hot",)


def test_a_missing_limit_is_named() -> None:
    """Without a limit for a threshold the error says which."""
    with pytest.raises(ConfigError, match="no limit is given for the threshold 'gpu_hot'"):
        fill(ALERTS["GpuTooHot"].expr, {})
