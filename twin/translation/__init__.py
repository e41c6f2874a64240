"""Translation of PromQL from one edition of an exporter to another."""

from twin.translation.dashboards import DashboardQuery, queries_of, translated_dashboard
from twin.translation.renaming import MetricRenaming, Renaming, renaming
from twin.translation.rewriting import Translation, rewritten
from twin.translation.templates import labels_in, template

__all__ = [
    "DashboardQuery",
    "MetricRenaming",
    "Renaming",
    "Translation",
    "labels_in",
    "queries_of",
    "renaming",
    "rewritten",
    "template",
    "translated_dashboard",
]
