"""States at the ends of days, kept beside a past, and which past a folder holds."""

from __future__ import annotations

import json
from pathlib import Path

from twin.emulator.state import KeptState, StateFile
from twin.errors import ConfigError
from twin.files import write_whole
from twin.history.past import PastPlan
from twin.history.rule_history import RuleHistory
from twin.history.targets import SampleTarget

__all__ = ["DayStates", "begun", "claim", "kept_states", "missing_days"]

_OWN = ".twin-history"


def missing_days(plan: PastPlan, target: SampleTarget) -> list[int]:
    """Return the unix times at which the days begin that are not there yet."""
    return [day for day in plan.each_day if not target.has(day)]


def kept_states(target: SampleTarget) -> dict[int, Path]:
    """Return the files of the states that are kept beside a past, by their unix time."""
    found = {}
    for path in (target.folder / _OWN).glob("plant-*.state"):
        word = path.stem.removeprefix("plant-")
        if word.isdigit():
            found[int(word)] = path
    return found


class DayStates:
    """States at the ends of days, from which a later call goes on.

    Args:
        plan: of the past.
        target: beside whose days they are kept.
    """

    def __init__(self, plan: PastPlan, target: SampleTarget) -> None:
        self._plan, self._target = plan, target
        self._folder = target.folder / _OWN

    def before(self, day: int) -> KeptState | None:
        """Return the latest state from which a day can be reached, None without any."""
        ends = [end for end in kept_states(self._target) if end <= day]
        kept = self._file(max(ends)).load() if ends else None
        return kept if kept is not None and round(kept.now) <= day else None

    def follow(self, rules: RuleHistory | None, end: int) -> None:
        """Let rules go on from what is kept of them at the end of a day."""
        path = self._rules(end)
        if rules is not None and path.exists():
            rules.load(path)
        elif rules is not None:
            rules.begin(end)

    def dumped(self, state: KeptState) -> bytes:
        """Return a state as it is kept."""
        return self._file(round(state.now)).dump(state)

    def save(self, now: int, state: bytes, rules: RuleHistory | None) -> None:
        """Keep a state of a moment, and drop those that no day that is missing needs any more."""
        if rules is not None:
            rules.save(self._rules(now))
        self._file(now).write(state)
        missing = missing_days(self._plan, self._target)
        first = missing[0] if missing else self._plan.each_day[-1] + self._plan.day
        for end in sorted(end for end in kept_states(self._target) if end <= first)[:-1]:
            self._file(end).path.unlink(missing_ok=True)
            self._rules(end).unlink(missing_ok=True)

    def _rules(self, end: int) -> Path:
        return self._folder / f"rules-{end}.npz"

    def _file(self, end: int) -> StateFile:
        return StateFile(self._folder, self._plan.layout, self._plan.workload, str(end))


def begun(target: SampleTarget) -> int | None:
    """Return the unix time at which the past of a folder begins, None where there is none."""
    path = _plan_file(target)
    return int(json.loads(path.read_bytes())["start"]) if path.exists() else None


def _plan_file(target: SampleTarget) -> Path:
    return target.folder / _OWN / "plan.json"


def claim(target: SampleTarget, plan: PastPlan) -> None:
    """Say which past a folder holds.

    Raises:
        ConfigError: it holds another.
    """
    path = _plan_file(target)
    text = json.dumps(plan.identity, sort_keys=True).encode()
    path.parent.mkdir(exist_ok=True)
    if path.exists() and path.read_bytes() != text:
        raise ConfigError(
            f"--to: {path.parent.parent} holds a past of another site, detail, step or seed; "
            "choose another folder, or give the same options to go on with it"
        )
    write_whole(path, text)
