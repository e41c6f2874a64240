"""Alerts on inference serving."""

from __future__ import annotations

from functools import partial

from twin.alerts import thresholds as limit
from twin.alerts.model import Alert, Domain, Rules, Severity
from twin.catalog import ENGINE, ENGINE_HISTOGRAMS, INFERENCE_SERVER
from twin.catalog.selectors import of, select, up

__all__ = ["SERVING_RULES"]

_engine = partial(of, ENGINE)
_MODEL = "site, model_name"
_NAME = "{{ $labels.model_name }} on {{ $labels.site }}"
_FINISHED = select(ENGINE["finished_stop"].metric)


def _quantile(share: float, histogram: str) -> str:
    """Return the expression of a quantile over all engines of a model, in the last two minutes."""
    metric = ENGINE_HISTOGRAMS[histogram].metric
    return f"histogram_quantile({share}, sum by ({_MODEL}, le) (rate({metric}_bucket[2m])))"


def _sum(signal: str) -> str:
    return f"sum by ({_MODEL}) ({_engine(signal)})"


SERVING_RULES = Rules(
    Domain.SERVING,
    "Inference serving, by vLLM's own metrics.",
    (),
    (
        Alert(
            name="FirstTokenLate",
            severity=Severity.CRITICAL,
            expr=f"{_quantile(0.95, 'first_token')} > {limit.FIRST_TOKEN_LATE}",
            hold=60,
            summary=f'A request to {_NAME} waits {{{{ $value | printf "%.1f" }}}} s for its first '
            "token (95th percentile)",
            meaning="Users wait. The time to the first token is the time in the queue and that of "
            "reading the prompt: replicas are lost or slow, or too many requests come.",
            steps=(
                "Look at the queue, `vllm:num_requests_waiting`: without one, GPUs are slow.",
                "Look for replicas that are down, and for alerts on clocks and power.",
                "Add replicas, or refuse requests at the gateway.",
            ),
        ),
        Alert(
            name="TokensSlow",
            severity=Severity.WARNING,
            expr=f"{_quantile(0.95, 'inter_token')} > {limit.TOKEN_SLOW}",
            hold=120,
            summary=f'A token of {_NAME} takes {{{{ $value | printf "%.2f" }}}} s (95th '
            "percentile)",
            meaning="Answers are written slower than they are read: batches are large, prompts "
            "come between the steps, or the GPUs' clocks are low.",
            steps=(
                "Compare with `vllm:num_requests_running`: a full batch has slow steps.",
                "Look for alerts on clocks, power and heat of the servers.",
            ),
        ),
        Alert(
            name="RequestsQueueing",
            severity=Severity.WARNING,
            why="In proportion to the requests that run, so that the rule fits any number of "
            "replicas. A batch job keeps a queue on purpose: silence it by its model_name.",
            expr=f"{_sum('waiting')} > {limit.REQUESTS_QUEUEING} * {_sum('running')}",
            hold=60,
            summary=f"{{{{ $value }}}} requests to {_NAME} wait for a replica",
            meaning="The replicas' batches or their key-value caches are full, so requests wait "
            "before their prompts are read.",
            steps=(
                "Compare the rate of requests with that of yesterday: a surge, or lost capacity?",
                "Look for replicas that are down, and for slow GPUs.",
            ),
        ),
        Alert(
            name="RequestsAborted",
            severity=Severity.WARNING,
            expr=f"""
            sum by ({_MODEL}) (rate({_engine("finished_abort")}[2m]))
              / sum by ({_MODEL}) (rate({_FINISHED}[2m]))
              > {limit.REQUESTS_ABORTED}
            """,
            hold=60,
            summary=f"{{{{ $value | humanizePercentage }}}} of the requests to {_NAME} are given "
            "up",
            meaning="Clients or their gateways time out: the work on these requests is lost, and "
            "many are sent again.",
            steps=("Treat the cause of the queue; shorten it by refusing new requests.",),
        ),
        Alert(
            name="KeyValueCacheFull",
            severity=Severity.WARNING,
            expr=f"avg_over_time({_engine('kv_cache_usage')}[2m]) > {limit.CACHE_FULL}",
            hold=120,
            summary="The key-value cache of engine {{ $labels.engine }} at {{ $labels.instance }} "
            "is full",
            meaning="The engine cannot take more requests, and preempts some of those that run: "
            "their prompts are read again (`vllm:num_preemptions_total`).",
            steps=("Add replicas, shorten the greatest context, or quantize the cache.",),
        ),
        Alert(
            name="InferenceServerDown",
            severity=Severity.WARNING,
            expr=f"{up(INFERENCE_SERVER['up_vllm'])} == 0",
            hold=60,
            summary="{{ $labels.job }} at {{ $labels.instance }} in rack {{ $labels.rack }} is "
            "down",
            meaning="All replicas of the server are gone and the others have their requests. A "
            "start takes minutes: weights are loaded and graphs captured.",
            steps=(
                "Look for alerts on the server and its GPUs: vLLM ends when one of them is lost.",
                "If the hardware is healthy, read the server's log.",
            ),
        ),
    ),
)
