"""Jobs of a real fleet, by the labels of its GPUs' series."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from tests.every import every
from tests.fleet.conftest import Series, Show, answer, scraped
from twin.cli import app
from twin.errors import ConfigError
from twin.fleet.fleet_jobs import GpuHolder, holder_of
from twin.fleet.gateway_core import GatewayCore
from twin.wire import Codec, RackJobs, decode_message

_HOLDERS: tuple[tuple[dict[str, str], tuple[int, str] | None], ...] = (
    ({"hpc_job": "4711"}, (4711, "4711")),
    ({"hpc_job": "4711_3"}, None),
    ({"hpc_job": "9" * 30}, None),
    ({}, None),
    ({"pod": "dcgm-exporter-x7k2p", "namespace": "monitoring"}, None),
    ({"pod": "llama-worker-12", "namespace": "ml", "container": "main"}, (0, "llama")),
    ({"exported_pod": "llama-3-x7k2p", "exported_namespace": "ml",
      "exported_container": "main"}, (0, "llama")),
)  # fmt: skip


@every("labels, expected", _HOLDERS, lambda labels, _: str(labels))
def test_labels_name_what_has_a_gpu(
    labels: dict[str, str], expected: tuple[int, str] | None
) -> None:
    """A job's number or a pod's job is read; the exporter's own pod has no container and none."""
    found = holder_of(labels)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.name == expected[1]
    if expected[0]:
        assert found == GpuHolder(*expected)
    else:
        assert found.job == holder_of(dict(_HOLDERS[-1][0])).job  # type: ignore[union-attr]  # named
        assert found.namespace == "ml"


def _with_jobs(series: Series, jobs: dict[str, str], later: float = 0.0) -> Series:
    """Return series of GPUs with the job of their rack, as dcgm-exporter labels them."""
    return [
        ({**own, "hpc_job": jobs[own["rack"]]} if "gpu" in own and own["rack"] in jobs else own,
         time + later, value)
        for own, time, value in series
    ]  # fmt: skip


def _told(core: GatewayCore, series: Series) -> dict[str, list[tuple[int, int, tuple[int, ...]]]]:
    core.take(answer(series))
    core.frames_due()
    messages = [own for own in core.metadata() if "/jobs/" in own.topic]
    assert all(own.retain for own in messages)
    found = [decode_message(RackJobs, own.payload) for own in messages]
    return {
        own.rack: [(each.job, each.server, tuple(each.gpus)) for each in own.allocations]
        for own in found
    }


def test_gateway_tells_which_job_has_which_gpu(shown: Show) -> None:
    """A rack is told when its jobs change, also once they end; without --jobs nothing is."""
    layout, first = shown()
    series = scraped(first)
    core = GatewayCore(layout, "gateway-0", Codec.JSON, jobs=True)
    whole = [(17, 0, (0, 1)), (17, 1, (0, 1))]
    told = _told(core, _with_jobs(series, {"r0001": "17", "r0002": "18"}))
    assert told["r0001"] == whole
    assert [own[0] for own in told["r0002"]] == [18, 18]
    assert told["r0003"] == []
    assert _told(core, _with_jobs(series, {"r0001": "17", "r0002": "18"}, 10.0)) == {}
    assert _told(core, _with_jobs(series, {"r0001": "17"}, 20.0)) == {"r0002": []}
    everything = [own.topic for own in core.metadata(every=True) if "/jobs/" in own.topic]
    assert len(everything) == 3
    silent = GatewayCore(layout, "gateway-0", Codec.JSON)
    assert _told(silent, _with_jobs(series, {"r0001": "17"})) == {}


def test_gateway_asks_for_a_scheduler(tmp_path: Path) -> None:
    """Jobs of a site without a scheduler are refused in words, before anything is read."""
    site = tmp_path / "real.yaml"
    site.write_text(
        "name: real\nracks: 1\nservers_per_rack: 1\nmeasured: [{rack: 1, hosts: [a]}]\n"
    )
    done = CliRunner().invoke(
        app, ["gateway", "--jobs", "--prometheus", "http://127.0.0.1:9", "--site", str(site)]
    )
    assert isinstance(done.exception, ConfigError)
    assert "has no scheduler" in str(done.exception)
    assert "{kind: slurm}" in str(done.exception)
