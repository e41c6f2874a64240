"""Panel types that all dashboards share: one look, each with a unit and a text.

Every function takes the panel's title, a sentence or two on how to read it, its queries
and its place: ``width`` in grid columns, of which 24 make a row, ``height`` in grid rows.
The unit is that of the first query unless it is given.
"""

from __future__ import annotations

from twin.grafana.panels.bars import bars
from twin.grafana.panels.cells import cells, rack_map
from twin.grafana.panels.density import density
from twin.grafana.panels.history import history
from twin.grafana.panels.listing import listing
from twin.grafana.panels.numbers import numbers
from twin.grafana.panels.timeline import states, timeline

__all__ = [
    "bars",
    "cells",
    "density",
    "history",
    "listing",
    "numbers",
    "rack_map",
    "states",
    "timeline",
]
