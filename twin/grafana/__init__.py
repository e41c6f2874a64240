"""Grafana dashboards as typed code, built into ``dashboards/*.json``.

A tool of development: it needs ``grafana-foundation-sdk`` from the dev dependencies
and nothing that runs imports it. ``python -m twin.grafana`` builds, ``--check`` only
compares. Queries, panels and dashboards are apart: a new panel is a query in
:mod:`twin.grafana.queries` and one call in its dashboard.
"""

from __future__ import annotations

import warnings

# The SDK would rather have us on the dashboard API's second version, but Grafana 12 and
# 13.0 refuse its files and 10 does not know them.
warnings.filterwarnings("ignore", message="Prefer using dashboardv2", category=DeprecationWarning)
