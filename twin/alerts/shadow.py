"""Alerts of the observer: what deviates from its expected reading, and whether all is watched."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog.selectors import ARRAY, own

__all__ = ["SHADOW_RULES"]

_FOUND = own("shadow_finding_residual_sigmas")
_COVERAGE = own("shadow_coverage_ratio")
_DRIFT = own("shadow_drift_max_ratio")
_REPORT = own("shadow_report_timestamp_seconds")
_LAST = own("unit_last_frame_timestamp_seconds", 'kind="rack"')
_RACKS = own("unit_reporting", 'kind="rack"')
_OF_FINDING = "target=%q,cause=%q,site=%q"
_OF_SITE = "{{ with $labels.array }} of array {{ . }}{{ end }} of {{ $labels.site }}"
"""Whose relation it is: those of the site's meters have no array."""

SHADOW_RULES = Rules(
    Domain.SHADOW,
    "What `twin shadow` finds and watches. Without an observer none of these can fire.",
    (),
    (
        Alert(
            name="ShadowFinding",
            severity=Severity.WARNING,
            why="A culprit may deviate in several relations: the strongest counts. The observer "
            "confirms a deviation by itself, so the rule does not wait.",
            expr=f"""
            max by ({ARRAY}, rack, host, target, cause) (
              topk by (site, target) (1, {_FOUND})
            )
            """,
            summary='{{ $labels.target }}: {{ $labels.cause }}, {{ $value | printf "%.1f" }} '
            "standard deviations off",
            detail=f"{{{{ range query (printf `{own('shadow_finding_residual')}{{{_OF_FINDING}}}` "
            "$labels.target $labels.cause $labels.site) }}By the relation {{ .Labels.relation }} "
            'it reads {{ .Value | printf "%+.3g" }} {{ .Labels.unit }} against what is expected. '
            "{{ end }}",
            meaning="A device or its sensor has changed since it was calibrated, long before a "
            "limit is reached. The observer's log says in one sentence what fits best.",
            steps=(
                "Compare expected and measured on the dashboard *Twin and reality*.",
                (
                    "Inspect the device that is named. If the cause is a sensor, compare it with "
                    "its neighbours."
                ),
                "After a repair, calibrate anew: start the observer without its state file.",
            ),
        ),
        Alert(
            name="ShadowDrift",
            severity=Severity.INFO,
            why="Creeping wear, where no finding names the culprit yet: more than the limit, and "
            "more than a day ago.",
            expr=f"""
            abs({_DRIFT}) > {limit.SHADOW_DRIFT}
            and
            abs({_DRIFT}) > 1.1 * abs({_DRIFT} offset 1d)
            unless on ({ARRAY}, relation) {own("shadow_finding_residual")}
            """,
            hold=3600,
            summary=f"A parameter of {{{{ $labels.relation }}}}{_OF_SITE} has drifted by "
            "{{ $value | humanizePercentage }}",
            meaning="The device that has changed most since calibration goes on changing. It is "
            "not yet beyond what chance does.",
            steps=(
                "Watch the drift of the relation on the dashboard *Twin and reality*.",
                "Plan an inspection if it goes on for days.",
            ),
        ),
        Alert(
            name="ShadowCoverageLow",
            severity=Severity.WARNING,
            why="A relation that covered nothing all day, as that of coolant on racks in air, does "
            "not count. Calibration takes twenty minutes.",
            expr=f"""
            min by ({ARRAY}) (
              {_COVERAGE}
                / (max_over_time({_COVERAGE}[1d]) > 0)
            ) < {limit.SHADOW_COVERED}
            """,
            hold=1800,
            summary="The observer judges only {{ $value | humanizePercentage }} of the devices"
            f"{_OF_SITE} that it judged before, by one relation at least",
            meaning="Readings that it needs are missing, devices stand still, or it calibrates "
            "them anew. Their deviations are not found.",
            steps=(
                "Look at the coverage by relation on the dashboard *Twin and reality*.",
                "Check the exporters of the readings that the relation needs.",
                "If the observer was restarted without `--state`, give it a state file.",
            ),
        ),
        Alert(
            name="ShadowLost",
            severity=Severity.WARNING,
            why="The observer was there within a day, racks report, and it does not.",
            expr=f"""
            group by (site) (last_over_time({_REPORT}[1d]))
            unless
            group by (site) ({_REPORT})
            and on (site)
            group by (site) ({_RACKS} == 1)
            """,
            hold=300,
            summary="The observer of {{ $labels.site }} is gone",
            meaning="Nothing is compared with what it should be: creeping faults are not found.",
            steps=(
                "Read the log of `twin shadow`, then restart it with its state file.",
                "Check its login at the broker.",
                "If it was removed on purpose, silence this alert for a day.",
            ),
        ),
        Alert(
            name="ShadowBehind",
            severity=Severity.WARNING,
            why="Both times are those of the frames.",
            expr=f"""
            quantile by (site) (0.5, {_LAST})
              - on (site)
            min by (site) ({_REPORT})
              > on (site) {limit.SHADOW_LATE} *
            max by (site) ({own("shadow_block_seconds")})
            """,
            hold=120,
            summary="The observer of {{ $labels.site }} is {{ $value | humanizeDuration }} behind",
            meaning="It cannot keep up with the frames, or gets no frames of an array.",
            steps=(
                "Check its CPU: one core is enough for 100,000 GPUs.",
                "Check its connection to the broker.",
            ),
        ),
    ),
)
