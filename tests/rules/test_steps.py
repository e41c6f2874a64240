"""Longer steps of the physics: a quiet scenario shows what it shows second by second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin.rules.result import ScenarioResult
from twin.rules.sampling import known_metrics, sample
from twin.rules.scenario_run import Options, run_scenario, wanted_metrics
from twin.rules.source import RuleSet
from twin.scenario import load_scenario
from twin.scenario.loader import LoadedScenario, shipped_scenarios

_OF_TICKS = "twin_emulator_ticks_total"
"""The metric that counts steps."""
_OF_OBSERVER = "twin_shadow_"
"""What the observer says: it begins to judge once it has learnt, which goes by the noise it saw."""
_OF_EDGES = "grid_import_swing_watts"
"""What Megapacks let through, in 0.1 s after each change: longer steps have the load's own course,
steps of a second its means, which change a little less."""


def quiet(minutes: int, step: float | None = None, name: str = "quiet-day") -> LoadedScenario:
    """Return the beginning of a scenario, at its own step or at another."""
    whole = load_scenario(name)
    changed = {"duration": 60.0 * minutes, "step": step or whole.scenario.step}
    return replace(whole, scenario=whole.scenario.model_copy(update=changed))


LONGER = [name for name, own in shipped_scenarios().items() if own.step > 1.0]


@pytest.mark.full
@pytest.mark.parametrize("scenario", LONGER)
def test_levels_are_the_same(shipped: RuleSet, scenario: str) -> None:
    """Whatever the shipped rules read has the same mean, and reports at the same scrapes."""
    fine, coarse = quiet(30, 1.0, scenario), quiet(30, name=scenario)
    read = wanted_metrics(shipped, known_metrics(fine.layout)) - {_OF_TICKS}
    wanted = {name for name in read if not name.startswith(_OF_OBSERVER)}
    of_fine, of_coarse = sample(fine, wanted).families, sample(coarse, wanted).families
    assert of_fine.keys() == of_coarse.keys()
    apart = {}
    for name, family in of_fine.items():
        one, other = family.values, of_coarse[name].values
        assert np.array_equal(np.isfinite(one), np.isfinite(other)), name
        means = float(np.nanmean(one)), float(np.nanmean(other))
        # A rare error counts on one link of thousands, at one step and not at the other.
        chance = float(max(np.nanmax(np.nanstd(own, axis=1)) for own in (one, other)))
        share = 0.15 if name == _OF_EDGES else 0.01
        if abs(means[0] - means[1]) > share * abs(means[0]) + 0.15 * chance:
            apart[name] = (*means, chance)
    assert apart == {}


@pytest.mark.full
@pytest.mark.integration
def test_verdicts_are_the_same(shipped: RuleSet) -> None:
    """No shipped rule is true at either step, and recordings have as many series."""

    def judged(step: float | None = None) -> ScenarioResult:
        return run_scenario(quiet(20, step), shipped, Options())

    fine, coarse = judged(1.0), judged()
    assert fine.episodes == coarse.episodes == {}
    assert (fine.true, fine.recorded) == (coarse.true, coarse.recorded)
