"""Report of a backtest: on a terminal, as JSON, and as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from twin.clients.moments import shown_moment
from twin.rules.backtest.outcome import Gap, PastOutcome
from twin.rules.backtest.verdict import AlertRecord, BacktestVerdict, IncidentCheck
from twin.rules.judging import Episode
from twin.rules.report.junit import junit_bytes
from twin.rules.result import CheckStatus
from twin.scenario import show_duration

__all__ = ["Table", "backtest_json", "backtest_junit", "backtest_text"]

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Names of the columns, and the rows."""
_SHOWN_GAPS = 5
_SHOWN_NAMES = 8
_MOST_FIRINGS = 10
_NONE = "-"


def backtest_text(found: BacktestVerdict, *, every: bool) -> Iterator[Table | str]:
    """Yield lines and tables for a terminal.

    Args:
        found: what the backtest says.
        every: whether all firings are wanted, and rules that did not fire.
    """
    yield from _head(found.outcome)
    shown = [own for own in found.alerts if every or own.firings or own.error]
    if shown:
        yield ""
        yield _records("rule", shown)
    if silent := len(found.alerts) - len(shown):
        yield f"{silent} {'other ' if shown else ''}rules did not fire"
    if found.observer:
        yield ""
        yield _records("found by twin shadow", found.observer)
    if found.checks:
        yield ""
        yield _incidents(found)
    yield from _firings([*found.alerts, *found.observer], every=every)


def _head(own: PastOutcome) -> Iterator[Table | str]:
    settings = own.settings
    span = f"{shown_moment(settings.start)} to {shown_moment(settings.end)} UTC"
    rows = [
        ("past", f"{span}, every {show_duration(own.step)}"),
        ("read", f"{own.samples:,} samples of {own.series:,} series"),
    ]
    if own.gaps:
        together = show_duration(sum(gap.end - gap.start for gap in own.gaps))
        rows.append(("gaps", f"{len(own.gaps)}, {together} together: {_gaps(own.gaps)}"))
    if own.left_out:
        rows.append(("left out", f"{own.left_out} firings that began in a gap"))
    for name, read in list((own.missing or {}).items())[:_SHOWN_NAMES]:
        rows.append(("missing", f"no series of {name}, which {_names(read)} read"))
    if (more := len(own.missing or {}) - _SHOWN_NAMES) > 0:
        rows.append(("missing", f"and {more} metrics more"))
    for interval, count in sorted((own.slower or {}).items()):
        every = f"{count} series come every {show_duration(interval)}"
        rows.append(("slower", f"{every}; between two samples the last one stands"))
    if own.partial:
        rows.append(("partial", f"{own.partial} answers are not whole: {own.warnings[0]}"))
    rows += [("note", note) for note in own.notes]
    yield (), rows


def _gaps(gaps: Sequence[Gap]) -> str:
    longest = sorted(gaps, key=lambda gap: gap.start - gap.end)[:_SHOWN_GAPS]
    listed = [f"{shown_moment(own.start)} for {show_duration(own.end - own.start)}"
              for own in sorted(longest, key=lambda gap: gap.start)]  # fmt: skip
    return ", ".join(listed) + (", …" if len(gaps) > _SHOWN_GAPS else "")


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _records(title: str, records: Sequence[AlertRecord]) -> Table:
    header = (title, "firings", "a week", "longest", "false", "false a week", "precision", "")
    return header, [
        (
            own.name,
            str(len(own.firings)),
            f"{own.a_week:.1f}",
            _longest(own.firings),
            _NONE if own.false is None else str(len(own.false)),
            _NONE if own.false_a_week is None else f"{own.false_a_week:.1f}",
            _NONE if own.precision is None else f"{own.precision:.0%}",
            own.error,
        )
        for own in records
    ]


def _longest(firings: Sequence[Episode]) -> str:
    if any(own.ended is None for own in firings):
        return "to the end"
    lengths = [(own.ended or 0.0) - (own.firing or 0.0) for own in firings]
    return show_duration(max(lengths)) if lengths else _NONE


def _incidents(found: BacktestVerdict) -> Table:
    rows = [
        (
            own.incident.name,
            shown_moment(own.incident.start),
            own.alert or _NONE,
            {"passed": "hit", "failed": "missed", "skipped": _NONE}[own.status.value],
            _delayed(own.delay),
            _delayed(own.observed),
            own.detail,
        )
        for own in found.checks
    ]
    header = ("incident", "began", "expects", "", "delay", "twin shadow", "seen")
    if not found.observer:
        return (*header[:5], header[6]), [(*row[:5], row[6]) for row in rows]
    return header, rows


def _delayed(delay: float | None) -> str:
    if delay is None:
        return _NONE
    return show_duration(delay) if delay >= 0 else f"{show_duration(-delay)} before"


def _firings(records: Sequence[AlertRecord], *, every: bool) -> Iterator[Table | str]:
    for record in records:
        shown = record.firings if every else record.firings[:_MOST_FIRINGS]
        if not shown:
            continue
        yield ""
        yield (
            (record.name, "for", "labels"),
            [
                (shown_moment(own.firing or 0.0), _longest([own]), _labels(own.labels))
                for own in shown
            ],
        )
        if more := len(record.firings) - len(shown):
            yield f"and {more} more; --all shows them"


def _labels(labels: Mapping[str, str]) -> str:
    left_out = ("alertname", "__name__")
    return ", ".join(f'{k}="{v}"' for k, v in sorted(labels.items()) if k not in left_out)


def backtest_json(found: BacktestVerdict) -> dict[str, Any]:
    """Return the report as plain values."""
    own = found.outcome
    return {
        "passed": not found.complaints,
        "complaints": found.complaints,
        "from": own.settings.start,
        "to": own.settings.end,
        "step_seconds": own.step,
        "series": own.series,
        "samples": own.samples,
        "gaps": [{"from": gap.start, "to": gap.end} for gap in own.gaps],
        "left_out": own.left_out,
        "missing": {name: list(read) for name, read in (own.missing or {}).items()},
        "slower": {f"{interval:g}": count for interval, count in (own.slower or {}).items()},
        "partial_answers": own.partial,
        "warnings": list(own.warnings),
        "notes": list(own.notes),
        "failed_rules": dict(own.errors),
        "rules": [_record_json(each) for each in found.alerts],
        "shadow": [_record_json(each) for each in found.observer],
        "incidents": [_check_json(each) for each in found.checks],
    }


def _record_json(own: AlertRecord) -> dict[str, Any]:
    return {
        "alert": own.name,
        "place": None if own.rule is None else own.rule.place,
        "error": own.error or None,
        "firings": [
            {
                "labels": dict(each.labels),
                "pending_at": each.pending,
                "firing_at": each.firing,
                "ended_at": each.ended,
                "false": None if own.false is None else each in own.false,
            }
            for each in own.firings
        ],
        "firings_a_week": round(own.a_week, 3),
        "false_alarms_a_week": None if own.false_a_week is None else round(own.false_a_week, 3),
        "precision": own.precision,
    }


def _check_json(own: IncidentCheck) -> dict[str, Any]:
    return {
        "incident": own.incident.name,
        "from": own.incident.start,
        "to": own.incident.end,
        "alert": own.alert or None,
        "status": own.status.value,
        "detail": own.detail,
        "delay_seconds": own.delay,
        "shadow_delay_seconds": own.observed,
        "others": list(own.others),
    }


def backtest_junit(found: BacktestVerdict) -> bytes:
    """Return a suite with a test case an expected alert, and one with a case a rule."""
    root = Element("testsuites", name="twin rules test")
    checks = found.checks
    suite = SubElement(
        root,
        "testsuite",
        name="incidents",
        tests=str(len(checks)),
        failures=str(len(found.missed)),
        skipped=str(sum(own.status is CheckStatus.SKIPPED for own in checks)),
    )
    for own in checks:
        case = SubElement(suite, "testcase", classname=own.incident.name, name=own.alert or "any")
        if own.status is CheckStatus.FAILED:
            SubElement(case, "failure", message=own.detail).text = own.detail
        elif own.status is CheckStatus.SKIPPED:
            SubElement(case, "skipped", message=own.detail)
    failed = found.outcome.errors
    rules = found.outcome.rules.rules
    count = str(len(failed))
    suite = SubElement(root, "testsuite", name="rules", tests=str(len(rules)), failures=count)
    for rule in rules:
        case = SubElement(suite, "testcase", classname="rules", name=rule.name, file=str(rule.file))
        case.set("line", str(rule.line))
        if rule.key in failed:
            SubElement(case, "failure", message=failed[rule.key]).text = rule.place
    return junit_bytes(root)
