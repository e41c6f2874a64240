"""The page of a site's YAML: every key, its default and what it means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from twin.catalog import UnitKind
from twin.described import Described
from twin.docs.markdown import NOTICE, code, plain, table
from twin.site import (
    Layout,
    Site,
    gpu_model_names,
    load_gpu_model,
    load_site,
    mix_names,
    mix_title,
    preset_names,
    shipped_profiles,
    short_model_name,
)
from twin.site.sizing import SIZED

__all__ = ["pages"]

_MODELS = "__MODELS__"
"""Where the table of GPU models stands in the introduction."""

_WORKLOADS = "__WORKLOADS__"
"""Where the table of workloads stands."""

_MIXES = "__MIXES__"
"""Where the table of mixes of jobs stands."""

_INTRODUCTION = f"""{NOTICE}
# Sites

A site is a YAML file of counts and parameters. Only `name` and `racks` (or `blocks`) must be given.
A misspelt key, a value of the wrong kind or one out of range is refused with the key and what is
allowed. `twin up --site mine.yaml` starts it, `twin sites show mine.yaml` describes it.

```yaml
name: mine
racks: 24
halls: 2
megapacks: {{count: 3}}
grid: {{limit_watts: 3e6}}
```

## Sizing

Defaults are those of a rack of eight servers of eight H100, and of sixteen such racks. What is
marked *sized* below follows, unless you give it, from what you give: the GPUs' power sizes cold
plates and power supplies, the rack's heat its coolant unit, the heat of the site chillers and air
handlers, its load the grid feed. What you give is never changed.

Megapacks and generators are never added. Where what is given does not fit (coolant for half the
heat, a feed below the load, no Megapack between the training steps and the grid),
`twin sites show mine.yaml` says which key, by how much, and which alerts of the shipped rules
follow; `twin up` and `twin emulate` say so at startup.

## An NVL72

`rack: nvl72` makes every rack of the site the one machine that GB200 and GB300 are sold as: 18
compute trays of four GPUs and two Grace CPUs, nine NVLink switch trays that make the 72 GPUs one
domain, eight power shelves on a bus of 50 V, leak detectors in every tray. What the file gives goes
before what the build gives:

```yaml
name: mine
racks: 16
rack: nvl72
gpu: gb300
```

Its trays have no supplies of their own: their power is what they take from the bus, and what the
shelves lose is the rack's. The keys of the build are [tray](#tray), [nvlink](#nvlink) and
[shelves](#shelves). Not modelled: a coolant unit for a row (each rack has its own), partitions of a
domain into several, and two builds on one site, since all racks of a site have the same servers.

## A campus

A campus is several sites that stand together, such as halls with racks of different builds. Two
ship: `campus-demo` is an array of HGX servers beside one NVL72, `campus-memphis` Colossus 1 and 2.
One command runs all sites of a campus in one process, on one broker:

```console
$ twin up --site campus-demo
```

Each site has its page, metrics and `/sd` on a port of its own, counted on from `--port`, and the
pages link each other; `--state` and `--redfish` count on likewise. One Prometheus takes both:

```yaml
scrape_configs:
  - job_name: twin
    honor_labels: true
    http_sd_configs:
      - url: http://127.0.0.1:9400/sd
      - url: http://127.0.0.1:9401/sd
```

All series have the label `site`, by which every shipped rule and dashboard tells sites apart. Rules
of yours may not: so the units of a campus are numbered through, and `by (rack)`, `by (array)` or
`by (instance)` mixes nothing. In `campus-demo` the NVL72 is `r0009`, and its array `a002`. Only the
grid feed, the chillers and the jobs have the same names on all sites.

A process of its own for each part takes a site by campus and name, with the same numbers:

```console
$ twin emulate   --broker mqtt://broker --site campus-memphis/colossus-2 --codec cbor
$ twin aggregate --broker mqtt://broker --site campus-memphis/colossus-2
```

The compose stack takes one as `SITE` and the other as `SCALE_SITE` of the profile `scale`, on the
same broker; the second has a Prometheus of its own there:

```console
$ export SITE=campus-demo/colossus-array SCALE_SITE=campus-demo/nvl72-rack
$ docker compose --profile scale up
```

A campus of your own is a file; its sites are presets, or files beside it. What a site gives of its
[numbers](#numbers) it keeps:

```yaml
name: mine
title: Hall 1 and 2
blocks:
  - {{name: Hall 1, site: ./hgx.yaml}}
  - {{name: Hall 2, site: nvl72-pod}}
```

`twin sites show campus-memphis` puts the counts beside each other, with what public sources say of
each block: the date of every figure, whether it was claimed, reported, filed or seen from above,
and how far it can be trusted.

## Power smoothing

GB300 can hold its power steady by itself; as shipped that is off, here as there. `smoothing`
switches it on:

```yaml
name: mine
racks: 8
rack: nvl72
gpu: gb300
smoothing:
  enabled: true
  in_band_level: 1
  presets: [{{floor_percent: 65, ramp_up_watts_per_second: 20}}]
```

A GPU with work on it then draws at least its floor, a share of its `smoothing_tmp_watts`, and burns
what the work leaves over; from idle its power rises no faster than the profile says, which holds a
job back at its start; once it has had no work for the profile's time, its floor falls as slowly. A
hot GPU burns nothing. In the power shelves, capacitors of 65 J a GPU lend and take what is faster
than half a second.
With `in_band_level` the host may read it, and `DCGM_FI_DEV_PWR_SMOOTHING_*` are there.
`burn_watts` is the software that some run instead, on any GPU: it ends when its job does.

[Calibration](calibration.md#power-smoothing) compares what each of them does at the meter of the
grid, and what it costs.

## A site of your own in containers

The folder `sites/` is mounted into the services that read a site, so a file there has the same path
inside and outside:

```console
$ SITE=sites/mine.yaml docker compose up
```

The Helm chart takes a file with `--set site.name=mine --set-file site.definition=mine.yaml`.

## GPU models

`gpu:` takes one of these names, or a section of its own with the keys of [gpu](#gpu).

{_MODELS}

A card without NVLink has `nvlink_bytes_per_second: 0`: it has no NVLink series, as with the real
exporter, and NVLink faults are refused.

## Jobs

One job has the whole site, unless the site says which jobs share it. The jobs take their racks in
order; each has frames, metrics and faults under its own name, and racks that no job holds are idle.
The GPUs of a job carry its name in the label `hpc_job`. An excerpt of the shipped site `shared`:

```yaml
jobs:
  - {{name: pretrain, racks: 10}}
  - name: finetune
    racks: 4
    training: {{step_seconds: 3.5, checkpoint_every_seconds: 300}}
```

## Workloads

What a job does with its GPUs is data too: `workload:` of a job, or `--workload` for the jobs that
would pre-train, takes one of these names, or one of the site's own [workloads](#workloads-1). Power
and its fluctuation are as measured ([calibration](calibration.md#workloads)); what GPUs compute and
move follows from the model and the GPU.

{_WORKLOADS}

```yaml
jobs:
  - {{name: pretrain, racks: 8}}
  - {{name: chat, racks: 6, workload: llm-serving}}
  - {{name: vision, racks: 2, workload: my-detector}}
workloads:
  - name: my-detector
    activity: [[0.01, 0.80], [0.5, 0.92], [0.99, 0.97]]
    tensor_active: 0.3
    dram_active: 0.45
    training: {{step_seconds: 0.4, eval_every_seconds: 600, eval_seconds: 20}}
```

Jobs that serve take no steps, so their `training_job_state` is `idle`. Where `jobs` names one, each
of its servers is a target of the job `vllm` with [metrics](metrics.md#inference-engine) of vLLM:
time to the first token, time between tokens, requests that run and wait, usage of the key-value
cache, tokens. They follow from the requests that also load the GPUs: by the hour, prompt by prompt
(prefill) and token by token (decode), in batches. Slower clocks lengthen both. A server that loses
a GPU ends its engines and leaves its requests to the others; it starts again with all of them. The
servers of a kind of `job_mix` with a `workload` are such targets while a job of it runs there
([jobs](jobs.md#jobs-that-serve)). A job that `--workload` makes one that serves has no such target.

## Scheduled jobs

With a scheduler, jobs come and go on the racks that no job of `jobs` holds, on single GPUs or whole
servers. They are submitted at random, in a few kinds. A job that does not fit waits or, with a
higher priority, preempts another; jobs of a failed node are requeued from their last checkpoint.
See [jobs](jobs.md). `job_mix` is a list of kinds, or one of these mixes:

__MIXES__

```yaml
scheduler: {{kind: slurm}}
job_mix:
  - {{name: train, share: 1, gpus: [16, 32], seconds: 3600, priority: 60}}
  - {{name: eval, share: 20, gpus: [1, 2, 4], seconds: 300, preemptible: true}}
```

## Shipped sites

"""


def pages() -> Mapping[str, str]:
    """Return ``sites.md``."""
    presets = [Layout(load_site(name)) for name in preset_names()]
    overview = table(
        ("Name", "What it is", "Halls", "Arrays", "Racks", "GPUs", "Megapacks", "Generators"),
        [
            (
                code(layout.site.name),
                layout.site.title,
                *(
                    f"{count:,}"
                    for count in (
                        layout.site.halls,
                        layout.site.arrays,
                        layout.site.racks,
                        layout.site.gpus,
                        layout.site.megapacks.count,
                        layout.units(UnitKind.GENSET),
                    )
                ),
            )
            for layout in presets
        ],
    )
    sections = (f"\n## {title}\n\n{text}\n\n{_fields(model)}" for title, text, model in _sections())
    introduction = (
        _INTRODUCTION.replace(_MODELS, _models())
        .replace(_WORKLOADS, _workloads())
        .replace(_MIXES, _mixes())
    )
    return {"sites.md": introduction + overview + "".join(sections)}


def _models() -> str:
    """Return the table of the shipped GPU models."""
    models = [(name, load_gpu_model(name)) for name in gpu_model_names()]
    return table(
        ("Name", "or", "Product", "Framebuffer", "Power limit", "While training", "NVLink"),
        [
            (
                code(name),
                code(short_model_name(name)) if short_model_name(name) != name else "",
                model.name,
                f"{model.framebuffer_mib:,} MiB",
                f"{model.power_limit_watts:g} W",
                f"{model.power_training_watts:g} W",
                f"{model.nvlink_bytes_per_second / 1e9:,.0f} GB/s",
            )
            for name, model in models
        ],
    )


def _mixes() -> str:
    """Return the table of the mixes of jobs that ship."""
    rows = [(code(name), *mix_title(name)) for name in mix_names()]
    return table(("Name", "What it is", "Source"), rows)


def _workloads() -> str:
    """Return the table of the workloads that ship."""
    rows = [
        (code("training"), "Pre-training of GPT-3 on all GPUs of the job", "training"),
        *((code(own.name), own.title, own.kind) for own in shipped_profiles()),
        (code("idle"), "Nothing", ""),
    ]
    return table(("Name", "What it is", "Kind"), rows)


def _sections() -> Iterator[tuple[str, str, type[Described]]]:
    """Yield the outermost keys, then every section or list of them: title, purpose, model."""
    yield "Keys of a site", "*Est.* marks an engineering estimate.", Site
    for name, field in Site.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, Described):
                yield code(name), plain(kind.__doc__ or ""), kind
                yield from _nested(name, kind)


def _nested(name: str, model: type[Described]) -> Iterator[tuple[str, str, type[Described]]]:
    """Yield the sections of a section that no section of the site is."""
    own = {field.annotation for field in Site.model_fields.values()}
    for key, field in model.model_fields.items():
        kind = _section(field)
        if kind is not None and kind not in own:
            yield code(f"{name}.{key}"), plain(kind.__doc__ or ""), kind


def _section(field: FieldInfo) -> type[Described] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Described) else None


def _fields(model: type[Described]) -> str:
    properties = model.model_json_schema()["properties"]
    descriptions = model.descriptions()
    return table(
        ("Key", "Default", "Allowed", "Meaning"),
        [
            (
                code(name),
                _default(field) + ", sized" * (name in SIZED.get(model, ())),
                _allowed(properties[name]),
                descriptions.get(name) or f"See [{name}](#{name}).",
            )
            for name, field in model.model_fields.items()
        ],
    )


def _default(field: FieldInfo) -> str:
    if _section(field):
        return code("h100-sxm") if field.is_required() else ""
    if field.is_required():
        return "*must be given*"
    value = field.default
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(f"{value:g}" if isinstance(value, float) else f"{value}") if value != () else ""


_BOUNDS = {"exclusiveMinimum": "> ", "minimum": "≥ ", "maximum": "≤ ", "pattern": "matches "}


def _allowed(schema: Mapping[str, Any]) -> str:
    kind = {"integer": "whole", "boolean": "true, false"}.get(schema.get("type", ""), "")
    kind = kind or ", ".join(map(code, schema.get("enum", ())))
    bounds = [f"{sign}{_bound(schema[word])}" for word, sign in _BOUNDS.items() if word in schema]
    return ", ".join(filter(None, [kind, *bounds]))


def _bound(bound: float | str) -> str:
    return code(bound) if isinstance(bound, str) else f"{bound:g}"
