"""Rules over a past: alerts that were pending or fired, and recorded series.

The rules are evaluated by promtool, the engine of Prometheus, over what was scraped, so
``ALERTS``, ``ALERTS_FOR_STATE`` and recorded series are those that Prometheus would have stored.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from twin.aggregator.text_format import MetricHead, label_block
from twin.errors import ConfigError
from twin.files import write_whole
from twin.history.page_reader import Block
from twin.history.past import PastPlan
from twin.history.rule_window import AlertSpan, KeptSeries, RuleWindow, WindowPlan
from twin.rules.expression import reach
from twin.rules.promtool import promtool
from twin.rules.rule_yaml import seconds_of
from twin.rules.sampling import MetricFamily
from twin.rules.shipped import write_shipped_rules
from twin.rules.source import Rule, RuleSet, load_rules
from twin.site import DetailPlan, Layout, count_series
from twin.stored_arrays import UNREADABLE, check_stored, stored_array

__all__ = ["ALERT_CLASS", "RULE_CLASS", "RuleHistory", "has_rules", "rules_read"]

ALERT_CLASS, RULE_CLASS = "alert", "rule"
"""Device classes of what rules give, where others have ``gpu``."""
_HEAD, _ARRAY = "head.json", ".npy"
_EVERY = 60
"""Seconds between two evaluations, or a little more where the step asks for it: Prometheus's own
default of ``evaluation_interval``."""
_LOOKS_BACK = (1200.0, 10_800.0, 90_000.0)
"""Seconds that rules look back, est. by what they read: the many series of devices are read over
minutes, and only a few over a day. A window is held for each."""
_MOST_SERIES = 30_000
"""Series up to which rules are evaluated unasked."""
_MOST_HELD = 40_000_000
"""Samples that windows hold before they are evaluated, of 8 bytes each."""


class RuleHistory:
    """The rules that follow a past.

    Args:
        plan: of the past.
        at_once: whether each part of a day is evaluated when it is there, instead of the day.

    Raises:
        ConfigError: promtool is not there.
    """

    def __init__(self, plan: PastPlan, *, at_once: bool) -> None:
        self._at_once = at_once
        self._start, self._day = plan.start, plan.day
        self._interval = evaluation_interval(plan.step, plan.day)
        with tempfile.TemporaryDirectory() as folder:
            write_shipped_rules(Path(folder))
            rules = load_rules([f"{folder}/*.yml"])
        self._windows = [
            RuleWindow(own, plan.start, plan.step, self._interval)
            for own in _window_plans(rules, self._interval)
        ]
        self.reads = frozenset(name for own in self._windows for name in own.reads)

    def take(self, blocks: Sequence[Block], now: int) -> list[Block]:
        """Read a part of a day and return what the rules gave since the last return.

        Args:
            blocks: what was scraped since the last call.
            now: unix time of the last scrape.
        """
        for window in self._windows:
            window.take(blocks)
        until = now - (now - self._start) % self._interval
        held = sum(window.held for window in self._windows)
        ends = (now - self._start) % self._day == 0
        if until <= self._windows[0].evaluated or not (ends or self._at_once or held > _MOST_HELD):
            return []
        times = np.arange(self._windows[0].evaluated + self._interval, until + 1, self._interval)
        spans: list[AlertSpan] = []
        recorded: dict[str, MetricFamily] = {}
        for window in self._windows:
            own, series = window.evaluate(until)
            spans += own
            recorded |= series
        return [*_alert_blocks(spans, times), *_recorded_blocks(recorded, times)]

    def save(self, path: Path) -> None:
        """Keep what a later call needs to go on from here."""
        body, head = io.BytesIO(), []
        arrays: dict[str, NDArray[Any]] = {}
        for number, window in enumerate(self._windows):
            for place, kept in enumerate(window.kept):
                arrays[f"times-{number}-{place}"] = kept.times
                arrays[f"values-{number}-{place}"] = kept.values
            for place, family in enumerate(window.recorded.values()):
                arrays[f"recorded-{number}-{place}"] = family.values
            head.append({
                "evaluated": window.evaluated,
                "kept": [[own.name, [word.decode() for word in own.labels]] for own in window.kept],
                "open": [[rule, asdict(span)] for (rule, _), span in window.open.items()],
                "recorded": [[name, list(own.labels)] for name, own in window.recorded.items()],
            })  # fmt: skip
        with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_HEAD, json.dumps(head, default=dict))
            for name, array in arrays.items():
                with archive.open(f"{name}{_ARRAY}", "w") as file:
                    npy.write_array(file, array, allow_pickle=False)
        write_whole(path, body.getvalue())

    def begin(self, moment: int) -> None:
        """Begin in the midst of a past of which nothing is kept."""
        for window in self._windows:
            window.evaluated = moment

    def load(self, path: Path) -> None:
        """Go on from what was kept.

        Raises:
            ConfigError: it is damaged.
        """
        try:
            data = path.read_bytes()
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                check_stored(archive, len(data))
                head = json.loads(archive.read(_HEAD))
                arrays = {
                    name.removesuffix(_ARRAY): stored_array(archive.read(name))
                    for name in archive.namelist()
                    if name.endswith(_ARRAY)
                }
            for number, (window, own) in enumerate(zip(self._windows, head, strict=True)):
                _restore(window, own, str(number), arrays)
        except UNREADABLE as error:
            raise ConfigError(
                f"{path}: is damaged; remove the folder's .twin-history and its days to begin anew"
            ) from error


def _restore(
    window: RuleWindow, own: Mapping[str, Any], number: str, arrays: Mapping[str, NDArray[Any]]
) -> None:
    window.evaluated = own["evaluated"]
    window.kept = [
        KeptSeries(
            name,
            [word.encode() for word in labels],
            arrays[f"times-{number}-{place}"],
            arrays[f"values-{number}-{place}"],
        )
        for place, (name, labels) in enumerate(own["kept"])
    ]
    spans = [(rule, AlertSpan(**span)) for rule, span in own["open"]]
    window.open = {(rule, frozenset(span.labels.items())): span for rule, span in spans}
    window.recorded = {
        name: MetricFamily(labels, arrays[f"recorded-{number}-{place}"])
        for place, (name, labels) in enumerate(own["recorded"])
    }


def rules_read(plan: PastPlan) -> frozenset[str]:
    """Return the names of the metrics that the rules of a past read."""
    return RuleHistory(plan, at_once=False).reads


def has_rules(wanted: bool | None, layout: Layout, detail: DetailPlan) -> bool:
    """Return whether the rules of a past are evaluated.

    Args:
        wanted: by the user; None for where promtool is installed and series are few: of a
            thousand GPUs in full, an hour takes it a minute.
        layout: the site.
        detail: of the past.

    Raises:
        ConfigError: they are wanted, and promtool is not there.
    """
    if wanted is False or (wanted is None and count_series(layout, detail) > _MOST_SERIES):
        return False
    try:
        promtool()
    except ConfigError as error:
        if wanted:
            raise ConfigError(f"--alerts: {error}; or leave --alerts out") from None
        return False
    return True


def evaluation_interval(step: int, day: int) -> int:
    """Return the seconds between two evaluations: of whole steps, and a part of a day."""
    fits = (own for own in range(step, day + 1, step) if day % own == 0)
    return next((own for own in fits if own >= _EVERY), day)


def _window_plans(rules: RuleSet, interval: int) -> Iterator[WindowPlan]:
    """Yield the rules by how far they look back, each in one window."""
    backs = {rule.key: _looks_back(rule, rules) for rule in rules.rules}
    shortest = 0.0
    for longest in _LOOKS_BACK:
        last = longest == _LOOKS_BACK[-1]
        own = {key for key, back in backs.items() if shortest < back and (back <= longest or last)}
        chosen = [rule for rule in rules.rules if rule.key in own]
        wanted = own | {rule.key for rule in rules.feeding(chosen)}
        lookback = min(max((backs[key] for key in own), default=0.0), longest)
        if chosen:
            yield WindowPlan(
                rules.without([rule.key for rule in rules.rules if rule.key not in wanted]),
                frozenset(own),
                math.ceil(lookback / interval) * interval + interval,
            )
        shortest = longest


def _looks_back(rule: Rule, rules: RuleSet) -> float:
    """Return the seconds before an evaluation that matter to a rule."""
    held = sum(seconds_of(rule.body.get(key)) for key in ("for", "keep_firing_for"))
    return reach(rule.expr) + held + sum(reach(own.expr) for own in rules.feeding([rule]))


def _head(name: str, words: str) -> MetricHead:
    text = f"# HELP {name} {words}\n# TYPE {name} gauge".encode()
    return MetricHead(name, text, text)


_ALERTS = _head("ALERTS", "1 while an alert is pending or fires.")
_SINCE = _head("ALERTS_FOR_STATE", "Unix time since which an alert is pending or fires.")


def _alert_blocks(spans: Iterable[AlertSpan], times: NDArray[np.int64]) -> Iterator[Block]:
    """Yield the series that Prometheus makes of alerts."""
    states: dict[bytes, NDArray[np.float64]] = {}
    since: dict[bytes, NDArray[np.float64]] = {}
    for span in spans:
        on = (times >= span.pending) & (times < (math.inf if span.ended is None else span.ended))
        fires = on & (times >= (math.inf if span.firing is None else span.firing))
        for state, when in (("pending", on & ~fires), ("firing", fires)):
            if when.any():
                _row(states, {**span.labels, "alertstate": state}, times)[when] = 1.0
        if on.any():
            _row(since, span.labels, times)[on] = float(span.pending)
    for head, rows in ((_ALERTS, states), (_SINCE, since)):
        if rows:
            yield _block(head, ALERT_CLASS, rows, times)


def _row(
    rows: dict[bytes, NDArray[np.float64]], labels: Mapping[str, str], times: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the values of a series, which are made NaN when it first appears."""
    return rows.setdefault(label_block(tuple(sorted(labels.items()))), np.full(len(times), np.nan))


def _recorded_blocks(
    recorded: dict[str, MetricFamily], times: NDArray[np.int64]
) -> Iterator[Block]:
    for name, family in recorded.items():
        labels = [label_block(tuple(sorted(own.items()))) for own in family.labels]
        rows = dict(zip(labels, family.values, strict=True))
        if rows:
            yield _block(_head(name, "Recorded by a rule."), RULE_CLASS, rows, times)


def _block(
    head: MetricHead, device: str, rows: dict[bytes, NDArray[np.float64]], times: NDArray[np.int64]
) -> Block:
    values = np.array(list(rows.values())).T
    return Block(head, device, list(rows), False, times * 1000, values)
