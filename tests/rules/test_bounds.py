"""Nothing that the engine finds is left out: random expressions, the real engine."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest

from twin.rules.bounds import Bounds
from twin.rules.expression import reach, selectors
from twin.rules.promtool import PromtoolJob, run
from twin.rules.promtool_series import input_series
from twin.rules.sampling import MetricFamily, Samples

SCRAPE, SCRAPES = 5.0, 60
STEPS = [SCRAPE * step for step in range(SCRAPES + 1)]
EXPRESSIONS = 60

GAUGES, COUNTERS = ("a", "b", "c"), ("n_total", "m_total")
OVER_TIME = ("avg", "min", "max", "last", "count", "sum", "stddev", "present")
SLOPES = ("rate", "irate", "increase", "delta", "idelta", "deriv", "changes", "resets")
AGGREGATES = ("sum", "min", "max", "avg", "count", "group", "stddev")
COMPARISONS = (">", "<", ">=", "<=", "==", "!=")


def families(chance: random.Random) -> dict[str, MetricFamily]:
    """Return series that step, swing, vanish and come back, and counters that are reset."""
    found = {}
    for name in (*GAUGES, *COUNTERS):
        rows = []
        for _ in range(chance.randint(1, 4)):
            level = chance.choice((-2.0, 0.0, 0.0, 1.0, 3.0))
            row = []
            for _ in range(SCRAPES):
                if chance.random() < 0.08:
                    level = chance.choice((-2.0, 0.0, 1.0, 2.5, 3.0, 1e9))
                value = level + chance.choice((0.0, 0.0, 0.5))
                row.append(np.nan if chance.random() < 0.05 else value)
            values = np.array(row)
            if name in COUNTERS:
                steps = np.abs(np.nan_to_num(values))
                total = np.cumsum(steps * (steps < 100))
                reset = chance.randint(1, SCRAPES)
                total[reset:] -= total[reset - 1]
                values = np.where(np.isnan(values), np.nan, total)
            gone = chance.randint(0, SCRAPES)
            if chance.random() < 0.3:
                values[gone : gone + chance.randint(1, 40)] = np.nan
            values[0] = 1.0
            rows.append(values)
        labels = [{"x": str(index), "y": str(index % 2)} for index in range(len(rows))]
        found[name] = MetricFamily(labels, np.array(rows))
    return found


class Writer:
    """Writes expressions of the kinds that rules are made of."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def condition(self, depth: int = 2) -> str:
        """Return what a rule asks."""
        pick = self._chance.choice
        if depth and self._chance.random() < 0.4:
            word = pick(("and", "or", "unless", "and on (y)", "unless on (x)", "and on ()"))
            return f"({self.condition(depth - 1)}) {word} ({self.condition(depth - 1)})"
        if self._chance.random() < 0.1:
            return f"absent({self._selector()})"
        right = self._number() if self._chance.random() < 0.8 else self._value(1)
        left = self._value(2)
        if self._chance.random() < 0.1:
            left, right = self._number(), left
        return f"{left} {pick(COMPARISONS)} {pick(('', '', '', 'bool '))}{right}"

    def _number(self) -> str:
        return self._chance.choice(("0", "1", "-1", "0.5", "2", "3", "1e6", "NaN", "Inf", "-Inf"))

    def _selector(self) -> str:
        name = self._chance.choice((*GAUGES, *COUNTERS, "none"))
        return name + self._chance.choice(("", "", '{x="0"}', '{y!="0"}', '{x=~"1|2"}'))

    def _value(self, depth: int) -> str:
        pick = self._chance.choice
        if not depth:
            return self._leaf()

        def inner() -> str:
            return self._value(depth - 1)

        kinds: dict[str, Callable[[], str]] = {
            "leaf": self._leaf,
            "sum": lambda: f"{pick(AGGREGATES)} {pick(('', 'by (y) '))}({inner()})",
            "top": lambda: f"{pick(('topk', 'bottomk'))}(1, {inner()})",
            "quantile": lambda: f"quantile({pick(('0.5', '0.9', '2'))}, {inner()})",
            "operation": lambda: (
                f"({inner()} {pick(('+', '-', '*', '/', '%', '^'))} {pick(('', 'on (x) '))}"
                f"{inner()})"
            ),
            "scaled": lambda: f"({self._number()} {pick(('+', '-', '*', '/'))} {inner()})",
            "negative": lambda: f"-({inner()})",
            "absolute": lambda: f"{pick(('abs', 'ceil', 'exp', 'sgn', 'sort'))}({inner()})",
            "scalar": lambda: f"scalar({inner()})",
            "labelled": lambda: f'label_replace({inner()}, "z", "$1", "x", "(.*)")',
            "filtered": lambda: f"({inner()} > 0)",
        }
        return kinds[pick(list(kinds))]()

    def _leaf(self) -> str:
        pick, window = self._chance.choice, self._chance.choice(("10s", "30s", "2m"))
        offset = pick(("", "", "", " offset 15s"))
        return pick(
            (
                f"{self._selector()}{offset}",
                f"{pick(OVER_TIME)}_over_time({self._selector()}[{window}]{offset})",
                f"{pick(SLOPES)}({self._selector()}[{window}]{offset})",
                f"quantile_over_time(0.9, {self._selector()}[{window}])",
                "vector(1)",
            )
        )


@pytest.mark.full
@pytest.mark.integration
@pytest.mark.parametrize("seed", range(8))
def test_what_the_engine_finds_was_possible(seed: int) -> None:
    """At no evaluation has an expression a result that its bounds called impossible."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    samples = Samples(SCRAPE, SCRAPES, families(chance))
    bounds, writer = Bounds(samples, SCRAPE, {}), Writer(chance)
    written = list(dict.fromkeys(writer.condition() for _ in range(EXPRESSIONS)))
    reads = [own for expr in written for own in selectors(expr)]
    job = PromtoolJob(input_series(samples, reads), SCRAPE, SCRAPE, STEPS[-1])
    for expr in written:
        job.ask(f"count({expr})", STEPS)
    answer = run(job)
    true = {(found.query, round(found.at / SCRAPE)) for found in answer.found}
    assert len({query for query, _ in true}) > len(written) / 6
    wrong = {written[query] for query, step in true if not bounds.possible(written[query])[step]}
    assert wrong == set()
    spared = sum(not bounds.possible(expr).all() for expr in written)
    assert spared > len(written) / 10


@pytest.mark.integration
@pytest.mark.parametrize("seed", range(4))
def test_what_is_not_loaded_is_not_missed(seed: int) -> None:
    """With only the scrapes that its reach says, an expression gives what it gives with all."""
    chance = random.Random(f"reach {seed}")  # noqa: S311 - no secret
    samples = Samples(SCRAPE, SCRAPES, families(chance))
    writer, scraped = Writer(chance), np.array(STEPS[1:])
    for expr in {writer.condition() for _ in range(EXPRESSIONS // 4)}:
        at = chance.choice(STEPS[SCRAPES // 2 :])
        reads = selectors(expr)
        needed = (scraped <= at) & (scraped >= at - SCRAPE - reach(expr))
        found = []
        for read in ({}, dict.fromkeys(reads, needed)):
            job = PromtoolJob(input_series(samples, reads, read), SCRAPE, SCRAPE, STEPS[-1])
            job.ask(f"last_over_time(({expr})[{round(SCRAPE)}s:{round(SCRAPE)}s])", [at])
            job.ask("vector(0)", [at])
            found.append({(str(own.labels), str(own.value)) for own in run(job).found})
        assert found[0] == found[1], expr
