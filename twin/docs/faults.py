"""The page of faults, generated from their classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from twin.alerts import PROOFS
from twin.docs.markdown import NOTICE, code, plain, table
from twin.faults import FAULTS, Fault
from twin.faults.natural import CAUSES, Cause

__all__ = ["pages"]

_INTRODUCTION = f"""{NOTICE}
# Faults

The faults that you can inject. A fault changes the conditions of the plant, never a metric: its
symptoms follow from the physics. `twin faults` prints this list, `twin inject` starts a fault on a
running twin, and `twin clear` ends it early.

"""


_HOUR = 3600.0
_NATURAL = """
## Natural failures

With `--failures natural` faults start on their own, as a Poisson process for each cause, at the
rates that Meta published for the training of Llama 3 and in proportion to the site's GPUs: one
every 3.1 h on 16,384 GPUs and one every 30 min on 100,000. `--failures natural:100` gives a hundred
times as many. The same seed gives the same failures. The fault that stands for a cause and its
duration (until the device or its spare is back) are estimates.

"""


def pages() -> Mapping[str, str]:
    """Return ``faults.md``."""
    overview = table(
        ("Fault", "What happens", "System", "Target", "Severity"),
        [
            (f"[`{kind}`](#{kind})", fault.title, fault.system, fault.target, fault.severity)
            for kind, fault in FAULTS.items()
        ],
    )
    sections = "".join(map(_section, FAULTS.values()))
    return {"faults.md": _INTRODUCTION + overview + sections + _natural()}


def _natural() -> str:
    """Return the section of the natural failures."""
    header = ("Cause", "In 54 days on 16,384 GPUs", "Simulated as", "Mean duration")
    return _NATURAL + table(header, [_cause(cause) for cause in CAUSES])


def _cause(cause: Cause) -> tuple[str, str, str, str]:
    faults = ", ".join(
        f"[`{kind}`](#{kind})" + ("" if share == 1 else f" {100 * share:.0f} %")
        for kind, share, _ in cause.faults
    )
    lasts = [_time(seconds) for *_, seconds in cause.faults]
    alike = len(set(lasts)) == 1
    return cause.name, f"{cause.count}", faults, lasts[0] if alike else ", ".join(lasts)


def _time(seconds: float) -> str:
    return f"{seconds / _HOUR:g} h" if seconds >= _HOUR else f"{seconds:g} s"


def _alerts(kind: str) -> str:
    """Return the alerts that a fault fires, or the reason why it fires none."""
    (proof,) = (proof for proof in PROOFS if proof.fault == kind)
    if not proof.fires:
        return f"**Alerts.** None: {proof.silent}"
    named = (
        f"[{alert}](runbooks/{alert}.md) within {seconds} s"
        for alert, seconds in proof.fires.items()
    )
    return f"**Alerts.** {', '.join(named)}."


def _section(fault: type[Fault]) -> str:
    parameters = fault.parameters()
    settings = "".join(f" --set {each.name}={each.default:g}" for each in parameters)
    text = f"""
## {fault.kind}

{plain(inspect.getdoc(fault) or "")}

**Symptoms.** {fault.shows}

{_alerts(fault.kind)}

It is applied to one {fault.target} for {fault.default_seconds:g} s of simulated time, or as long as
`--for` says.

```sh
twin inject {fault.kind} --target {fault.default_target}{settings}
```
"""
    if parameters:
        rows = [(code(name), f"{default:g}", meaning) for name, default, meaning in parameters]
        text += "\n" + table(("Parameter", "Default", "Meaning"), rows)
    return text
