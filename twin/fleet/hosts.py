"""Hosts of a real fleet: which of its labels name a host, and the order of their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

__all__ = ["HOST_LABELS", "NODE_LABELS", "host_of", "natural", "without_port"]

NODE_LABELS = ("node", "nodename", "kubernetes_node")
"""Labels by which service discovery says the node that a target runs on."""
HOST_LABELS = ("Hostname", "hostname", *NODE_LABELS, "instance")
"""Labels that name a host, the first that a series has; the first two are dcgm-exporter's own."""
_POD = re.compile(r"dcgm-exporter-\w+$")
"""What dcgm-exporter takes for its host without NODE_NAME: the name of its pod."""
_PORT = re.compile(r":\d+$")


def host_of(labels: Mapping[str, str], wanted: Sequence[str] = HOST_LABELS) -> str:
    """Return the host of a series, empty where no label names it."""
    for label in wanted:
        name = labels.get(label, "")
        if name and not _POD.search(name):
            return without_port(name)
    return ""


def without_port(instance: str) -> str:
    """Return the host of an ``instance``; brackets of an IPv6 address go with the port."""
    return _PORT.sub("", instance).strip("[]")


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that sorts names as a person counts: node2 before node10."""
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part)
        for part in re.findall(r"\d{1,18}|\D+", name)
    )
