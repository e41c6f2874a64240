"""Inference serving, by vLLM's own metrics."""

from __future__ import annotations

from twin.catalog import ENGINE, ENGINE_HISTOGRAMS, INFERENCE_SERVER, Level
from twin.catalog.selectors import select, up
from twin.grafana.promql import Expr
from twin.grafana.units import COUNT, SECONDS, TOKENS_A_SECOND
from twin.grafana.values import IN_ARRAY, of, rolled

__all__ = [
    "CACHE",
    "END_TO_END",
    "FINISHED",
    "FIRST_TOKEN",
    "PROMPT_TOKENS",
    "RUNNING",
    "SERVERS_DOWN",
    "SERVERS_UP",
    "TOKENS",
    "TOKEN_SECONDS",
    "WAITING",
]

_REASON = select(ENGINE["finished_stop"].metric, *IN_ARRAY)


def _quantile(share: float, histogram: str) -> Expr:
    """Return a quantile over all engines of each model."""
    metric = select(f"{ENGINE_HISTOGRAMS[histogram].metric}_bucket", *IN_ARRAY)
    buckets = f"sum by (model_name, le) (rate({metric}[2m]))"
    return Expr(f"histogram_quantile({share:g}, {buckets})", SECONDS)


def _tokens(of_what: str) -> Expr:
    name = f"inference_{of_what}_tokens_total"
    return rolled(Level.ARRAY, name, within=IN_ARRAY).rate("2m").in_unit(TOKENS_A_SECOND)


FIRST_TOKEN = {share: _quantile(share, "first_token") for share in (0.5, 0.95, 0.99)}
TOKEN_SECONDS = {share: _quantile(share, "inter_token") for share in (0.5, 0.95, 0.99)}
END_TO_END = {share: _quantile(share, "end_to_end") for share in (0.5, 0.95, 0.99)}
RUNNING = rolled(Level.ARRAY, "inference_requests_running", within=IN_ARRAY).in_unit(COUNT)
WAITING = rolled(Level.ARRAY, "inference_requests_waiting", within=IN_ARRAY).in_unit(COUNT)
CACHE = of(ENGINE, "kv_cache_usage", within=IN_ARRAY).max("model_name")
TOKENS = _tokens("generation")
PROMPT_TOKENS = _tokens("prompt")
FINISHED = Expr(f"sum by (finished_reason) (rate({_REASON}[2m]))", "reqps")
_UP = up(INFERENCE_SERVER["up_vllm"], matchers=IN_ARRAY)
SERVERS_UP = Expr(f"sum({_UP})")
SERVERS_DOWN = Expr(f"count({_UP}) - sum({_UP})")
