"""Inference serving: requests, tokens and latencies of the replicas that serve models."""

from __future__ import annotations

from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREEN, RED
from twin.grafana.panel_parts import Query
from twin.grafana.panels import numbers, timeline
from twin.grafana.promql import Expr
from twin.grafana.queries import serving as q

__all__ = ["rows"]


def _quantiles(of: dict[float, Expr]) -> list[Query]:
    return [Query(query, f"{{{{model_name}}}} p{100 * share:g}") for share, query in of.items()]


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _latency(), _load()]


def _now() -> Row:
    return "Now", [
        numbers(
            "Inference servers",
            "Servers whose engines answer, and those that are down.",
            [
                Query(q.SERVERS_UP, "up"),
                Query(q.SERVERS_DOWN, "down", steps=colors.SOME_IS_BAD),
            ],
            width=6,
            decimals=0,
        ),
        numbers(
            "Requests",
            "Requests in the engines' batches, and those that wait for room in one.",
            [Query(q.RUNNING, "in a batch"), Query(q.WAITING, "waiting")],
            width=6,
            decimals=0,
        ),
        numbers(
            "Time to the first token",
            "95th percentile of each model in the last two minutes.",
            [Query(q.FIRST_TOKEN[0.95], "{{model_name}}")],
            width=6,
            nothing="no requests",
        ),
        numbers(
            "Tokens written",
            "Tokens of answers a second.",
            [Query(q.TOKENS, "written")],
            width=6,
        ),
    ]


def _latency() -> Row:
    return "Latency", [
        timeline(
            "Time to the first token",
            "From a request's arrival to its first token: time in the queue and of its prompt.",
            _quantiles(q.FIRST_TOKEN),
            width=8,
            least=0,
        ),
        timeline(
            "Time from token to token",
            "Duration of an engine's steps: larger batches and prompts between them lengthen it.",
            _quantiles(q.TOKEN_SECONDS),
            width=8,
            least=0,
        ),
        timeline(
            "Time to the whole answer",
            "From a request's arrival to the last token of its answer.",
            _quantiles(q.END_TO_END),
            width=8,
            least=0,
        ),
    ]


def _load() -> Row:
    return "Load", [
        timeline(
            "Requests",
            "Requests in the engines' batches, and those that wait for room in one.",
            [Query(q.RUNNING, "running", GREEN), Query(q.WAITING, "waiting", RED)],
            width=6,
            least=0,
        ),
        timeline(
            "Tokens",
            "Tokens written in answers and read in prompts, a second.",
            [Query(q.TOKENS, "written", GREEN), Query(q.PROMPT_TOKENS, "read", BLUE)],
            width=6,
            least=0,
        ),
        timeline(
            "Requests that end",
            "Requests that end a second, by reason: abort means that the client gave up.",
            [Query(q.FINISHED, "{{finished_reason}}")],
            width=6,
            least=0,
            colors={"stop": GREEN, "length": BLUE, "abort": RED},
        ),
        timeline(
            "Key-value cache",
            "Usage of the fullest key-value cache of each model: a full one preempts requests.",
            [Query(q.CACHE, "{{model_name}}")],
            width=6,
            least=0,
            most=1,
        ),
    ]
