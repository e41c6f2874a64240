"""Prometheus and Alertmanager: their own metrics.

Their metrics are no part of the catalogue, so their names stand here, and only here.
"""

from __future__ import annotations

from twin.grafana.promql import Expr
from twin.grafana.units import SECONDS

TARGETS_UP = Expr('sum(up{job=~"twin|twin-array", site="$site"})')
TARGETS_DOWN = Expr('sum(up{job=~"twin|twin-array", site="$site"} == bool 0)')
SCRAPE_SECONDS = Expr(
    'max by (job) (scrape_duration_seconds{job=~"twin|twin-array", site="$site"})', SECONDS
)
SCRAPED_SERIES = Expr('sum by (job) (scrape_samples_scraped{job=~"twin|twin-array", site="$site"})')
SERIES = Expr("prometheus_tsdb_head_series")
SAMPLES = Expr("sum(rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval]))", "cps")
MEMORY = Expr('process_resident_memory_bytes{job="prometheus"}', "decbytes")
RULE_SECONDS = Expr(
    'topk(10, max by (group) (label_replace(prometheus_rule_group_last_duration_seconds, "group", '
    '"$1", "rule_group", ".*;(.*)")))',
    SECONDS,
)
RULE_FAILURES = Expr("sum(increase(prometheus_rule_evaluation_failures_total[15m]))")
ALERTS_SENT = Expr("sum(rate(prometheus_notifications_sent_total[5m]))", "cps")
ALERTS_DROPPED = Expr("sum(increase(prometheus_notifications_dropped_total[15m]))")
ALERTS_HELD = Expr("sum by (state) (alertmanager_alerts)")

NAMES = frozenset(
    {
        "up",
        "scrape_duration_seconds",
        "scrape_samples_scraped",
        "prometheus_tsdb_head_series",
        "prometheus_tsdb_head_samples_appended_total",
        "process_resident_memory_bytes",
        "prometheus_rule_group_interval_seconds",
        "prometheus_rule_group_last_duration_seconds",
        "prometheus_rule_evaluation_failures_total",
        "prometheus_notifications_sent_total",
        "prometheus_notifications_dropped_total",
        "alertmanager_alerts",
    }
)
"""What the queries of this module read; they know no site."""
