"""The runbooks: a page an alert, and an index with the thresholds and the silent faults."""

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

One page an alert: what it means, what to do, and how the twin shows it. The rules themselves are in
[deploy/prometheus/rules](../../deploy/prometheus/rules); both are made from the tables of
`twin/alerts`. For other limits, or for runbooks that are served elsewhere, make them anew:

```sh
python -m twin.alerts --out rules --set gpu_hot=80 --runbooks https://wiki.example/runbooks/
```

*Proven by* names the faults of the twin that fire the alert; *hand* is a rule whose test has
series written by hand, because no fault of the twin is behind it.
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
    """Return the faults that fire an alert, with the seconds within which they do."""
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
    return "\n## Faults that fire nothing\n\n" + table(("Fault", "Because"), rows)


def _thresholds() -> str:
    rows = [(code(each.name), f"{each.value:g}", each.unit, each.basis) for each in THRESHOLDS]
    return "\n## Thresholds\n\n" + table(("Threshold", "Value", "Unit", "Basis"), rows)


def _page(alert: Alert, rules: Rules) -> str:
    steps = "".join(f"{number}. {step}\n" for number, step in enumerate(alert.steps, 1))
    return f"""{NOTICE}
# {alert.name}

Severity **{alert.severity}**, domain **{rules.domain}**.

## What it means

{alert.meaning}

## What to do

{steps}
## What the twin shows

{_shown(alert)}
## The rule

```promql
{fill(alert.expr, _LIMITS)}
```

{_when(alert)} It is in `deploy/prometheus/rules/{rules.group}.yml`.
{_limits(alert)}
[All runbooks](README.md)
"""


def _when(alert: Alert) -> str:
    if not alert.hold:
        return "It fires as soon as this is true."
    return f"It fires when this is true for {duration(alert.hold)}."


def _shown(alert: Alert) -> str:
    faults = proven(alert.name)
    if not faults:
        return (
            "No single fault of the twin is behind this alert; its test in\n"
            "`deploy/prometheus/tests` has series that were written by hand.\n"
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
