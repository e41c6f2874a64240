"""EC2 instance names of servers with AWS' chips."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters.site import Site

__all__ = ["ec2_labels"]

_NAMESPACE = uuid.UUID("0f0a4a52-7c56-4c0e-9e0e-6d7f1d3a2b10")
_RUNTIME_TAG = "367"
"""neuron-monitor tags a runtime with its process id; there is one a server."""
_DIGITS = 17


def ec2_labels(site: Site, host: str, array: str) -> dict[str, str]:
    """Return the labels by which neuron-monitor identifies a server, the same for the same place.

    Args:
        site: the site.
        host: name of the server.
        array: name of its array, which has a subnet of its own.
    """
    zone = site.ec2.availability_zone
    return {
        "availability_zone": zone,
        "instance_id": f"i-{_digits(site, host)}",
        "instance_name": host,
        "instance_type": site.ec2.instance_type,
        "region": zone[:-1],
        "runtime_tag": _RUNTIME_TAG,
        "subnet_id": f"subnet-{_digits(site, array)}",
    }


def _digits(site: Site, name: str) -> str:
    return uuid.uuid5(_NAMESPACE, f"{site.name}/{name}").hex[:_DIGITS]
