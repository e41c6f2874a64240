"""Histograms of devices in both formats, as the engines of an inference server have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from tests.aggregator.twinning import TwinPair
from twin.catalog import ENGINE_HISTOGRAMS

SITE = """
name: serve
racks: 2
servers_per_rack: 1
jobs: [{name: chat, racks: 1, workload: llm-serving}]
"""
Parser = Callable[[str], Iterable[Metric]]

ENDS = ("bucket", "count", "sum")


@pytest.fixture(scope="module")
def twin() -> TwinPair:
    """A server of four engines that has served for some seconds, beside an idle one."""
    pair = TwinPair(text=SITE)
    pair.run(30)
    return pair


@pytest.mark.parametrize("parser", [plain, openmetrics])
def test_histograms_are_what_a_client_reads(twin: TwinPair, parser: Parser) -> None:
    """Both formats give each histogram once, with its type and all series of each engine."""
    page = bytes(twin.core.array(0, openmetrics=parser is openmetrics)).decode()
    found = {family.name: family for family in parser(page)}
    for own in ENGINE_HISTOGRAMS.values():
        family = found[own.metric]
        assert (family.type, family.documentation) == ("histogram", own.help)
        assert len(family.samples) == 4 * (len(own.bounds) + 3)
        labels = family.samples[0].labels
        assert (labels["engine"], labels["model_name"], labels["instance"]) == (
            "0", "meta-llama/Llama-2-70b-chat-hf", "r0001-n1:8000"
        )  # fmt: skip
        ends = [s.labels["le"] for s in family.samples if s.labels.get("le")]
        assert set(ends) == {*(str(bound) for bound in own.bounds), "+Inf"}


def test_formats_have_the_same_lines(twin: TwinPair) -> None:
    """Only the order and the comments differ."""
    pages = [bytes(twin.core.array(0, openmetrics=own)) for own in (False, True)]
    lines = [sorted(own for own in page.splitlines() if own.startswith(b"vllm:")) for page in pages]
    assert lines[0] == lines[1] != []
    assert all(b"\n\n" not in page for page in pages)


def test_the_last_bucket_is_the_count(twin: TwinPair) -> None:
    """The bucket without an end does not travel: it is what was counted."""
    for own in ENGINE_HISTOGRAMS.values():
        series = twin.scrape(f"{own.metric}_bucket", f"{own.metric}_count")
        whole = sorted(v for _, labels, v in series if labels.get("le") == "+Inf")
        assert whole == sorted(value for name, _, value in series if name.endswith("_count"))


def test_the_longest_answer_is_the_only_one(twin: TwinPair) -> None:
    """A request wants one answer, so both histograms of answers count the same."""
    pairs = [
        {
            (name.removeprefix(metric), *sorted(labels.items())): value
            for name, labels, value in twin.scrape(*(f"{metric}_{end}" for end in ENDS))
        }
        for metric in ("vllm:request_generation_tokens", "vllm:request_max_num_generation_tokens")
    ]
    assert pairs[0] == pairs[1] != {}
    assert max(pairs[0].values()) > 0.0
