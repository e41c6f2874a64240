"""Translation of PromQL from one edition of an exporter to another."""

from twin.translation.renaming import MetricRenaming, Renaming, renaming
from twin.translation.rewriting import Translation, rewritten
from twin.translation.templates import labels_in, template

__all__ = [
    "MetricRenaming",
    "Renaming",
    "Translation",
    "labels_in",
    "renaming",
    "rewritten",
    "template",
]
