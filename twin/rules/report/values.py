"""The report as JSON, for a script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twin.rules.audit import RuleFinding
from twin.rules.conclusion import Conclusion
from twin.rules.result import ScenarioResult
from twin.rules.sweep import SweepRow

__all__ = ["json_report"]


def json_report(
    results: Sequence[ScenarioResult],
    findings: Sequence[RuleFinding],
    sweep: Sequence[SweepRow],
    conclusion: Conclusion,
) -> dict[str, Any]:
    """Return the report as plain values."""
    return {
        "passed": conclusion.good,
        "conclusion": conclusion.word,
        "complaints": list(conclusion.complaints),
        "scenarios": [_scenario(result) for result in results],
        "rules": [_rule(finding) for finding in findings],
        "sweep": [
            {
                "alert": row.rule.name,
                "place": row.rule.place,
                "points": [
                    {
                        "for_seconds": cell.lasts,
                        "delay_seconds": cell.delay,
                        "false_alarms": cell.false_alarms,
                        "missed": cell.missed,
                    }
                    for cell in row.points
                ],
            }
            for row in sweep
        ],
    }


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "file": result.file,
        "passed": result.passed,
        "duration_seconds": result.duration,
        "run_seconds": round(result.seconds, 3),
        "recorded": dict(result.recorded),
        "judged_in_part": sorted(result.cut),
        "checks": [
            {
                "kind": check.kind,
                "expectation": check.text,
                "status": check.status.value,
                "detail": check.detail,
                "place": check.place,
                "alert": check.alert or None,
                "fired_at": check.fired,
                "cleared_at": check.cleared,
                "delay_seconds": check.delay,
                "reasons": list(check.reasons),
            }
            for check in result.checks
        ],
        "firings": [
            {
                "labels": dict(own.labels),
                "pending_at": own.pending,
                "firing_at": own.firing,
                "cleared_at": own.ended,
            }
            for episodes in result.episodes.values()
            for own in episodes
            if own.firing is not None
        ],
    }


def _rule(finding: RuleFinding) -> dict[str, Any]:
    return {
        "alert": finding.rule.name,
        "place": finding.rule.place,
        "finding": finding.verdict,
        "exercised": finding.exercised,
        "detects": finding.detects,
        "misses": list(finding.misses),
        "reasons": {name: why for name, (_, why) in finding.pending.items()},
        "noisy": finding.noisy,
        "unknown_metrics": list(finding.unknown),
        "real_metrics": finding.real,
        "unmatched": list(finding.unmatched),
        "off_by_default": finding.off,
    }
