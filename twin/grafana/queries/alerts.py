"""Alerts, as Prometheus itself reports them."""

from __future__ import annotations

from twin.grafana.pages import ARRAY, COOLING, ENERGY, JOB, PIPELINE, RACK, SITE
from twin.grafana.promql import Expr
from twin.grafana.units import SECONDS
from twin.grafana.values import own

_HERE = 'site=~"$site|"'
_STATE = "ALERTS"
_SINCE = "ALERTS_FOR_STATE"
"""The two series that Prometheus writes of every alert; the second is the time since
which its expression holds."""
_LISTED = 8

_FIRING = f'{_STATE}{{alertstate="firing", {_HERE}}}'
_PENDING = f'{_STATE}{{alertstate="pending", {_HERE}}}'
_WHERE = ("severity", "alertname", "place", "board", "array", "rack")


def _label(inner: str, label: str, value: str, source: str) -> str:
    """Return PromQL that sets a label where another one is there."""
    return f'label_replace({inner}, "{label}", "{value}", "{source}", "(.+)")'


def _placed(alerts: str) -> str:
    """Return alerts with their place and its dashboard, from their labels.

    Of several labels the last one says it: an alert on a rack's device is about the rack.
    """
    placed = f'label_replace({alerts}, "board", "{SITE.uid}", "", "")'
    for source, page in _BOARDS:
        said = f"{source} $1" if source in _NUMBERED else "$1"
        placed = _label(_label(placed, "place", said, source), "board", page.uid, source)
    return placed


_BOARDS = (
    ("site", SITE), ("instance", SITE), ("kind", PIPELINE), ("emulator", PIPELINE),
    ("feed", ENERGY), ("megapack", ENERGY), ("genset", ENERGY), ("chiller", COOLING),
    ("training_job", JOB), ("array", ARRAY), ("rack", RACK),
)  # fmt: skip
_NUMBERED = ("feed", "chiller")
"""Labels whose values are bare numbers, which would say nothing as a place."""
_SHOWS = "pump-failure"
"""A fault that makes an alert fire, so that what names alerts shows something."""

FIRING_COUNT = Expr(f"count({_FIRING}) or vector(0)")
PENDING_COUNT = Expr(f"count({_PENDING}) or vector(0)")
CRITICAL_COUNT = Expr(f'count({_FIRING[:-1]}, severity="critical"}}) or vector(0)')
WARNING_COUNT = Expr(f'count({_FIRING[:-1]}, severity="warning"}}) or vector(0)')
RULES_FIRING = Expr(f"count(count by (alertname) ({_FIRING})) or vector(0)")
_BY = f"by ({', '.join(_WHERE)})"
BY_PLACE = Expr(f"count {_BY} ({_placed(_FIRING)})").during(_SHOWS)
BY_SEVERITY = Expr(f"count by (severity) ({_FIRING})").during(_SHOWS)
HISTORY = Expr(f"max by (severity, alertname) ({_FIRING})").during(_SHOWS)
SINCE = Expr(
    f"time() - min {_BY} ({_placed(_SINCE + '{' + _HERE + '}')}) and {BY_PLACE.raw}",
    SECONDS,
).during(_SHOWS)

_STEP = 15
"""Seconds between two looks at what fires, over the time shown."""
_LOOKED = f"[$__range:{_STEP}s]"

NOISIEST = Expr(
    f"topk({_LISTED}, sum by (alertname, severity) "
    f"(count_over_time(({_FIRING} unless {_FIRING} offset {_STEP}s){_LOOKED})))"
).during(_SHOWS)
"""How often a rule began to fire; what only was pending does not count."""
LONGEST = Expr(
    f"topk({_LISTED}, {_STEP} * max by (alertname, severity) "
    f"(count_over_time({_FIRING}{_LOOKED})))",
    SECONDS,
).during(_SHOWS)
"""The device on which a rule fired longest."""

_FAULT = own("fault_active").raw
_STRUCK = f'label_replace({_FAULT}, "rack", "$1", "target", "(r[0-9]+).*")'
_BEGAN = f"min by (fault, target, rack) (min_over_time(timestamp({_STRUCK})[$__range:5s]))"
_SEEN = f'min by (rack) (min_over_time(timestamp({_FIRING[:-1]}, rack!=""}})[$__range:5s]))'
DELAY = Expr(
    f"max by (fault, target) (({_SEEN} - on (rack) group_right () {_BEGAN}) >= 0)", SECONDS
).during(_SHOWS)
