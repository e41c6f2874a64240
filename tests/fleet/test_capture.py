"""Capture: the site of a fleet by its series, what was guessed, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fleet.conftest import FIELDS, NEW_FIELDS, NOW, SeriesList, gpus
from twin.errors import ConfigError, ServiceError
from twin.fleet.capture import capture
from twin.fleet.racks import read_table
from twin.fleet.survey import Survey, survey
from twin.site import Layout, parse_site

Look = Callable[..., Survey]


def test_a_labelled_fleet_is_its_site(seen: Look) -> None:
    """Hosts stand in the racks and arrays of their labels, and nothing of that is a guess."""
    found = capture(
        seen(
            *(
                gpus(f"gpu-{rack}-{node}", rack=f"R{rack}", array=f"A{rack // 3}")
                for rack in range(1, 5)
                for node in range(1, 4)
            )
        ),
        "mysite",
    )
    site = found.site
    assert (site.racks, site.racks_per_array, site.servers_per_rack, site.gpus) == (4, 2, 3, 96)
    assert [own.name for own in site.measured] == ["R1", "R2", "R3", "R4"]
    assert site.measured[2].hosts == ("gpu-3-1", "gpu-3-2", "gpu-3-3")
    assert not found.guesses
    assert ("racks", "4", "by label") in [(f.what, f.value, f.how) for f in found.found]


def test_the_file_is_minimal_and_gives_the_same_site(seen: Look) -> None:
    """What is a default is not written, and the text reads back as the site that was shown."""
    found = capture(
        seen(*(gpus(f"n{rack}-{node}", rack=f"r{rack:04d}", array="a") for rack in (1, 2)
               for node in range(1, 9))), "tiny",
    )  # fmt: skip
    assert parse_site(found.text, "again") == found.site
    assert found.text.startswith(
        "name: tiny\nracks: 2\nracks_per_array: 2\ngpu: h100-sxm\ntelemetry:\n"
        "  interval_seconds: 15.0\n  extra_signals: false\nmeasured:\n"
        "  - {rack: 1, hosts: [n1-1, n1-2,"
    )


@pytest.mark.parametrize(
    ("fields", "label", "edition"),
    [
        (FIELDS, "Hostname", "4.8.2"),
        (FIELDS, "hostname", "4.8.3"),
        ((*FIELDS, "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL"), "hostname", "4.8.3"),
        ((*FIELDS, "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL"), "hostname", "4.8.4"),
        (NEW_FIELDS, "hostname", "4.9.0"),
        (NEW_FIELDS, "Hostname", "4.9.0"),
    ],
)
def test_edition_by_names_and_labels(
    seen: Look, fields: tuple[str, ...], label: str, edition: str
) -> None:
    """Each edition is known by the names that only it has, and then by its host label."""
    host: dict[str, Any] = {label: "r1-n1"}
    found = capture(seen(gpus("r1-n1", fields=fields, rack="x", **host)), "mysite")
    assert found.site.telemetry.exporters.dcgm == edition
    ambiguous = fields == FIELDS and label == "hostname"
    assert any("4.8.3 and 4.8.4" in guess for guess in found.guesses) == ambiguous
    own = {"4.8.2": "Hostname"}.get(edition, "hostname")
    assert found.site.telemetry.hostname_label == (None if label == own else label)


def test_a_fleet_in_mid_migration_has_an_edition_an_array(seen: Look) -> None:
    """Arrays of another edition are named in the site file, and mixed ones are a guess."""
    old = [gpus(f"o-{n}", rack=f"o{n}", array="a1") for n in (1, 2)]
    new = [gpus(f"w-{n}", rack=f"w{n}", array="a2", fields=NEW_FIELDS) for n in (1, 2)]
    found = capture(seen(*old, *new), "mysite")
    layout = Layout(found.site)
    assert [own.version for own in layout.editions] == ["4.8.2", "4.9.0"]
    mixed = capture(seen(*old, new[0], gpus("w-2", rack="w2", array="a2")), "mysite")
    assert any("has hosts of several editions" in guess for guess in mixed.guesses)


def test_racks_by_the_names_of_hosts(seen: Look) -> None:
    """Without labels the part of a name before its last number is the rack, and that is told."""
    found = capture(seen(*(gpus(f"dgx-a{r:02d}-n{n}") for r in (2, 10) for n in (1, 2))), "mysite")
    assert [own.hosts for own in found.site.measured] == [
        ("dgx-a02-n1", "dgx-a02-n2"),
        ("dgx-a10-n1", "dgx-a10-n2"),
    ]
    assert any("dgx-a02-n1 stands in dgx-a02" in guess for guess in found.guesses)


def test_racks_counted_off(seen: Look) -> None:
    """Names with one number say no rack: four hosts in order make one, and that is told."""
    found = capture(seen(*(gpus(f"gpu{n}") for n in range(1, 11))), "mysite")
    assert [len(own.hosts) for own in found.site.measured] == [4, 4, 2]
    assert found.site.measured[2].hosts == ("gpu9", "gpu10")
    assert any("4 hosts in order of their names make one" in guess for guess in found.guesses)


def test_racks_by_the_users_table(seen: Look) -> None:
    """A table outdoes labels, and a host that it lacks is refused by name."""
    series = [gpus(f"gpu{n}", rack="wrong") for n in (1, 2)]
    table = read_table("host,rack\ngpu1,B2\ngpu2,B1\n", "racks.csv")
    found = capture(seen(*series), "mysite", table=table)
    assert [(own.name, own.hosts) for own in found.site.measured] == [
        ("B1", ("gpu2",)),
        ("B2", ("gpu1",)),
    ]
    with pytest.raises(ConfigError, match="no line of 1 hosts with GPUs, the first is 'gpu3'"):
        capture(seen(*series, gpus("gpu3")), "mysite", table=table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu1,B2\n", "racks.csv:1: the first line must be host,rack or host,rack,array"),
        ("host,rack\ngpu1\n", "racks.csv:2: has not one value for each of host,rack"),
        ("host,rack\ngpu1,a\ngpu1,b\n", "racks.csv:3: host 'gpu1' is given twice"),
        ('host,rack\n"gpu1,a\n', "racks.csv:2: is no CSV"),
    ],
)
def test_a_wrong_table_is_refused_by_line(text: str, words: str) -> None:
    """A table that cannot be read names file, line and remedy."""
    with pytest.raises(ConfigError) as error:
        read_table(text, "racks.csv")
    assert str(error.value).startswith(words)


def test_models_are_blocks_in_order_of_racks(seen: Look) -> None:
    """Racks of another model are a block; an unknown model has a like one's parameters."""
    found = capture(
        seen(
            gpus("a-1", rack="a"),
            gpus("b-1", rack="b", modelName="NVIDIA H200"),
            gpus("c-1", rack="c", modelName="NVIDIA H100 PCIe"),
        ),
        "mysite",
    )
    assert [model.name for model in found.site.models] == [
        "NVIDIA H100 80GB HBM3",
        "NVIDIA H200",
        "NVIDIA H100 PCIe",
    ]
    assert any("'NVIDIA H100 PCIe'" in guess and "h100-sxm" in guess for guess in found.guesses)


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ([gpus("a", modelName="A") + gpus("a", modelName="B")], "host 'a' has GPUs of A and B"),
        ([gpus("a", rack="x"), gpus("b", rack="x", modelName="B")], "rack 'x' has GPUs of"),
        ([gpus(f"n{n}", 1, rack="x") for n in range(65)], "rack 'x' has 65 hosts"),
        ([gpus("a", Hostname="", instance="")], "no label of a GPU's series names its host"),
        ([gpus('a"}\n')], "it is no host name"),
        ([[{**gpus("a")[0], "gpu": "first"}]], "GPU 'first' of host 'a' is not a number"),
        ([[{**gpus("a")[0], "gpu": "9" * 99}]], "is not a number below 32"),
        ([[{"__name__": "up"}]], "has no metric of dcgm-exporter in its last ten minutes"),
    ],
)
def test_what_cannot_be_a_site_is_refused(
    seen: Look, series: list[list[dict[str, str]]], words: str
) -> None:
    """Each fleet that no site can be is refused in one sentence with its place and the remedy."""
    with pytest.raises(ConfigError) as error:
        capture(seen(*series), "mysite")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_duplicates_moved_gpus_and_few_samples_are_told(seen: Look) -> None:
    """A target that is scraped twice gives no more GPUs, and a UUID at two places is told."""
    twice = [{**own, "job": "again"} for own in gpus("a-1", rack="x")]
    moved = [{**own, "UUID": "GPU-a-1-0"} for own in gpus("b-1", 1, rack="x")]
    found = capture(seen(gpus("a-1", rack="x"), twice, moved, interval=None), "mysite")
    assert found.site.gpus == 16
    text = " ".join(found.guesses)
    assert "8 series of GPUs come a second time" in text
    assert "1 UUIDs are seen at two places" in text
    assert "15 s is taken" in text
    assert any("1 hosts have fewer than 8 GPUs, the first is b-1" in m for m in found.missing)


def test_an_address_is_a_host_by_what_node_exporter_says(seen: Look) -> None:
    """RDMA ports of a target known by its address count for the host that it names."""
    nodes = [{"__name__": "node_uname_info", "instance": "10.0.0.1:9100", "nodename": "a-1"}]
    ports = [
        {"__name__": "node_infiniband_state_id", "instance": "10.0.0.1:9100",
         "device": f"mlx5_{n}", "port": "1"} for n in range(5)
    ]  # fmt: skip
    found = capture(seen(gpus("a-1", rack="x"), nodes, ports), "mysite")
    assert found.site.server.nics == 5


def test_a_pod_is_no_host(seen: Look) -> None:
    """What dcgm-exporter takes for its host without NODE_NAME is not, where the node is known."""
    found = capture(seen(gpus("x", Hostname="dcgm-exporter-7xk2p", node="gpu-1", rack="r")), "m")
    assert found.site.measured[0].hosts == ("gpu-1",)


def test_answers_that_are_none() -> None:
    """An answer of another shape is an error of the service, in one sentence."""

    class Odd(SeriesList):
        def instant(self, query: str, at: float) -> list[dict[str, object]]:
            return [{"metric": len(query) + at}]

    with pytest.raises(ServiceError, match="answers in a way that cannot be read"):
        survey(Odd(gpus("a")), NOW)
