"""Alerts, as Prometheus itself reports them."""

from __future__ import annotations

from twin.grafana.promql import Expr
from twin.grafana.queries.servers import RULE_INTERVAL
from twin.grafana.selectors import own
from twin.grafana.units import SECONDS

_HERE = 'site=~"$site|"'
_STATE = "ALERTS"
_SINCE = "ALERTS_FOR_STATE"
"""The two series that Prometheus writes of every alert; the second is the time since
which its expression holds."""
_LISTED = 10

_FIRING = f'{_STATE}{{alertstate="firing", {_HERE}}}'
_PENDING = f'{_STATE}{{alertstate="pending", {_HERE}}}'
_PLACED = (
    'label_replace(label_replace({0}, "place", "$1", "instance", "(.*)"), '
    '"place", "$1", "rack", "(.+)")'
)
_SHOWS = "pump-failure"
"""A fault that makes an alert fire, so that what names alerts shows something."""

FIRING_COUNT = Expr(f"count({_FIRING}) or vector(0)")
PENDING_COUNT = Expr(f"count({_PENDING}) or vector(0)")
CRITICAL_COUNT = Expr(f'count({_FIRING[:-1]}, severity="critical"}}) or vector(0)')
WARNING_COUNT = Expr(f'count({_FIRING[:-1]}, severity="warning"}}) or vector(0)')
RULES_FIRING = Expr(f"count(count by (alertname) ({_FIRING})) or vector(0)")
BY_PLACE = Expr(f"count by (severity, alertname, place) ({_PLACED.format(_FIRING)})").during(_SHOWS)
BY_SEVERITY = Expr(f"count by (severity) ({_FIRING})").during(_SHOWS)
HISTORY = Expr(f"max by (severity, alertname) ({_FIRING})").during(_SHOWS)
SINCE = Expr(
    f"time() - min by (severity, alertname, place) ({_PLACED.format(_SINCE + '{' + _HERE + '}')})"
    f" and {BY_PLACE.raw}",
    SECONDS,
).during(_SHOWS)

NOISIEST = Expr(
    f"topk({_LISTED}, sum by (alertname) (changes({_SINCE}{{{_HERE}}}[$__range]) + 1))"
).during(_SHOWS)
LONGEST = Expr(
    f"topk({_LISTED}, sum by (alertname) (count_over_time({_FIRING}[$__range])) "
    f"* on () group_left () {RULE_INTERVAL})",
    SECONDS,
).during(_SHOWS)

_FAULT = own("fault_active").raw
_STRUCK = f'label_replace({_FAULT}, "rack", "$1", "target", "(r[0-9]+).*")'
_BEGAN = f"min by (fault, target, rack) (min_over_time(timestamp({_STRUCK})[$__range:5s]))"
_SEEN = f'min by (rack) (min_over_time(timestamp({_FIRING[:-1]}, rack!=""}})[$__range:5s]))'
DELAY = Expr(
    f"max by (fault, target) (({_SEEN} - on (rack) group_right () {_BEGAN}) >= 0)", SECONDS
).during(_SHOWS)
