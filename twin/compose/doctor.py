"""Doctor of a running stack: its containers, and the health that its services report."""

from __future__ import annotations

from collections.abc import Sequence

from twin.compose.diagnosis import (
    ServiceState,
    StackFinding,
    diagnose,
    read_alerts,
    read_readiness,
    read_targets,
)
from twin.compose.engine import Stack

__all__ = ["examine"]

_READY = """
import os, urllib.error, urllib.request as u
asked = u.Request("http://127.0.0.1:9400/readyz")
token = "/secrets/aggregator/read-token"
if os.path.exists(token):
    asked.add_header("Authorization", "Bearer " + open(token).read())
try:
    print(u.urlopen(asked, timeout=5).read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode() if error.code == 503 else f"answers with status {error.code}")
"""
_ASK = """
import base64, sys, urllib.request as u
asked = u.Request("http://prometheus:9090/api/v1/" + sys.argv[1])
login = "guest:" + open("/secrets/aggregator/read-token").read()
asked.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
print(u.urlopen(asked, timeout=5).read().decode())
"""
"""Run in the aggregator: tools in Prometheus's image take a login only as an argument."""


def examine(stack: Stack, states: Sequence[ServiceState]) -> list[StackFinding]:
    """Return all problems, containers first; none where there are no containers.

    The services are asked from inside the aggregator's container, with its login as a guest.

    Raises:
        ServiceError: the engine does not answer.
    """
    findings = diagnose(states)
    well = {own.service for own in states if own.state == "running"}
    if "aggregator" in well:
        findings += read_readiness(stack.ask("aggregator", "python", "-c", _READY))
    if {"aggregator", "prometheus"} <= well:
        for path, read in (("targets?state=active", read_targets), ("alerts", read_alerts)):
            findings += read(stack.ask("aggregator", "python", "-c", _ASK, path))
    return findings
