"""Conclusion of a run: passed, failed, or nothing checked; the same for every report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from twin.rules.audit import RuleFinding
from twin.rules.result import CheckStatus, ScenarioResult

__all__ = ["NOT_AS_EXPECTED", "Conclusion", "conclude"]

NOT_AS_EXPECTED = "not as expected"
"""Beginning of the complaint that names scenarios with failed checks."""

_NOTHING = (
    "nothing was checked: no scenario of this run expects anything of these rules; write one "
    "with expectations of your alerts, or run all shipped scenarios"
)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a run as a whole says, and with it the exit status.

    Attributes:
        passed: expectations that held.
        failed: expectations that did not.
        skipped: expectations that could not be judged.
        complaints: why the run is not good, a sentence each; none if it is.
    """

    passed: int
    failed: int
    skipped: int
    complaints: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the exit status is 0."""
        return not self.complaints

    @property
    def word(self) -> str:
        """It in a word or three."""
        if self.good:
            return "passed"
        return "failed" if self.passed or self.failed else "nothing was checked"


def conclude(
    results: Sequence[ScenarioResult],
    findings: Sequence[RuleFinding] = (),
    *,
    strict: bool = False,
) -> Conclusion:
    """Return the conclusion of a run.

    Args:
        results: of its scenarios.
        findings: on its rules.
        strict: whether a label that no series has is an error.
    """
    count = Counter(check.status for result in results for check in result.checks)
    passed, failed = count[CheckStatus.PASSED], count[CheckStatus.FAILED]
    complaints = tuple(_complaints(results, findings if strict else (), passed + failed))
    return Conclusion(passed, failed, count[CheckStatus.SKIPPED], complaints)


def _complaints(
    results: Sequence[ScenarioResult], findings: Sequence[RuleFinding], judged: int
) -> Iterator[str]:
    if failed := [result.name for result in results if not result.passed]:
        yield f"{NOT_AS_EXPECTED}: {', '.join(failed)}"
    if not judged:
        yield _NOTHING
    if deaf := [own.rule.name for own in findings if own.unmatched and not own.exercised]:
        yield f"labels that no series has: {', '.join(deaf)}"
