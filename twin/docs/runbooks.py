"""Runbooks: a page for each alert, and an index with the thresholds and the silent faults."""

from __future__ import annotations

from collections.abc import Mapping

from twin.alerts import PROOFS, RULES, THRESHOLDS, Alert, Rules
from twin.alerts.model import fill, used
from twin.alerts.render import duration
from twin.docs.markdown import NOTICE, code, table
from twin.faults import FAULTS

__all__ = ["pages"]

_LIMITS = {threshold.name: threshold.value for threshold in THRESHOLDS}

_INTRODUCTION = f"""{NOTICE}
# Runbooks

Each alert has a page: meaning, response, and the faults of the twin that fire it. The rules are in
[deploy/prometheus/rules](../../deploy/prometheus/rules); rules and pages are generated from the
tables of `twin/alerts`. To set other thresholds or another base URL of the runbooks, generate the
rules again:

```sh
python -m twin.alerts --out rules --set gpu_hot=80 --runbooks https://wiki.example/runbooks/
```

*Proven by* names the faults of the twin that fire the alert. *Hand* marks a rule that no fault of
the twin fires; its test has handwritten series.
"""


def pages() -> Mapping[str, str]:
    """Return ``runbooks/README.md`` and a page an alert."""
    texts = {
        f"runbooks/{alert.name}.md": _page(alert, rules)
        for rules in RULES
        for alert in rules.alerts
    }
    return {"runbooks/README.md": _index(), **texts}


def proven(alert: str) -> dict[str, int]:
    """Return the faults that fire an alert, each with its longest delay in s."""
    return {proof.fault: proof.fires[alert] for proof in PROOFS if alert in proof.fires}


def _index() -> str:
    sections = "".join(f"\n## {rules.group}\n\n{rules.title}\n\n{_list(rules)}" for rules in RULES)
    return _INTRODUCTION + sections + _silent() + _thresholds()


def _list(rules: Rules) -> str:
    rows = [
        (
            f"[{alert.name}]({alert.name}.md)",
            alert.severity.value,
            duration(alert.hold),
            ", ".join(f"[`{kind}`](../faults.md#{kind})" for kind in proven(alert.name)) or "hand",
        )
        for alert in rules.alerts
    ]
    return table(("Alert", "Severity", "For", "Proven by"), rows)


def _silent() -> str:
    rows = [
        (f"[`{proof.fault}`](../faults.md#{proof.fault})", proof.silent)
        for proof in PROOFS
        if not proof.fires
    ]
    return "\n## Faults that fire no alert\n\n" + table(("Fault", "Reason"), rows)


def _thresholds() -> str:
    rows = [(code(each.name), f"{each.value:g}", each.unit, each.basis) for each in THRESHOLDS]
    return "\n## Thresholds\n\n" + table(("Threshold", "Value", "Unit", "Basis"), rows)


def _page(alert: Alert, rules: Rules) -> str:
    steps = "".join(f"{number}. {step}\n" for number, step in enumerate(alert.steps, 1))
    return f"""{NOTICE}
# {alert.name}

Severity **{alert.severity}**, domain **{rules.domain}**.

## Meaning

{alert.meaning}

## Response

{steps}
## Faults of the twin that fire it

{_shown(alert)}
## Rule

```promql
{fill(alert.expr, _LIMITS)}
```

{_when(alert)} It is in `deploy/prometheus/rules/{rules.group}.yml`.
{_limits(alert)}
[All runbooks](README.md)
"""


def _when(alert: Alert) -> str:
    if not alert.hold:
        return "It fires as soon as the expression is true."
    return f"It fires when the expression has been true for {duration(alert.hold)}."


def _shown(alert: Alert) -> str:
    faults = proven(alert.name)
    if not faults:
        return (
            "No single fault of the twin fires this alert; its test in\n"
            "`deploy/prometheus/tests` has handwritten series.\n"
        )
    return "\n".join(_fault(kind, seconds) for kind, seconds in faults.items())


def _fault(kind: str, seconds: int) -> str:
    fault = FAULTS[kind]
    return f"""[`{kind}`](../faults.md#{kind}), {fault.title}: the alert fires within {seconds} s.
{fault.shows}

```sh
twin inject {kind} --target {fault.default_target}
```
"""


def _limits(alert: Alert) -> str:
    named = used(alert)
    if not named:
        return ""
    rows = [
        (code(each.name), f"{each.value:g}", each.unit, each.basis)
        for each in THRESHOLDS
        if each.name in named
    ]
    return "\n" + table(("Threshold", "Value", "Unit", "Basis"), rows)
