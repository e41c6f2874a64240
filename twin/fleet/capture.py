"""Capture of a real fleet: its site file, with what was guessed and what is missing.

No I/O: a survey in, the values of a site file out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import yaml

from twin.catalog import DEVICES, GPU, UnitKind
from twin.catalog.editions import EDITIONS, Edition
from twin.catalog.real_exporters import exporter_of
from twin.errors import ConfigError
from twin.fleet.gpu_hosts import GpuHost, gpu_hosts
from twin.fleet.hosts import HOST_LABELS, without_port
from twin.fleet.racks import FleetRacks, RackPlace, place_racks
from twin.fleet.recognise import all_gpu_metrics, edition_of, metric_in
from twin.fleet.survey import Survey
from twin.parameters import Section, ServerParameters, Site, TelemetryParameters
from twin.site import gpu_model_names, load_gpu_model, parse_site

__all__ = ["CaptureRow", "CapturedSite", "capture"]

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
_MOST_HOSTS, _MOST_NICS = 64, 64
_WORD = re.compile(r"\b(GB200|B200|H200|H100)\b")
_DEFAULT_INTERVAL = 15.0
_BESIDE = ("node-exporter", "ipmi-exporter", "kube-state-metrics", "slurm", "transceiver-exporter")
"""Exporters that a fleet usually has beside dcgm-exporter."""


@dataclass(frozen=True, slots=True)
class CaptureRow:
    """A row of what was found.

    Attributes:
        what: kind of thing.
        value: what there is of it.
        how: what told it.
    """

    what: str
    value: str
    how: str


@dataclass(frozen=True, slots=True)
class CapturedSite:
    """A site as it was found.

    Attributes:
        site: valid, as the text describes it.
        text: of the site file.
        found: rows for people.
        guesses: what was assumed and why, in sentences.
        missing: what a site has and this Prometheus does not say, in sentences.
    """

    site: Site
    text: str
    found: tuple[CaptureRow, ...]
    guesses: tuple[str, ...]
    missing: tuple[str, ...]


def capture(
    survey: Survey,
    name: str,
    *,
    table: Mapping[str, RackPlace] | None = None,
    rack_label: str = "rack",
    array_label: str = "array",
    host_labels: Sequence[str] = HOST_LABELS,
) -> CapturedSite:
    """Return the site that a survey describes.

    Args:
        survey: of its Prometheus.
        name: of the site.
        table: where hosts stand, by the user; None without one.
        rack_label: label of a host's rack.
        array_label: label of its array.
        host_labels: labels that name a host, the first that a series has.

    Raises:
        ConfigError: the fleet cannot be a site.
    """
    if not _NAME.match(name):
        raise ConfigError(
            f"--name {name[:70]!r} cannot name a site; use small letters, digits and hyphens"
        )
    guesses: list[str] = []
    hosts = gpu_hosts(survey, host_labels, guesses)
    places = {
        host: RackPlace(own.labels[rack_label], own.labels.get(array_label, ""))
        for host, own in hosts.items()
        if own.labels.get(rack_label)
    }
    models = {host: own.model(host) for host, own in hosts.items()}
    racks = place_racks(tuple(hosts), table, places, models)
    guesses += racks.guesses
    values, editions = _values(survey, name, hosts, racks, models, guesses)
    text = _text(values)
    return CapturedSite(
        site=parse_site(text, name),
        text=text,
        found=tuple(_found(survey, hosts, racks, models, editions)),
        guesses=tuple(guesses),
        missing=tuple(_missing(survey, hosts, racks)),
    )


# -- the site file ----------------------------------------------------------------


def _values(
    survey: Survey,
    name: str,
    hosts: Mapping[str, GpuHost],
    racks: FleetRacks,
    models: Mapping[str, str],
    guesses: list[str],
) -> tuple[dict[str, Any], list[Edition]]:
    """Return the values of the site file, and the edition of each array."""
    largest = max(range(len(racks.hosts)), key=lambda rack: len(racks.hosts[rack]))
    servers = len(racks.hosts[largest])
    if servers > _MOST_HOSTS:
        raise ConfigError(
            f"rack {racks.names[largest]!r} has {servers} hosts, and a rack has at most "
            f"{_MOST_HOSTS}; divide it by --racks FILE"
        )
    per_host = max(max(own.gpus) for own in hosts.values()) + 1
    ports = max(len(own.ports) for own in hosts.values())
    drivers = Counter(_driver(own.labels) for own in hosts.values())
    server = {
        **_differing(ServerParameters, "gpus", per_host),
        **_differing(ServerParameters, "nics", ports if 0 < ports <= _MOST_NICS else None),
        **_differing(ServerParameters, "driver_version", drivers.most_common(1)[0][0] or None),
    }
    blocks = [
        {"racks": len(list(same)), "gpu": _gpu(model, guesses)}
        for model, same in groupby(models[own[0]] for own in racks.hosts)
    ]
    editions, versions = _editions(hosts, racks, guesses)
    interval = survey.interval
    if interval is None:
        guesses.append(
            f"there are too few samples to tell the scrape interval, so {_DEFAULT_INTERVAL:g} s "
            "is taken"
        )
    interval = interval or _DEFAULT_INTERVAL
    telemetry = _differing(TelemetryParameters, "interval_seconds", interval)
    if versions != EDITIONS["dcgm"][0].version:
        telemetry["exporters"] = {"dcgm": versions}
    if label := _host_label(hosts, editions):
        telemetry["hostname_label"] = label
    if not any(_extra_seen(survey)):
        telemetry["extra_signals"] = False
    return {
        "name": name,
        **({"racks": len(racks.names)} if len(blocks) == 1 else {"blocks": blocks}),
        **_differing(Site, "racks_per_array", racks.racks_per_array),
        **_differing(Site, "servers_per_rack", servers),
        **({"gpu": blocks[0]["gpu"]} if len(blocks) == 1 else {}),
        **({"server": server} if server else {}),
        **({"telemetry": telemetry} if telemetry else {}),
        "measured": [
            {
                "rack": index + 1,
                **({} if rack == UnitKind.RACK.pattern.format(index + 1) else {"name": rack}),
                "hosts": list(own),
            }
            for index, (rack, own) in enumerate(zip(racks.names, racks.hosts, strict=True))
        ],
    }, editions


def _differing(section: type[Section], key: str, value: object) -> dict[str, Any]:
    """Return an entry of the site file where it is known and differs from the default."""
    return {} if value in (None, section.model_fields[key].default) else {key: value}


def _driver(labels: Mapping[str, str]) -> str:
    names = [name for own in EDITIONS["dcgm"] for name in own.drivers]
    return next((labels[name] for name in names if labels.get(name)), "")


def _gpu(model: str, guesses: list[str]) -> Any:
    """Return what a site file says of a GPU model: the name of a shipped one, or a section."""
    shipped = {key: load_gpu_model(key) for key in gpu_model_names()}
    for key, own in shipped.items():
        if own.name == model:
            return key
    word = _WORD.search(model)
    like = next((key for key in shipped if word and key.startswith(word[0].lower())), "h100-sxm")
    guess = (
        f"the twin does not know the GPU {model!r}, so its parameters are those of {like}; "
        "correct them in the site file"
    )
    if guess not in guesses:
        guesses.append(guess)
    section = shipped[like].model_dump(exclude_defaults=True)
    slug = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:60] or "unknown"
    return {**section, "key": slug, "name": model}


def _editions(
    hosts: Mapping[str, GpuHost], racks: FleetRacks, guesses: list[str]
) -> tuple[list[Edition], str]:
    """Return the edition of each array, and the words of the site file for all."""
    told = {host: edition_of(own.metrics, own.labels) for host, own in hosts.items()}
    said = dict.fromkeys(guess for _, guess in told.values() if guess)
    guesses.extend(f"edition of dcgm-exporter: {guess}" for guess in said)
    chosen: list[Edition] = []
    for first in range(0, len(racks.hosts), racks.racks_per_array):
        part = racks.hosts[first : first + racks.racks_per_array]
        counted = Counter(told[host][0] for own in part for host in own)
        edition, most = counted.most_common(1)[0]
        if most < (total := counted.total()):
            guesses.append(
                f"array a{len(chosen) + 1:03d} has hosts of several editions of dcgm-exporter; "
                f"{edition.version}, of {most} of {total} hosts, is taken for all of it"
            )
        chosen.append(edition)
    main = Counter(chosen).most_common(1)[0][0]
    words = [main.version]
    for edition, same in groupby(enumerate(chosen, 1), key=lambda item: item[1]):
        numbers = [number for number, _ in same]
        if edition is not main:
            last = f"-a{numbers[-1]:03d}" if len(numbers) > 1 else ""
            words.append(f"a{numbers[0]:03d}{last}={edition.version}")
    return chosen, ", ".join(words)


def _host_label(hosts: Mapping[str, GpuHost], editions: Sequence[Edition]) -> str | None:
    """Return dcgm-exporter's host label where it is not that of the editions."""
    own = {edition.labels.get("Hostname", "Hostname") for edition in editions}
    labels = [host.labels for host in hosts.values()]
    for name in ("Hostname", "hostname"):
        if own != {name} and all(name in each for each in labels):
            return name
    return None


def _extra_seen(survey: Survey) -> Iterator[bool]:
    for edition in EDITIONS["dcgm"]:
        for signal in GPU:
            if signal.extra:
                yield metric_in(edition, signal.name) in survey.names


def _text(values: Mapping[str, Any]) -> str:
    """Return the site file; its lists of hosts on a line each."""
    measured = values["measured"]
    head = {key: value for key, value in values.items() if key != "measured"}
    lines = [
        "  - " + yaml.safe_dump(own, default_flow_style=True, sort_keys=False, width=10**9).strip()
        for own in measured
    ]
    body = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return body + "measured:\n" + "\n".join(lines) + "\n"


# -- for people -------------------------------------------------------------------


def _found(
    survey: Survey,
    hosts: Mapping[str, GpuHost],
    racks: FleetRacks,
    models: Mapping[str, str],
    editions: Sequence[Edition],
) -> Iterator[CaptureRow]:
    gpus = Counter[str]()
    for host, own in hosts.items():
        gpus[models[host]] += len(own.gpus)
    yield CaptureRow("hosts with GPUs", f"{len(hosts):,}", "labels of dcgm-exporter")
    for model, count in gpus.most_common():
        yield CaptureRow("GPUs", f"{count:,} x {model or 'unknown'}", "modelName")
    uuids = {uuid for own in hosts.values() for uuid in own.gpus.values() if uuid}
    yield CaptureRow("UUIDs", f"{len(uuids):,}", "UUID")
    yield CaptureRow("racks", f"{len(racks.names):,}", racks.how)
    arrays = len(racks.arrays) or len(editions)
    yield CaptureRow("arrays", f"{arrays:,}", "by label" if racks.arrays else "counted off")
    for edition, count in Counter(editions).items():
        where = "" if count == len(editions) else f" in {count:,} of {len(editions):,} arrays"
        yield CaptureRow("dcgm-exporter", f"{edition.version}{where}", "names and labels")
    for job, (count, down) in sorted(survey.targets.items()):
        state = f", {down:,} down" if down else ""
        yield CaptureRow("targets", f"{count:,} of job {job}{state}", "up")
    for exporter, count in _exporters(survey).most_common():
        yield CaptureRow("metrics", f"{count:,} of {exporter}", "names")
    if survey.interval is not None:
        yield CaptureRow("scrape interval", f"{survey.interval:g} s", "samples of a GPU")


def _exporters(survey: Survey) -> Counter[str]:
    """Return how many metrics there are of each exporter that is known."""
    own = {signal.metric: signal.family.job for device in DEVICES for signal in device}
    own |= {family.metric: family.group.exporter.job for d in DEVICES for family in d.derived}
    own |= dict.fromkeys(all_gpu_metrics(), GPU.signals[0].family.job)
    jobs = (own.get(name) or exporter_of(name) for name in survey.names)
    return Counter(job for job in jobs if job)


def _missing(survey: Survey, hosts: Mapping[str, GpuHost], racks: FleetRacks) -> Iterator[str]:
    exporters = _exporters(survey)
    for exporter in _BESIDE:
        if not exporters[exporter]:
            yield f"no metric of {exporter}"
    named = {without_port(labels.get("nodename", "")) for labels in survey.nodes}
    if survey.nodes and (absent := [host for host in hosts if host not in named]):
        yield f"{len(absent):,} hosts with GPUs have no node_exporter, the first is {absent[0]}"
    if other := named - set(hosts) - {""}:
        yield f"{len(other):,} hosts have no GPUs and are left out, for example {min(other)}"
    most = max(len(own.gpus) for own in hosts.values())
    if few := [host for host, own in hosts.items() if len(own.gpus) < most]:
        yield f"{len(few):,} hosts have fewer than {most} GPUs, the first is {few[0]}"
    size = max(map(len, racks.hosts))
    if short := sum(len(own) < size for own in racks.hosts):
        yield f"{short:,} racks have fewer than {size} hosts"
    yield "power, cooling, switches and storage: their parameters are sized from the GPUs"
