"""Expectations against episodes."""

from __future__ import annotations

import pytest

from twin.errors import ConfigError
from twin.rules.engine import Episode
from twin.rules.result import CheckStatus
from twin.rules.verdict import check_names, judge
from twin.scenario.loader import LoadedScenario

KNOWN = ["PumpFailed", "GpuHot", "Other"]


def fired(
    alert: str = "PumpFailed", at: float = 70.0, ended: float | None = 125.0, pump: str = "1"
) -> Episode:
    """Return an episode that fired."""
    return Episode(0, {"alertname": alert, "pump": pump, "rack": "r0001"}, at - 10, at, ended)


def verdicts(loaded: LoadedScenario, episodes: list[Episode]) -> dict[str, tuple[CheckStatus, str]]:
    """Return status and detail by the kind of check."""
    return {own.kind: (own.status, own.detail) for own in judge(loaded, episodes, KNOWN)}


def test_all_is_well(loaded: LoadedScenario) -> None:
    """An alert in time, gone in time and alone passes every check, with its delay."""
    checks = judge(loaded, [fired()], KNOWN)
    assert {own.status for own in checks} == {CheckStatus.PASSED}
    assert [own.delay for own in checks if own.kind in ("fires", "clears")] == [10.0, 5.0]


@pytest.mark.parametrize(
    ("episodes", "kind", "detail"),
    [
        ([], "fires", "did not fire"),
        ([fired(at=30.0)], "fires", "did not fire after the fault"),
        ([fired(pump="2")], "fires", "did not fire"),
        ([fired(at=85.0)], "fires", "fired 25s after the fault, too late"),
        ([fired(ended=None)], "clears", "still fires at the end"),
        ([fired(ended=140.0)], "clears", "cleared 20s after the end of the fault, too late"),
        ([fired("GpuHot")], "never", "fired at 1m10s: pump=1, rack=r0001"),
        ([fired(), fired("Other")], "exactly", "also fired: Other at 1m10s (pump=1, rack=r0001)"),
        ([], "exactly", "did not fire: PumpFailed"),
    ],
)
def test_what_is_missed_is_told(
    loaded: LoadedScenario, episodes: list[Episode], kind: str, detail: str
) -> None:
    """Every way to fall short fails its check and says what was seen."""
    assert verdicts(loaded, episodes)[kind] == (CheckStatus.FAILED, detail)


def test_what_was_pending_before_the_fault_is_no_detection(loaded: LoadedScenario) -> None:
    """An alert that was true before the fault and fires after it does not meet an expectation."""
    began = loaded.scenario.faults[0].at
    status, detail = verdicts(loaded, [fired(at=began + 5.0)])["fires"]
    assert status is CheckStatus.FAILED
    assert detail.endswith("it was pending before the fault began, and may have fired without it")


def test_pending_is_not_firing(loaded: LoadedScenario) -> None:
    """An alert that was only pending did not fire."""
    pending = Episode(0, {"alertname": "PumpFailed", "pump": "1"}, 60.0, None, 65.0)
    assert verdicts(loaded, [pending])["fires"] == (CheckStatus.FAILED, "did not fire")


def test_an_alert_that_no_rule_makes_is_refused(loaded: LoadedScenario) -> None:
    """An expectation that nothing can meet is a mistake in the file, told with its line."""
    with pytest.raises(ConfigError, match=r"pump\.yaml:10: no rule makes the alert 'PumpFailed'"):
        check_names(loaded, ["GpuHot"])


def test_each_expectation_knows_its_line(loaded: LoadedScenario) -> None:
    """A report leads to the line of the expectation."""
    lines = [own.place.rpartition(":")[2] for own in judge(loaded, [], KNOWN)]
    assert lines == ["10", "13", "12", "14"]
