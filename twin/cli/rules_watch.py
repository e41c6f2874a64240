"""``twin rules watch``: run the tests again whenever a file is saved."""

from __future__ import annotations

import glob
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from twin.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from twin.rules.watch import Outlook

__all__ = ["watch"]

_POLL_SECONDS = 0.3
_STYLES = {True: "green", False: "red", None: "yellow"}
_MARKS = {True: "✓", False: "✗", None: "~"}


def watch(rules: Sequence[str], scenarios: Sequence[str], jobs: int | None) -> None:
    """Test, then wait for a file to be saved, until Ctrl-C.

    A file that cannot be read is reported; the next save tries again.
    """
    from twin.cli.process import configure_logs

    configure_logs("error")
    with suppress(KeyboardInterrupt):
        _watch(rules, scenarios, jobs)


def _watch(rules: Sequence[str], scenarios: Sequence[str], jobs: int | None) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    before: Outlook | None = None
    while True:
        began = time.perf_counter()
        seen = _signature(rules, scenarios)
        try:
            now = _outlook(rules, scenarios, jobs)
        except ConfigError as error:
            console.print(f"twin: {error}", style="red", markup=False, soft_wrap=True)
        else:
            _tell(console, before, now, time.perf_counter() - began)
            before = now
        while _signature(rules, scenarios) == seen:
            time.sleep(_POLL_SECONDS)


def _outlook(rules: Sequence[str], scenarios: Sequence[str], jobs: int | None) -> Outlook:
    from twin.content_cache import Cache, default_folder
    from twin.rules.audit import audit
    from twin.rules.scenario_run import Options
    from twin.rules.source import load_rules
    from twin.rules.suite import check_suite, is_foreign, run_suite
    from twin.rules.watch import outlook
    from twin.scenario import find_scenarios

    own = load_rules(rules)
    chosen = find_scenarios(scenarios)
    check_suite(chosen, own)
    options = Options(foreign=is_foreign(own), jobs=jobs, cache=Cache(default_folder()))
    results = run_suite(chosen, own, options)
    return outlook(results, audit(own, results))


def _tell(console: Console, before: Outlook | None, now: Outlook, seconds: float) -> None:
    """Print how all checks stand, and what is otherwise than before."""
    from twin.rules.result import CheckStatus
    from twin.rules.watch import changes

    found = [] if before is None else changes(before, now)
    for change in found:
        console.print(
            f"  {_MARKS[change.better]} {change.text}",
            style=_STYLES[change.better],
            markup=False,
            soft_wrap=True,
        )
    if before is None:
        for (scenario, text), (status, detail) in now.checks.items():
            if status is CheckStatus.FAILED:
                console.print(f"  ✗ {scenario}: {text}: {detail}", style="red", markup=False)
    elif not found:
        console.print("  nothing changed")
    counts = [status for status, _ in now.checks.values()]
    console.print(
        f"{time.strftime('%H:%M:%S')}  {counts.count(CheckStatus.PASSED)} passed, "
        f"{counts.count(CheckStatus.FAILED)} failed, {len(now.verdicts)} rules, {seconds:.1f} s; "
        "waiting for a file to be saved (Ctrl-C ends)",
        style="bold",
        soft_wrap=True,
    )


def _signature(rules: Sequence[str], scenarios: Sequence[str]) -> object:
    """Return what tells whether a file was saved, added or removed."""
    from twin.rules.watch import signature

    patterns = (*rules, *scenarios)
    found = (glob.glob(pattern, recursive=True) for pattern in patterns)  # noqa: PTH207 - absolute patterns too
    return signature(Path(name) for names in found for name in names)
