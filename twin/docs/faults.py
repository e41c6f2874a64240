"""The page of faults, generated from their classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from twin.alerts import PROOFS
from twin.docs.markdown import NOTICE, code, plain, table
from twin.faults import FAULTS, Fault, FaultSchedule
from twin.faults.fleets import FLEETS
from twin.faults.maintenance import WORKS, WorkKind
from twin.faults.natural import CAUSES, Cause
from twin.faults.repairs import REPAIRS, REPAIRS_SOURCE
from twin.plant.error_creep import NIC_SYMBOL_RATE, NVLINK_RATE, PCIE_RATE, SINGLE_BIT_RATE

__all__ = ["pages"]

_INTRODUCTION = f"""{NOTICE}
# Faults

The faults that you can inject. A fault changes the conditions of the plant, never a metric: its
symptoms follow from the physics. `twin faults` prints this list, `twin inject` starts a fault on a
running twin, and `twin clear` ends it early. Without `--target` a fault is applied where its
example below says, or, if the site has no such place or the fault would not show there, to the
first place that it can hit: a job that serves, a rack that air cools, a server of the scheduler.

"""


_HOUR = 3600.0
_NATURAL = """
## Natural failures

With `--failures natural` faults start on their own, as a Poisson process for each cause, at the
rates that Meta published for the training of Llama 3 and in proportion to the site's GPUs: one
every 3.1 h on 16,384 GPUs and one every 30 min on 100,000. `--failures natural:100` gives a hundred
times as many. The same seed gives the same failures. The fault that stands for a cause and its
duration (until the device or its spare is back) are estimates, unless nodes are
[repaired as measured](#repairs).

Fleets differ, so other rates have names too: `--failures rsc-1`, or `rsc-1:10` for ten times as
many. In some, a few nodes are lemons, which fail again and again. `natural@30d` is a site that is
30 days old at the start: new hardware fails more often, est. three times at first. *Of jobs alone*
are interruptions of training jobs in 1,000 days of a node that they have, beside failures of nodes:
on RSC-1 a job of 1,024 GPUs was measured to run 7.9 h, where failures of nodes alone make 28.8 h.
Of RSC-2 no such time was found.

"""
_REPAIRS = f"""
### Repairs

With `+repairs`, as in `--failures natural+repairs` or `rsc-1+repairs:10@30d`, a node comes back
when repairs like its own were measured to be done, and not after the mean durations above;
`stepfun` always does so. A server that a fault slows down is drained when that is found, after
15 min on average, and then out (`server-down`) for its repair. A scheduler tests a node for
`repair_seconds` more before jobs come back. At most {FaultSchedule.MOST} faults are in force at a
time: of a million GPUs whose repairs take their days more would be, so some failures are left out
there, and the emulator's log says so. Times are from the fault until the node is repaired
and in service again: {REPAIRS_SOURCE}.
Of the nodes of Acme, Llama 3, RSC and Delta no distribution of these times by cause was found.

"""
_PLANNED = """
## Planned maintenance

[`twin history`](history.md#planned-maintenance) takes hardware out of service by a calendar as
well: on one day of a week or of four, from Monday to Thursday, from a local hour on. Units have
their turns in an order that the seed decides, and follow each other within eight hours, as few at
a time as that allows. How often and how long is est.

"""
_CREEP = """
Correctable errors hit counters only. On healthy devices they come on their own, whatever
`--failures` says, a few times as often on a few devices; no alert fires because of them:

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
    return {"faults.md": _INTRODUCTION + overview + sections + _natural() + _planned()}


def _planned() -> str:
    """Return the section of the maintenance calendar."""
    header = ("Work", "What is done", "Each window", "From", "Every unit in", "Simulated as")
    return _PLANNED + table(header, [_work(own) for own in WORKS])


def _work(kind: WorkKind) -> tuple[str, ...]:
    faults = ", ".join(
        f"[`{own.kind}`](#{own.kind}) for {own.seconds // 60} min"
        + (f" after {own.after // 60} min" if own.after else "")
        + (" on each server" if own.servers else "")
        for own in kind.faults
    )
    weeks = kind.days // 7
    every = "one a window" if not kind.turns else f"{kind.turns * weeks} weeks"
    window = "1 week" if weeks == 1 else f"{weeks} weeks"
    return code(kind.key), kind.title, window, f"{kind.hour:.0f}:00", every, faults


def _natural() -> str:
    """Return the section of the natural failures."""
    header = ("Cause", "In 54 days on 16,384 GPUs", "Hits", "Simulated as", "Mean duration",
              "Repaired as")  # fmt: skip
    causes = table(header, [_cause(cause) for cause in CAUSES])
    return _NATURAL + _fleets() + "\n" + causes + _repairs() + _CREEP + _creep()


def _repairs() -> str:
    """Return how long nodes are out, by what is repaired."""
    named = ("Least", "10 %", "25 %", "Median", "75 %", "90 %", "Longest")
    rows = [
        (own.what, own.of, f"{own.count}", *(_hours(hours) for hours in own.quantiles))
        for own in REPAIRS.values()
    ]
    return _REPAIRS + table(("Repaired", "Of the trace", "Repairs", *named), rows)


def _hours(hours: float) -> str:
    return f"{60 * hours:.2g} min" if hours < 1 else f"{hours:.4g} h"


def _fleets() -> str:
    """Return the table of the fleets."""
    header = ("Fleet", "In 1,000 node-days", "Of jobs alone", "A job of 1,024 GPUs runs",
              "Lemons", "Their share of failures", "Source")  # fmt: skip
    rows = [
        (code(own.name), f"{own.per_1000_node_days:.3g}", f"{own.jobs_per_1000_node_days:.3g}",
         f"{own.job_hours(1024):.3g} h", f"{100 * own.lemons:.1f} %",
         f"{100 * own.lemon_failures:.0f} %", own.source)
        for own in FLEETS
    ]  # fmt: skip
    return table(header, rows)


def _creep() -> str:
    """Return the table of the correctable errors of a healthy fleet."""
    rows = [
        (title, f"{1000 * 86_400 * rate:.2g}")
        for title, rate in (
            ("GPU memory, single-bit ECC errors", SINGLE_BIT_RATE),
            ("GPU's PCIe link, replays", PCIE_RATE),
            ("GPU's NVLinks, flits with a wrong CRC", NVLINK_RATE),
            ("NIC port, symbol errors", NIC_SYMBOL_RATE),
        )
    ]
    return table(("Counter", "A day on 1,000 devices"), rows)


def _cause(cause: Cause) -> tuple[str, ...]:
    faults = ", ".join(
        f"[`{kind}`](#{kind})" + ("" if share == 1 else f" {100 * share:.0f} %")
        for kind, share, _ in cause.faults
    )
    lasts = [_time(seconds) for *_, seconds in cause.faults]
    alike = len(set(lasts)) == 1
    durations = lasts[0] if alike else ", ".join(lasts)
    return cause.name, f"{cause.count}", cause.hits, faults, durations, cause.repair


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
