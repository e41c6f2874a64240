"""Backtest: a user's rules over the real past of a Prometheus, judged against his incidents."""

from __future__ import annotations

from twin.rules.backtest.html import backtest_html
from twin.rules.backtest.incidents import PastIncident, read_incidents
from twin.rules.backtest.outcome import PastOutcome, PastSettings
from twin.rules.backtest.report import backtest_json, backtest_junit, backtest_text
from twin.rules.backtest.run import backtest
from twin.rules.backtest.verdict import BacktestVerdict, verdict

__all__ = [
    "BacktestVerdict",
    "PastIncident",
    "PastOutcome",
    "PastSettings",
    "backtest",
    "backtest_html",
    "backtest_json",
    "backtest_junit",
    "backtest_text",
    "read_incidents",
    "verdict",
]
