"""The telemetry itself: emulators, bus, aggregator."""

from __future__ import annotations

from twin.grafana.promql import Expr
from twin.grafana.units import SECONDS
from twin.grafana.values import own

_EMULATOR = ("emulator",)
_LISTED = 50
_LAG = own("ingest_lag_seconds", suffix="_bucket").rate().sum("le")
_RENDER = own("http_scrape_duration_seconds", suffix="_bucket").rate().sum("le", "endpoint")


def _quantile(share: float, buckets: Expr) -> Expr:
    return Expr(f"histogram_quantile({share:g}, {buckets})", SECONDS)


FAULTS = own("fault_active").equals(1).max("fault", "target").during("pump-failure")
CONNECTED = own("broker_connected").saying({0: "disconnected", 1: "connected"})
FRAMES = own("frames_ingested_total").rate().sum("kind")
FRAMES_TOTAL = own("frames_ingested_total").rate().sum()
LOST = own("frames_lost_total").increase("5m").sum()
LOST_BY_KIND = own("frames_lost_total").increase("5m").sum("kind")
REFUSED = own("messages_refused_total").increase("5m").sum()
REFUSED_BY_REASON = own("messages_refused_total").increase("5m").sum("reason")
DROPPED = own("bus_messages_dropped_total").increase("5m").sum()
RESTARTS = own("unit_restarts_total").increase("1h").sum()
LAG_MEDIAN = _quantile(0.5, _LAG)
LAG_HIGH = _quantile(0.99, _LAG)
BEHIND = Expr(f"time() - {own('simulation_time_seconds')}", SECONDS)
_MISSING = own("unit_missing").max("kind", "array", "unit", "reason")
MISSING = _MISSING.top(_LISTED).during("gateway-silent")
RENDER_HIGH = _quantile(0.99, _RENDER)
RENDERED = own("http_scrape_series_total").rate().sum("endpoint")

EMULATORS_UP = own("emulator_up").sum()
EMULATORS_DOWN = Expr(f"sum({own('emulator_up')} == bool 0)")
TICKS = own("emulator_ticks_total").rate().sum(*_EMULATOR)
LATE = own("emulator_late_ticks_total").increase("5m").sum(*_EMULATOR)
PUBLISHED = own("emulator_frames_total").rate().sum(*_EMULATOR)
UNSENT = own("emulator_frames_unsent_total").increase("5m").sum(*_EMULATOR)

PARTS = own("rollup_shards").max()
PARTS_EXPECTED = own("rollup_shards_expected").max()
