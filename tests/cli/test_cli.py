"""The command line as a user meets it: output, exit status, one sentence for a mistake."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from twin.catalog import DEVICES
from twin.cli import main
from twin.cli.options import seconds
from twin.errors import ConfigError
from twin.faults import FAULTS
from twin.site import Layout, load_site, preset_names, series_by_detail

Capture = pytest.CaptureFixture[str]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``twin`` in this process and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["twin", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_sites_lists_all(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``twin sites --json`` lists the presets with their counts, smallest first."""
    assert run(monkeypatch, "sites", "--json") == 0
    sites = json.loads(capsys.readouterr().out)
    counts = {site["name"]: site["gpus"] for site in sites}
    assert list(counts) == list(preset_names())
    assert list(counts.values()) == sorted(counts.values())
    assert (counts["colossus-array"], counts["demo"], counts["colossus-100k"]) == (
        512,
        1024,
        100_032,
    )


def test_sites_show(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``twin sites show`` tells counts, power, series at each level, and the sources."""
    assert run(monkeypatch, "sites", "show", "colossus-100k") == 0
    text = capsys.readouterr().out
    for words in ("1,563", "100,032", "208 x 0.72 MW, 3.9 MWh", "150.00 MW", "14 x 2.50 MW",
                  "site only", "site and racks", "full detail", "of Prometheus", "as it is set",
                  "Sources"):  # fmt: skip
        assert words in text


def test_sites_show_counts_every_detail(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Series and memory at each detail, and at the one that is asked for."""
    arguments = ("--detail", "rack", "--detail", "a002=gpu", "--json")
    assert run(monkeypatch, "sites", "show", "demo", *arguments) == 0
    shown = json.loads(capsys.readouterr().out)
    layout = Layout(load_site("demo"))
    assert shown["series"] == series_by_detail(layout)
    assert shown["prometheus_bytes"] == {k: 3200 * n for k, n in series_by_detail(layout).items()}
    assert shown["detail"] in ("rack, a002=gpu", "gpu, a001=rack")
    assert shown["series"]["rack"] < shown["series_as_set"] < shown["series"]["gpu"]


def test_detail_from_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """TWIN_DETAIL is heeded like the other settings of a container, with spaces or commas."""
    for settings in ("site a001=rack", "site,a001=rack"):
        monkeypatch.setenv("TWIN_DETAIL", settings)
        assert run(monkeypatch, "sites", "show", "colossus-100k", "--json") == 0
        assert json.loads(capsys.readouterr().out)["detail"] == "site, a001=rack"


def test_sites_show_jobs(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``twin sites show --json`` tells which racks each job holds; the rest is idle."""
    assert run(monkeypatch, "sites", "show", "shared", "--json") == 0
    assert json.loads(capsys.readouterr().out)["jobs"] == [
        {"name": "pretrain", "racks": 10, "workload": "training"},
        {"name": "finetune", "racks": 4, "workload": "training"},
    ]


def test_faults_lists_all(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``twin faults --json`` describes every fault with its parameters."""
    assert run(monkeypatch, "faults", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [fault["fault"] for fault in listed] == list(FAULTS)
    flap = next(fault for fault in listed if fault["fault"] == "nic-flap")
    assert [p["name"] for p in flap["parameters"]] == ["period", "down"]


def test_metrics_lists_all(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``twin metrics --json`` has a row for every signal of the catalogue."""
    assert run(monkeypatch, "metrics", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    listed = {(row["device"], row["metric"]) for row in rows}
    shown = {(d.name, s.metric) for d in DEVICES for s in d if not s.hidden}
    assert shown | {(d.name, f.metric) for d in DEVICES for f in d.derived} <= listed


def test_metrics_of_one_class(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``twin metrics pump`` prints that class alone, names uncut."""
    assert run(monkeypatch, "metrics", "pump") == 0
    text = capsys.readouterr().out
    assert "cdu_pump_inlet_pressure_pascals" in text
    assert "DCGM" not in text


def test_metrics_of_an_edition(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``--exporter`` lists the names and units of that edition."""
    assert run(monkeypatch, "metrics", "gpu", "--json", "--exporter", "dcgm=4.9.0") == 0
    rows = {row["signal"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["sm_clock"]["metric"] == "DCGM_FI_DEV_SM_CLOCK_HERTZ"
    assert rows["sm_clock"]["unit"] == "Hz"
    assert "hostname" in rows["sm_clock"]["labels"]


def test_metrics_of_a_counters_file(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    """``--counters`` lists what the file lists, and says on standard error what is not here."""
    file = tmp_path / "mine.csv"
    file.write_text("DCGM_FI_DEV_GPU_TEMP, gauge, x\nDCGM_FI_DEV_FAN_SPEED, gauge, y\n")
    assert run(monkeypatch, "metrics", "gpu", "--json", "--counters", str(file)) == 0
    captured = capsys.readouterr()
    assert [row["metric"] for row in json.loads(captured.out)] == ["DCGM_FI_DEV_GPU_TEMP"]
    assert f"{file}:2: the twin does not have DCGM_FI_DEV_FAN_SPEED" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("up", "--exporter", "dcgm=5.0"), "edition '5.0' is not known; choose 4.8.2"),
        (("aggregate", "--exporter", "dcgm=a9=4.9.0"), "names no array of this site"),
        (("emulate", "--exporter", "node=1.0"), "write for example dcgm=4.9.0"),
        (("up", "--counters", "absent.csv"), "absent.csv: cannot be read"),
        (
            ("up", "--site", "nowhere"),
            "the presets are mi300x-lab, nvl72-rack, serving, colossus-array, ",
        ),
        (("up", "--site", "./absent.yaml"), "absent.yaml: cannot be read"),
        (("up", "--workload", "sleep"), "choose training, idle, bert, "),
        (("up", "--for", "soon"), "write for example 500ms, 20s, 5m or 2h"),
        (("up", "--check"), "--check needs an end"),
        (("up", "--speed", "0"), "it must be from 0.01 to 1000"),
        (("up", "--broker", "http://x"), "mqtt://"),
        (("up", "--log-level", "loud"), "choose debug, info, warning, error"),
        (("inject", "meteor"), "the faults are pump-failure"),
        (("inject", "nic-flap", "--set", "period"), "write name=number"),
        (("inject", "nic-flap", "--set", "period=-1"), "period: is -1.0"),
        (("metrics", "toaster"), "choose gpu, neuron"),
        (("sites", "show", "nowhere"), "the presets are"),
        (("sites", "show", "demo", "--detail", "all"), "write site, rack, gpu for all arrays"),
        (("up", "--detail", "a003=gpu"), "the last is a002"),
        (("aggregate", "--detail", "a001=full"), "detail 'a001=full' is not valid"),
        (
            ("up", "--for", "9s", "--check", "-w", "trace:gpt3-512xh100", "--detail", "site"),
            "use --detail rack or gpu",
        ),
        (("detail", "set", "rack", "--broker", "http://x"), "mqtt://"),
        (("history", "--to", "csv:x"), "write one of parquet:FOLDER, openmetrics:FOLDER"),
        (("history", "--to", "parquet:x", "--step", "7s"), "a whole number of steps"),
        (("history", "--to", "parquet:x", "--end", "soon"), "write for example 2026-01-31"),
        (("history", "--to", "parquet:x", "--site", "nowhere"), "the presets are"),
    ],
)
def test_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: tuple[str, ...], words: str
) -> None:
    """A mistake gives one sentence that says what is allowed, and exit status 2."""
    assert run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("twin: ")
    assert words in error


def test_a_users_site(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    """A user's own YAML is described like a preset, and a wrong key in it is named."""
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, racks: 3, cooling: {flow_liters_per_minute: 90}}")
    assert run(monkeypatch, "sites", "show", str(path)) == 0
    path.write_text("{name: mine, racks: 3, cooling: {flow: 90}}")
    assert run(monkeypatch, "sites", "show", str(path)) == 2
    assert "cooling.flow: there is no such key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("20s", 20), ("20", 20), ("1.5m", 90), ("2h", 7200)]
)
def test_seconds(text: str, expected: float) -> None:
    """Durations are read with their unit."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "s", "-1s", "0s", "1w", "1 2s", "inf"])
def test_no_seconds(text: str) -> None:
    """What is no duration is refused."""
    with pytest.raises(ConfigError, match="20s"):
        seconds(text)


def test_codec_misspelt(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A codec that there is not is answered with those that there are."""
    assert run(monkeypatch, "emulate", "--codec", "xml") == 2
    error = capsys.readouterr().err
    assert "'xml' is not one of 'json', 'cbor'" in error


def test_codec_from_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """TWIN_CODEC is heeded like the other settings of a container."""
    monkeypatch.setenv("TWIN_CODEC", "xml")
    assert run(monkeypatch, "emulate") == 2
    assert "'xml' is not one of" in capsys.readouterr().err
