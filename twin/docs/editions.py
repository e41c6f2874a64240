"""Page on editions: how to choose one, and what each calls otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from twin.catalog import GPU, Signal
from twin.catalog.editions import EDITIONS, Edition
from twin.docs.markdown import NOTICE, code, table

__all__ = ["pages"]

_INTRODUCTION = f"""{NOTICE}
# Editions of an exporter

dcgm-exporter 4.9.0 renames 23 of its fields and changes the unit of eleven. Rules and dashboards
that use the old names then have no data: an alert without series never fires, and no error is
logged. The twin has each edition, so that a migration can be tested before it is done.

## Choose an edition

```console
$ twin up --exporter dcgm=4.9.0
$ twin metrics gpu --exporter dcgm=4.9.0
```

`--exporter` takes the short version or the whole tag (`dcgm=4.5.3-4.8.2`). `twin up`,
`twin emulate`, `twin aggregate`, `twin metrics`, `twin rules test` and `twin rules export` know it,
and so does a site's file:

```yaml
telemetry:
  exporters: {{dcgm: 4.9.0}}
```

A fleet in mid-migration has both at once, by array:

```console
$ twin up --exporter dcgm=4.8.2,a002=4.9.0
```

Frames on the bus are the same in every edition; only what the aggregator exposes differs. Roll-ups
and the live page do not depend on it.

## Test a migration

```console
$ twin rules compare --rules 'rules/*.yml' --exporter dcgm=4.8.2 --exporter dcgm=4.9.0
✗ XidHappened  rules/gpu.yml:15
    because DCGM_FI_DEV_XID_ERRORS is DCGM_FI_DEV_XID_ERROR
    4.8.2: detects gpu-off-bus after 5s, gpu-xid after 5s
    4.9.0: loses gpu-off-bus, gpu-xid; never evaluates to anything: …
    for 4.9.0 (proven): DCGM_FI_DEV_XID_ERROR > 0
    for both (proven): (DCGM_FI_DEV_XID_ERRORS or DCGM_FI_DEV_XID_ERROR) > 0
```

Every rule is tested on both editions with the same scenarios: which lose a fault, which begin to
fire while nothing is wrong, and why (another name, another unit, another type, another label). Then
its expression is rewritten, for the new edition and for both at once, and tested again. *Proven*
is a rewriting that does on the new edition what the rule did on the old one; the one for both also
on a fleet of which half the hosts have the new one. A rule that no scenario makes fire is rewritten
and not called proven: name scenarios that do, with `--scenarios`.

`--output DIR` writes the rewritten files, comments aside, into `DIR/4.9.0` and `DIR/both`. Labels
and annotations are rewritten with their rule. `--junit` and `--json` are for a CI server. The exit
status is 1 if a rule loses a fault or begins to fire while nothing is wrong.

What is rewritten:

- a selector is divided where it stands, so that thresholds and texts stay in the old unit;
- of a range the function's result is divided (`rate(x[5m]) / 1e6`), squared for a variance, and not
  at all for a count of changes;
- labels are renamed wherever the rule and its texts name them; with both editions, new series get
  the old label by `label_replace`, so that `by (Hostname)` and Alertmanager's routes stay;
- `{{__name__=~"…"}}` is resolved to the names that it matches;
- `absent(x)` becomes the absence of both.

Look at these yourself: a rule that compares one renamed series with a recording from another file,
names that are put together from variables of Grafana, and functions that are not linear.

The same for dashboards, exported from Grafana as JSON:

```console
$ twin dashboards compare gpus.json --exporter dcgm=4.8.2 --exporter dcgm=4.9.0 --output migrated
  ✗ panel SM clock: 8 series on 4.8.2, 0 series on 4.9.0
      because DCGM_FI_DEV_SM_CLOCK is DCGM_FI_DEV_SM_CLOCK_HERTZ (x 1000000)
      for 4.9.0 (same answer): avg by (hostname) (DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6)
```

Panels, variables and annotations are asked at the end of a scenario (`--scenario`, by default
`gpu-xid`), with everything in place of Grafana's variables. *Same answer* means the same series and
values as before. In the files that are written, legends, links, overrides and tables name the new
labels; with both editions everything keeps the old ones, and a variable of a renamed label is taken
by `query_result`.

## The shipped rules and dashboards

`twin rules test --exporter dcgm=4.9.0` tests rules on that edition; without `--rules` they are the
shipped ones, made for it. `twin rules build` writes these, and for a fleet in mid-migration rules
that hold on both:

```console
$ twin rules build --exporter dcgm=4.9.0 --output rules
$ twin rules build --exporter dcgm=4.8.2 --exporter dcgm=4.9.0 --output rules
```

`twin dashboards build` takes the same option:

```console
$ twin dashboards build --exporter dcgm=4.8.2 --exporter dcgm=4.9.0 --output migrated
```

Values keep the old unit, so that thresholds and texts stay as they are:
`DCGM_FI_DEV_SM_CLOCK < 1200` becomes `DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6 < 1200`, and with both
editions `(DCGM_FI_DEV_SM_CLOCK or DCGM_FI_DEV_SM_CLOCK_HERTZ / 1e6) < 1200`.

## A counters file of your own

`--counters FILE` takes the file that dcgm-exporter takes with `-f`, or the text of its ConfigMap:

```text
# name, type, help
DCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C).
DCGM_FI_DRIVER_VERSION, label, Driver version.
```

As with the exporter, the file replaces the list and does not add to it, and a name that the edition
does not know is an error, here with its line. A field that the exporter has and the twin does not
is said on standard error and gives no series. In a site's file the text stands in
`telemetry: {{exporters: {{dcgm_counters: …}}}}`.

A metric is called what the file says. **4.9.0 takes the old names, too, and then gives the old
units**: with [`deploy/dcgm-exporter/counters.csv`](../deploy/dcgm-exporter/counters.csv) a new
exporter shows what the old one did, but for the label `hostname`, which only a relabelling or
`--no-hostname` changes. [`counters-4.9.0.csv`](../deploy/dcgm-exporter/counters-4.9.0.csv) has the
same fields under their new names.

## XIDs, clock events, health and peers

`DCGM_EXP_XID_ERRORS_COUNT`, `DCGM_EXP_CLOCK_EVENTS_COUNT`, from 4.8.3 on their `_TOTAL`,
`DCGM_EXP_GPU_HEALTH_STATUS`, `DCGM_EXP_P2P_STATUS` and `DCGM_FI_DEV_CLOCKS_EVENT_REASONS` are off
in every edition. A counters file that lists them
switches them on here, too, for the emulator and the aggregator alike:

```text
DCGM_EXP_XID_ERRORS_COUNT, gauge, reported XIDs during last window
DCGM_EXP_XID_ERRORS_TOTAL, counter, reported XIDs
DCGM_FI_DEV_CLOCKS_EVENT_REASONS, gauge, reasons for which clocks are lowered
DCGM_EXP_GPU_HEALTH_STATUS, gauge, DCGM reported health status
DCGM_EXP_P2P_STATUS, gauge, P2P NvLink status
```

Their series come and go as the exporter's do: in the window of five minutes a GPU without an XID
has one series of 0 without the label `xid`; a total appears with the first event, and ends with the
exporter; clock events count samples, one every 30 s.

The health has eleven series a GPU, one a watch: 0 passes, 10 warns, 20 fails, and with an incident
`health_error_code` is another, so that the series is another, too. XIDs count until the exporter
restarts, those of the GPU as a whole under `health_watch="ALL"`; PCIe replays, NVLink errors,
throttling, double-bit errors and remapped rows count by what DCGM reads in the last minute, whether
or not the file lists them. `DCGM_EXP_P2P_STATUS` has a series for each other GPU of the host: 0
where NVLink reaches it, 5 after XID 74 or 79 of either. DCGM's watches of the driver's recovery
action, InfoROM, SM, PMU and MCU always pass here.

## Traps

- The NVLink rate goes by 1.024e6 and not by 1e6: DCGM divided KiB by 1,000 and called it MB.
- `DCGM_FI_DEV_GPU_UTIL_RATIO` in a counters file is a percentage from 0 to 100 with the DCGM 4.6 of
  4.8.3 and 4.8.4, where it is a second name of the old field, and a ratio from 4.9.0 on.
- An `or` of old and new names must carry the factor.
- `DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL` is a rate in every edition; up to 4.8.2 the exporter calls it
  a counter.
- The Helm chart of 4.8.2 and the GPU operator have lists of their own, without
  `DCGM_FI_DEV_FB_RESERVED` and without the driver's label.

## What each edition calls otherwise

*From* is the first edition with the new name. A new value is the old one times the factor. Rows
that are off by default in every edition are among them.

"""

_SOURCES = """
Sources: `etc/default-counters.csv` of [NVIDIA/dcgm-exporter](https://github.com/NVIDIA/dcgm-exporter)
at 691c927 (4.5.3-4.8.2), 7ad5832 (4.8.3) and 8dc9e11 (4.8.4), its release notes of 4.9.0, and
`pkg/dcgm/dcgm_fields.h` of [NVIDIA/go-dcgm](https://github.com/NVIDIA/go-dcgm) at b7fa315
(DCGM 4.6.1) and a9ee3d7 (DCGM 4.7) for names, ids and units. The help texts of 4.9.0 are ours.
"""


def pages() -> Mapping[str, str]:
    """Return ``editions.md``."""
    return {"editions.md": _INTRODUCTION + _table() + _SOURCES}


def _table() -> str:
    """Return what the editions of dcgm-exporter call each GPU signal that they differ in."""
    first, *others = EDITIONS["dcgm"]
    rows = [
        [code(before.metric), edition.version, code(after.metric), after.kind.value,
         after.unit.value, f"{after.factor:.12g}" if after.factor != 1.0 else ""]
        for signal in GPU
        for before, edition, after in _changes(signal, first, others)
    ]  # fmt: skip
    labels = [
        [code(old), edition.version, code(new), "label", "", ""]
        for before, edition in zip(EDITIONS["dcgm"], others, strict=False)
        for old, new in edition.labels.items()
        if before.labels.get(old) != new
    ]
    return table((first.version, "From", "Name", "Type", "Unit", "Factor"), [*labels, *rows])


def _changes(
    signal: Signal, first: Edition, others: Iterable[Edition]
) -> Iterator[tuple[Signal, Edition, Signal]]:
    """Yield a signal in the first edition, and each later edition that changes it."""
    before = last = first.row(signal)
    for edition in others:
        after = edition.row(signal)
        if (after.metric, after.kind, after.unit) != (last.metric, last.kind, last.unit):
            yield before, edition, after
        last = after
