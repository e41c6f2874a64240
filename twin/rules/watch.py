"""Watch: what an edit of rules or scenarios changed, from one run to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twin.rules.audit import RuleFinding
from twin.rules.result import CheckStatus, ScenarioResult

__all__ = ["Change", "Outlook", "changes", "outlook", "signature"]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one run says, as far as a later one may say otherwise.

    Attributes:
        checks: status and detail of each expectation, by scenario and text.
        verdicts: on each rule, by file and name.
    """

    checks: Mapping[tuple[str, str], tuple[CheckStatus, str]]
    verdicts: Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a run says otherwise than the one before.

    Attributes:
        better: whether a check passes now; None where it is neither better nor worse.
        text: a sentence.
    """

    better: bool | None
    text: str


def outlook(results: Sequence[ScenarioResult], findings: Sequence[RuleFinding]) -> Outlook:
    """Return what a run says."""
    return Outlook(
        {
            (result.name, check.text): (check.status, check.detail)
            for result in results
            for check in result.checks
        },
        {(str(own.rule.file), own.rule.name): own.verdict for own in findings},
    )


def changes(before: Outlook, after: Outlook) -> list[Change]:
    """Return what the later run says otherwise: checks first, then rules."""
    return [*_of_checks(before, after), *_of_rules(before, after)]


def _of_checks(before: Outlook, after: Outlook) -> Iterator[Change]:
    for (scenario, text), (status, detail) in after.checks.items():
        old = before.checks.get((scenario, text))
        if old is None:
            yield Change(_good(status), f"{scenario}: {text}: {status} (new): {detail}")
        elif old[0] is not status:
            yield Change(_good(status), f"{scenario}: {text}: {status}, was {old[0]}: {detail}")
        elif old[1] != detail:
            yield Change(None, f"{scenario}: {text}: {detail}, was: {old[1]}")
    for scenario, text in before.checks.keys() - after.checks.keys():
        yield Change(None, f"{scenario}: {text}: no longer checked")


def _of_rules(before: Outlook, after: Outlook) -> Iterator[Change]:
    for (file, name), verdict in after.verdicts.items():
        old = before.verdicts.get((file, name))
        if old is None:
            yield Change(None, f"{name}: {verdict} (new)")
        elif old != verdict:
            yield Change(None, f"{name}: {verdict}, was: {old}")
    for _, name in sorted(before.verdicts.keys() - after.verdicts.keys()):
        yield Change(None, f"{name}: gone")


def _good(status: CheckStatus) -> bool | None:
    return None if status is CheckStatus.SKIPPED else status is CheckStatus.PASSED


def signature(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Return when each file changed last, and its size; a file that is gone has none."""
    found = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        found[path] = (status.st_mtime_ns, status.st_size)
    return found
