"""Hosts with GPUs of a real fleet, as their series show them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twin.errors import ConfigError
from twin.fleet.hosts import host_of, natural
from twin.fleet.survey import Survey

__all__ = ["GpuHost", "gpu_hosts"]

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$")
_MOST_GPUS = 32
_MIG = "GPU_I_ID"
"""Label of dcgm-exporter's series of MIG instances."""


@dataclass(slots=True)
class GpuHost:
    """A host with GPUs.

    Attributes:
        labels: of one of its series.
        gpus: UUID by number, empty where it is not told.
        models: of its GPUs.
        metrics: that tell the edition of its exporter.
        ports: device and port of its RDMA ports.
    """

    labels: Mapping[str, str]
    gpus: dict[int, str] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    metrics: set[str] = field(default_factory=set)
    ports: set[tuple[str, str]] = field(default_factory=set)

    def model(self, host: str) -> str:
        """Return the model of its GPUs.

        Raises:
            ConfigError: they have several.
        """
        if len(self.models) > 1:
            raise ConfigError(
                f"host {host!r} has GPUs of {' and '.join(sorted(self.models))[:200]}; a server "
                "has one model, and the twin has no other"
            )
        return next(iter(self.models))


def gpu_hosts(survey: Survey, host_labels: Sequence[str], guesses: list[str]) -> dict[str, GpuHost]:
    """Return the hosts that have GPUs, by name.

    Args:
        survey: of the fleet.
        host_labels: labels that name a host, the first that a series has.
        guesses: takes sentences of what was assumed.

    Raises:
        ConfigError: a series names no host, or one that cannot be a host.
    """
    found: dict[str, GpuHost] = {}
    twice = mig = 0
    for labels in survey.gpus:
        host, gpu = _place(labels, host_labels)
        own = found.setdefault(host, GpuHost(labels))
        if labels.get(_MIG):
            mig += 1
        elif gpu in own.gpus:
            twice += 1
        own.gpus.setdefault(gpu, labels.get("UUID", ""))
        own.models.add(labels.get("modelName", ""))
    uuids = Counter(uuid for own in found.values() for uuid in own.gpus.values() if uuid)
    moved = sum(count > 1 for count in uuids.values())
    for count, told in (
        (twice, "series of GPUs come a second time, from duplicate targets; one of each counts"),
        (moved, "UUIDs are seen at two places; each place is taken as a GPU"),
        (mig, "series are of MIG instances; a GPU counts as a whole"),
    ):
        if count:
            guesses.append(f"{count} {told}")
    for labels in survey.telling:
        if (host := host_of(labels, host_labels)) in found:
            found[host].metrics.add(labels.get("__name__", ""))
    _add_ports(survey, host_labels, found)
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def _place(labels: Mapping[str, str], host_labels: Sequence[str]) -> tuple[str, int]:
    """Return the host of a GPU and its number there.

    Raises:
        ConfigError: it has none, or one that cannot be.
    """
    host, gpu = host_of(labels, host_labels), labels.get("gpu", "")
    if not _NAME.match(host):
        raise ConfigError(
            f"no label of a GPU's series names its host ({', '.join(host_labels)}), or it is "
            f"no host name: {host[:70]!r}; name the label by --host-label"
        )
    if not gpu.isdecimal() or int(gpu[:6]) >= _MOST_GPUS:
        raise ConfigError(
            f"GPU {gpu[:20]!r} of host {host!r} is not a number below {_MOST_GPUS}; its label "
            "gpu must be dcgm-exporter's own"
        )
    return host, int(gpu)


def _add_ports(survey: Survey, host_labels: Sequence[str], hosts: Mapping[str, GpuHost]) -> None:
    """Give the hosts their RDMA ports; an instance may be an address that node_exporter names."""
    named = {
        labels.get("instance", ""): labels.get("nodename", "")
        for labels in survey.nodes
        if labels.get("nodename") in hosts
    }
    for labels in survey.ports:
        host = host_of(labels, host_labels)
        if host not in hosts:
            host = named.get(labels.get("instance", ""), "")
        if host in hosts:
            hosts[host].ports.add((labels.get("device", ""), labels.get("port", "")))
