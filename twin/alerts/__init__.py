"""The alert rules as data: tables of typed rows.

``python -m twin.alerts`` makes ``deploy/prometheus/rules`` and ``docs/runbooks`` from them.
Metric names come from the catalogue and limits from one table, so that each name and number
is written once. To add an alert, add a row to the table of its domain.
"""

from twin.alerts.editions import for_editions
from twin.alerts.model import Alert, Domain, Recording, Rules, Severity, Threshold
from twin.alerts.proving_faults import PROOFS, Proof
from twin.alerts.render import RUNBOOKS, rule_file
from twin.alerts.tables import ALERTS, RULES
from twin.alerts.thresholds import THRESHOLDS

__all__ = [
    "ALERTS",
    "PROOFS",
    "RULES",
    "RUNBOOKS",
    "THRESHOLDS",
    "Alert",
    "Domain",
    "Proof",
    "Recording",
    "Rules",
    "Severity",
    "Threshold",
    "for_editions",
    "rule_file",
]
