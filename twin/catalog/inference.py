"""Inference servers, as vLLM shows itself on ``/metrics``.

Names, types, help and buckets follow ``vllm/v1/metrics/loggers.py`` of vLLM 0.30. A server of
the twin runs one API server, with data parallelism over the replicas on its GPUs: each is an
engine, and the label ``engine`` tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.device import DeviceClass
from twin.catalog.model import UP, UP_CODES, Exporter, MetricType, Signal, Unit
from twin.catalog.place import SERVERS, Place, UnitKind
from twin.catalog.rollup import Operation, Rollup

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site, WorkloadParameters

__all__ = [
    "ENGINE",
    "ENGINE_HISTOGRAMS",
    "FINISHED_REASONS",
    "INFERENCE_SERVER",
    "BucketedMetric",
    "engines_of",
    "served_by",
]

_SOURCE = "vLLM v1/metrics/loggers.py"


def served_by(site: Site, job: str | None) -> WorkloadParameters | None:
    """Return the workload that a job serves; None where it serves none.

    Args:
        site: whose job it is.
        job: of the site file; None for what the scheduler's jobs serve.
    """
    scheduled = site.job_mix if job is None else ()
    names = (own.workload for own in site.jobs if own.name == job)
    name = next((own.workload for own in scheduled if own.workload is not None), next(names, None))
    return next((own for own in site.workloads if own.name == name and own.kind == "serving"), None)


def engines_of(site: Site, workload: WorkloadParameters | None) -> int:
    """Return how many engines a server has that serves a workload: replicas on its GPUs."""
    if workload is None:
        return 0
    return max(1, site.server.gpus // workload.serving.tensor_parallel)


def _most_engines(site: Site) -> int:
    return max(engines_of(site, served_by(site, job)) for job in (None, *site.job_names))


def _identify(place: Place) -> tuple[str, ...]:
    workload = served_by(place.site, place.names.rack(place.unit).job)
    return str(place.slot), "" if workload is None else workload.serving.model_name


_ENGINE = Exporter("vllm", "vllm", 8000, ("engine", "model_name"), _SOURCE, _identify)
_TARGET = Exporter("vllm_target", "vllm", 8000, (), "Prometheus")

FINISHED_REASONS = ("stop", "length", "abort")
"""Why a request ended: by itself, at the longest answer allowed, because its client left."""


@dataclass(frozen=True, slots=True)
class BucketedMetric:
    """A histogram of an engine: its series are signals of their own, by bucket, count and sum.

    Attributes:
        name: its signals are called after it.
        metric: metric name, without the suffixes of its series.
        help: help text as exposed.
        bounds: upper ends of the buckets, without infinity.
        unit: of what is observed.
    """

    name: str
    metric: str
    help: str
    bounds: tuple[float, ...]
    unit: Unit = Unit.SECONDS

    @property
    def buckets(self) -> tuple[str, ...]:
        """Names of the signals of its buckets that travel, in order of their bounds."""
        return tuple(f"{self.name}_{number}" for number in range(len(self.bounds)))

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Its signals; the bucket without an end holds as many as were counted."""
        row = partial(Signal, family=_ENGINE, kind=MetricType.HISTOGRAM, help=self.help)
        count = f"{self.name}_count"
        bucket = partial(row, metric=f"{self.metric}_bucket", unit=Unit.NONE)
        return (
            *(
                bucket(name=name, labels=(("le", str(float(bound))),))
                for name, bound in zip(self.buckets, self.bounds, strict=True)
            ),
            bucket(name=f"{self.name}_all", labels=(("le", "+Inf"),), sum_of=(count,)),
            row(name=count, metric=f"{self.metric}_count", unit=Unit.NONE),
            row(name=f"{self.name}_sum", metric=f"{self.metric}_sum", unit=self.unit, decimals=3),
        )


_FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
                7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0)  # fmt: skip
_PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5,
              10.0, 20.0, 40.0, 80.0)  # fmt: skip
_LATENCY = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
            120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0)  # fmt: skip
_TOKENS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
"""Those of a model whose requests have at most 4,096 tokens."""

ENGINE_HISTOGRAMS: Mapping[str, BucketedMetric] = {
    own.name: own
    for own in (
        BucketedMetric("first_token", "vllm:time_to_first_token_seconds",
                       "Histogram of time to first token in seconds.", _FIRST_TOKEN),
        BucketedMetric("inter_token", "vllm:inter_token_latency_seconds",
                       "Histogram of inter-token latency in seconds.", _PER_TOKEN),
        BucketedMetric("per_output_token", "vllm:request_time_per_output_token_seconds",
                       "Histogram of time_per_output_token_seconds per request.", _PER_TOKEN),
        BucketedMetric("end_to_end", "vllm:e2e_request_latency_seconds",
                       "Histogram of e2e request latency in seconds.", _LATENCY),
        BucketedMetric("queue_time", "vllm:request_queue_time_seconds",
                       "Histogram of time spent in WAITING phase for request.", _LATENCY),
        BucketedMetric("inference_time", "vllm:request_inference_time_seconds",
                       "Histogram of time spent in RUNNING phase for request.", _LATENCY),
        BucketedMetric("prefill_time", "vllm:request_prefill_time_seconds",
                       "Histogram of time spent in PREFILL phase for request.", _LATENCY),
        BucketedMetric("decode_time", "vllm:request_decode_time_seconds",
                       "Histogram of time spent in DECODE phase for request.", _LATENCY),
        BucketedMetric("prompt_length", "vllm:request_prompt_tokens",
                       "Number of prefill tokens processed.", _TOKENS, Unit.NONE),
        BucketedMetric("answer_length", "vllm:request_generation_tokens",
                       "Number of generation tokens processed.", _TOKENS, Unit.NONE),
    )
}  # fmt: skip
"""Histograms of an engine by name."""


def _repeated(own: BucketedMetric, name: str, metric: str, text: str) -> Iterator[Signal]:
    """Yield the signals of a histogram whose observations are another's."""
    for signal in own.signals:
        yield replace(
            signal,
            name=signal.name.replace(own.name, name),
            metric=signal.metric.replace(own.metric, metric),
            help=text,
            sum_of=signal.sum_of or (signal.name,),
        )


_gauge = partial(Signal, family=_ENGINE, kind=MetricType.GAUGE)
_counter = partial(Signal, family=_ENGINE, kind=MetricType.COUNTER, unit=Unit.NONE)

_ROLLUPS = (
    Rollup("inference_requests_running", "running", Operation.SUM, Unit.NONE,
           "Requests that the engines of the {level} execute."),
    Rollup("inference_requests_waiting", "waiting", Operation.SUM, Unit.NONE,
           "Requests that wait for an engine of the {level}."),
    Rollup("inference_kv_cache_usage_max_ratio", "kv_cache_usage", Operation.MAX, Unit.RATIO,
           "Usage of the fullest key-value cache of the {level}."),
    Rollup("inference_prompt_tokens_total", "prompt_tokens", Operation.TOTAL, Unit.NONE,
           "Prompt tokens that the engines of the {level} read since the aggregator began."),
    Rollup("inference_generation_tokens_total", "generation_tokens", Operation.TOTAL, Unit.NONE,
           "Tokens that the engines of the {level} wrote since the aggregator began."),
)  # fmt: skip

ENGINE = DeviceClass(
    name="engine",
    frame=UnitKind.RACK,
    title="inference engine",
    rollups=_ROLLUPS,
    hosts=SERVERS,
    per_host=_most_engines,
    signals=(
        _gauge("running", "vllm:num_requests_running", unit=Unit.NONE,
               help="Number of requests in model execution batches."),
        _gauge("waiting", "vllm:num_requests_waiting", unit=Unit.NONE,
               help="Number of requests waiting to be processed."),
        _gauge("kv_cache_usage", "vllm:kv_cache_usage_perc", unit=Unit.RATIO, decimals=4, high=1.0,
               help="KV-cache usage. 1 means 100 percent usage."),
        _counter("prefix_queries", "vllm:prefix_cache_queries_total",
                 help="Prefix cache queries, in terms of number of queried tokens."),
        _counter("prefix_hits", "vllm:prefix_cache_hits_total",
                 help="Prefix cache hits, in terms of number of cached tokens."),
        _counter("preemptions", "vllm:num_preemptions_total",
                 help="Cumulative number of preemption from the engine."),
        _counter("prompt_tokens", "vllm:prompt_tokens_total",
                 help="Number of prefill tokens processed."),
        _counter("generation_tokens", "vllm:generation_tokens_total",
                 help="Number of generation tokens processed."),
        *(
            _counter(f"finished_{reason}", "vllm:request_success_total",
                     help="Count of successfully processed requests.",
                     labels=(("finished_reason", reason),))
            for reason in FINISHED_REASONS
        ),
        *(signal for own in ENGINE_HISTOGRAMS.values() for signal in own.signals),
        # A request of the twin wants one answer, so the longest of its answers is this one.
        *_repeated(ENGINE_HISTOGRAMS["answer_length"], "longest_answer",
                   "vllm:request_max_num_generation_tokens",
                   "Histogram of maximum number of requested generation tokens."),
    ),
)  # fmt: skip

INFERENCE_SERVER = DeviceClass(
    name="inference_server",
    frame=UnitKind.RACK,
    title="inference server",
    hosts=SERVERS,
    per_host=lambda site: min(1, _most_engines(site)),
    signals=(
        Signal("up_vllm", UP, _TARGET, MetricType.GAUGE, Unit.NONE,
               "1 if the target's last scrape succeeded, 0 otherwise.", high=1,
               codes=UP_CODES),
    ),
)  # fmt: skip
