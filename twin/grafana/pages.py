"""The dashboards by name: one table for links, files, the command line and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["AIR", "ALERTS", "AMD", "ARRAY", "COOLING", "ENERGY", "FOLDER", "JOB", "NETWORK",
           "NVL72", "PAGES", "PIPELINE", "RACK", "SERVER", "SERVING", "SHADOW", "SITE", "TAG",
           "DashboardPage"]  # fmt: skip

TAG = "datacenter-twin"
"""Tag of every dashboard, and only of these."""
FOLDER = "Datacenter twin"
"""The folder in Grafana."""


@dataclass(frozen=True, slots=True)
class DashboardPage:
    """One dashboard.

    Attributes:
        name: of its modules and its file.
        title: of the dashboard and of the links to it.
        description: what it shows, in one sentence.
        variables: the variables that its reader chooses by, besides data source and site.
        site_wide: whether it needs only what a site of any size exposes: roll-ups and
            the meters of the site, no single rack's devices.
        scope: how much of the site it shows, by which events are marked in its charts.
    """

    name: str
    title: str
    description: str
    variables: tuple[str, ...] = ()
    site_wide: bool = True
    scope: Literal["site", "array", "rack", "host"] = "site"

    @property
    def uid(self) -> str:
        """Identifier in addresses; never changes."""
        return f"twin-{self.name}"

    @property
    def file(self) -> str:
        """Name of the file that is built."""
        return f"{self.name}.json"


SITE = DashboardPage(
    "site", "Site",
    "The whole site at a glance: every rack, the job, what carries the load, and what is wrong.",
    ("map",),
)  # fmt: skip
ARRAY = DashboardPage(
    "array", "Arrays",
    "The racks of one array side by side, and the leaf switches that connect them.",
    ("hall", "array"), site_wide=False, scope="array",
)  # fmt: skip
RACK = DashboardPage(
    "rack", "Rack",
    "One rack: its GPUs, servers, NIC ports, pumps, power supplies and PDUs.",
    ("array", "rack"), site_wide=False, scope="rack",
)  # fmt: skip
SERVER = DashboardPage(
    "server", "Server",
    "Everything of one host and its GPUs, as dcgm-exporter, node_exporter and ipmi_exporter "
    "report it.",
    ("array", "rack", "host", "gpu"), site_wide=False, scope="host",
)  # fmt: skip
COOLING = DashboardPage(
    "cooling", "Cooling",
    "From the chillers to the cold plates: flow, heat, redundancy, leaks, and one rack in detail.",
    ("array", "rack"), site_wide=False, scope="site",
)  # fmt: skip
AIR = DashboardPage(
    "air", "Air cooling",
    "Sites cooled by air: fans, aisles, chillers, and one rack's servers.",
    ("array", "rack"), site_wide=False, scope="site",
)  # fmt: skip
NVL72 = DashboardPage(
    "nvl72", "NVLink and shelves",
    "NVL72 racks: the NVLink domain of each, its power shelves and its compute trays.",
    ("array",), site_wide=False,
)  # fmt: skip
AMD = DashboardPage(
    "amd", "AMD GPUs",
    "AMD Instinct GPUs: health, heat, power, clocks and errors, as AMD's own exporter has them.",
    ("array",), site_wide=False, scope="array",
)  # fmt: skip
NETWORK = DashboardPage(
    "network", "Network",
    "Throughput, congestion, lost links, optics and switches of the fabric.",
    ("array",), site_wide=False,
)  # fmt: skip
ENERGY = DashboardPage(
    "energy", "Energy",
    "What the load does to the grid, and what Megapacks and generators make of it.",
)  # fmt: skip
JOB = DashboardPage(
    "job", "Job",
    "The training job: steps, checkpoints, interruptions, and where its time goes.",
)  # fmt: skip
SERVING = DashboardPage(
    "serving", "Inference serving",
    "Replicas that serve models: latency, requests, tokens and key-value caches, as vLLM has them.",
    ("array",), site_wide=False, scope="array",
)  # fmt: skip
ALERTS = DashboardPage(
    "alerts", "Alerts",
    "What fires, what has fired, how soon it was seen, and which rules are noisy.",
)  # fmt: skip
PIPELINE = DashboardPage(
    "pipeline", "Pipeline",
    "The telemetry itself: frames, lag, losses, scrapes, and the emulators.",
)  # fmt: skip

SHADOW = DashboardPage(
    "shadow", "Twin and reality",
    "What sensors read beside what the observer expects, and what deviates for good.",
    ("relation",),
)  # fmt: skip

PAGES = (SITE, ARRAY, RACK, SERVER, COOLING, AIR, NVL72, AMD, NETWORK, ENERGY, JOB, SERVING, ALERTS,
         SHADOW, PIPELINE)  # fmt: skip
"""In the order of the links: from the whole to the part, then by subject."""
