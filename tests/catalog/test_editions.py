"""Editions: the renames of dcgm-exporter 4.9.0, written out once more by hand."""

from __future__ import annotations

import pytest

from twin.catalog import GPU, MetricType
from twin.catalog.editions import EDITIONS, edition, editions_with, with_counters
from twin.errors import ConfigError

DCGM = EDITIONS["dcgm"]
RENAMED = """
DCGM_FI_DEV_SM_CLOCK DCGM_FI_DEV_SM_CLOCK_HERTZ 1000000 gauge
DCGM_FI_DEV_MEM_CLOCK DCGM_FI_DEV_MEMORY_CLOCK_HERTZ 1000000 gauge
DCGM_FI_DEV_MEMORY_TEMP DCGM_FI_DEV_MEMORY_TEMP_CELSIUS 1 gauge
DCGM_FI_DEV_GPU_TEMP DCGM_FI_DEV_GPU_TEMP_CELSIUS 1 gauge
DCGM_FI_DEV_POWER_USAGE DCGM_FI_DEV_BOARD_POWER_WATTS 1 gauge
DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL 0.001 counter
DCGM_FI_DEV_PCIE_REPLAY_COUNTER DCGM_FI_DEV_PCIE_REPLAY_TOTAL 1 counter
DCGM_FI_DEV_GPU_UTIL DCGM_FI_DEV_GPU_UTIL_RATIO 0.01 gauge
DCGM_FI_DEV_MEM_COPY_UTIL DCGM_FI_DEV_MEMORY_UTIL_RATIO 0.01 gauge
DCGM_FI_DEV_ENC_UTIL DCGM_FI_DEV_ENC_UTIL_RATIO 0.01 gauge
DCGM_FI_DEV_DEC_UTIL DCGM_FI_DEV_DEC_UTIL_RATIO 0.01 gauge
DCGM_FI_DEV_XID_ERRORS DCGM_FI_DEV_XID_ERROR 1 gauge
DCGM_FI_DEV_FB_FREE DCGM_FI_DEV_FB_FREE_BYTES 1048576 gauge
DCGM_FI_DEV_FB_USED DCGM_FI_DEV_FB_USED_BYTES 1048576 gauge
DCGM_FI_DEV_FB_RESERVED DCGM_FI_DEV_FB_RESERVED_BYTES 1048576 gauge
DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND 1024000 gauge
DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS DCGM_FI_DEV_ROW_REMAP_UNCORRECTABLE_TOTAL 1 counter
DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS DCGM_FI_DEV_ROW_REMAP_CORRECTABLE_TOTAL 1 counter
DCGM_FI_DEV_ROW_REMAP_FAILURE DCGM_FI_DEV_ROW_REMAP_FAILED 1 gauge
DCGM_FI_PROF_GR_ENGINE_ACTIVE DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO 1 gauge
DCGM_FI_PROF_PIPE_TENSOR_ACTIVE DCGM_FI_PROF_TENSOR_UTIL_RATIO 1 gauge
DCGM_FI_PROF_DRAM_ACTIVE DCGM_FI_PROF_DRAM_UTIL_RATIO 1 gauge
"""
UNCHANGED = (
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS",
    "DCGM_FI_PROF_PCIE_TX_BYTES",
    "DCGM_FI_PROF_PCIE_RX_BYTES",
)
LABELS = {
    "4.8.2": ("Hostname", "DCGM_FI_DRIVER_VERSION"),
    "4.8.3": ("hostname", "DCGM_FI_DRIVER_VERSION"),
    "4.8.4": ("hostname", "DCGM_FI_DRIVER_VERSION"),
    "4.9.0": ("hostname", "DCGM_FI_SYSTEM_DRIVER_VERSION"),
}


def _on(version: str) -> dict[str, tuple[str, float, str]]:
    """Return what an edition has on by default: signal to name, factor, type."""
    shown = edition("dcgm", version).shown(GPU)
    return {s.name: (s.metric, s.factor, s.kind.value) for s in shown if not s.extra}


def test_4_9_0_renames_what_its_notes_say() -> None:
    """Of 25 families 22 are renamed, eleven with another unit, and one is new."""
    rows = [line.split() for line in RENAMED.split("\n") if line]
    old, new = _on("4.8.2"), _on("4.9.0")
    by_hand = {before: (after, float(factor), kind) for before, after, factor, kind in rows}
    by_hand |= {name: (name, 1.0, "gauge") for name in UNCHANGED}
    assert {old[name][0]: row for name, row in new.items() if name in old} == by_hand
    assert {row[0] for name, row in new.items() if name not in old} == {
        "DCGM_FI_DEV_FB_CAPACITY_BYTES"
    }
    assert (len(rows), sum(float(row[2]) != 1 for row in rows)) == (22, 11)


def test_editions_between_differ_in_little() -> None:
    """4.8.3 and 4.8.4 have the names of 4.8.2, but the NVLink rate is a gauge."""
    old = _on("4.8.2")
    assert old["nvlink_bandwidth"][2] == "counter"
    for version in ("4.8.3", "4.8.4"):
        expected = old | {"nvlink_bandwidth": (*old["nvlink_bandwidth"][:2], "gauge")}
        assert _on(version) == expected
    optional = {s.metric for s in edition("dcgm", "4.8.4").shown(GPU) if s.extra}
    assert "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_TOTAL" in optional


@pytest.mark.parametrize("version", LABELS)
def test_labels_are_those_of_the_version(version: str) -> None:
    """The host's label is in lower case from 4.8.3 on, and 4.9.0 renames the driver's."""
    own = edition("dcgm", version)
    first = ("gpu", "UUID", "pci_bus_id", "device", "modelName")
    assert own.family.labels == (*first, *LABELS[version])
    assert {signal.family for signal in own.shown(GPU)} == {own.family}


def test_the_default_edition_is_the_catalogue() -> None:
    """The first edition changes nothing: the catalogue is written in its words."""
    assert DCGM[0].shown(GPU) == tuple(signal for signal in GPU if not signal.listed)


def test_an_edition_has_each_name_once() -> None:
    """No two signals of an edition have one name, and only ``listed`` ones are left out."""
    for own in DCGM:
        names = [signal.metric for signal in own.shown(GPU)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("version", ["4.8.2", "4.5.3-4.8.2"])
def test_an_edition_is_found_by_version_and_tag(version: str) -> None:
    """What ``dcgm-exporter --version`` says and the tag of its image mean the same."""
    assert edition("dcgm", version) is DCGM[0]


def test_unknown_editions_are_refused() -> None:
    """The error names the editions that there are."""
    with pytest.raises(ConfigError, match=r"'5.0' is not known; choose 4.8.2, .*, 4.9.0$"):
        edition("dcgm", "5.0")
    with pytest.raises(ConfigError, match="exporter 'node' has no editions; write dcgm"):
        edition("node", "1.0")


def test_old_names_stay_valid_with_the_old_unit() -> None:
    """A counters file with both names gives both, each in its own unit."""
    text = (
        "# clocks\n\nDCGM_FI_DEV_SM_CLOCK , gauge, SM clock (in MHz).\n"
        'DCGM_FI_DEV_SM_CLOCK_HERTZ,gauge,"SM clock, in Hz"\n'
        "DCGM_FI_DRIVER_VERSION, label, Driver\n"
    )
    own = with_counters(edition("dcgm", "4.9.0"), text, "mine.csv", DCGM)
    rows = [(s.name, s.metric, s.factor, s.help) for s in own.shown(GPU)]
    assert rows == [
        ("sm_clock", "DCGM_FI_DEV_SM_CLOCK", 1.0, "SM clock (in MHz)."),
        ("sm_clock", "DCGM_FI_DEV_SM_CLOCK_HERTZ", 1e6, "SM clock, in Hz"),
    ]
    assert own.family.labels[-2:] == ("hostname", "DCGM_FI_DRIVER_VERSION")
    assert own.notes == ()


def test_a_counters_file_replaces_the_list() -> None:
    """Without a row for the driver there is no such label, and the type is the file's."""
    text = "DCGM_FI_DEV_XID_ERRORS, counter, x\nDCGM_FI_DEV_FB_TOTAL, gauge, x\n"
    own = with_counters(DCGM[0], text, "mine.csv", DCGM)
    assert [(s.metric, s.kind) for s in own.shown(GPU)] == [
        ("DCGM_FI_DEV_XID_ERRORS", MetricType.COUNTER),
        ("DCGM_FI_DEV_FB_TOTAL", MetricType.GAUGE),
    ]
    assert own.family.labels[-1] == "Hostname"


def test_new_names_mean_the_old_field_to_dcgm_4_6() -> None:
    """DCGM 4.6 has the ratio's name for a percentage: the same row, another value in 4.9.0."""
    text = "DCGM_FI_DEV_GPU_UTIL_RATIO, gauge, GPU utilization\n"
    factors = [
        with_counters(edition("dcgm", version), text, "mine.csv", DCGM).shown(GPU)[0].factor
        for version in ("4.8.3", "4.8.4", "4.9.0")
    ]
    assert factors == [1.0, 1.0, 0.01]


def test_a_field_that_the_twin_lacks_is_told() -> None:
    """The exporter would export it, so it is no error; it has no series here."""
    text = "DCGM_FI_DEV_FAN_SPEED, gauge, Fan\nDCGM_FI_DEV_SERIAL, label, Serial\n"
    own = with_counters(DCGM[0], text, "mine.csv", DCGM)
    assert own.shown(GPU) == ()
    assert own.notes == (
        "mine.csv:1: the twin does not have DCGM_FI_DEV_FAN_SPEED, so it gives no series",
        "mine.csv:2: the twin does not have DCGM_FI_DEV_SERIAL, so it gives no label",
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# x\nDCGM_FI_DEV_GPU_TMP, gauge, x", "2: .* 4.8.2 has no field 'DCGM_FI_DEV_GPU_TMP'"),
        ("DCGM_FI_DEV_GPU_TEMP, gauge", "1: has 2 fields and not 3"),
        ("DCGM_FI_DEV_GPU_TEMP, gauge, a, b", "1: has 4 fields and not 3"),
        ("DCGM_FI_DEV_GPU_TEMP, gage, a", "1: type 'gage' is not gauge, counter or label"),
        ("DCGM_FI_DEV_SM_CLOCK_HERTZ, gauge, a", "1: .* it comes with 4.8.4"),
        ("DCGM_FI_DEV_FB_CAPACITY_BYTES, gauge, a", "1: .* it comes with 4.9.0"),
        ('DCGM_FI_DEV_GPU_TEMP, gauge,"a', "1: is no CSV"),
        ("node_load1, gauge, a", "1: .* has no field 'node_load1'"),
        ("# only\n\n", "lists no field"),
        (
            "DCGM_FI_DEV_GPU_TEMP, gauge, a\nDCGM_FI_DEV_GPU_TEMP, gauge, b",
            "2: DCGM_FI_DEV_GPU_TEMP is already in line 1",
        ),
    ],
)
def test_a_wrong_counters_file_is_refused(text: str, complaint: str) -> None:
    """What the exporter would not start with is an error with file and line."""
    with pytest.raises(ConfigError, match=f"^mine.csv:{' ' * ('lists' in complaint)}{complaint}"):
        with_counters(DCGM[0], text, "mine.csv", DCGM)


def test_editions_are_found_by_the_name_of_a_metric() -> None:
    """A name says which editions can have it."""
    assert [own.version for own in editions_with("DCGM_FI_DEV_FB_CAPACITY_BYTES")] == ["4.9.0"]
    assert editions_with("DCGM_FI_DEV_GPU_TEMP") == DCGM
    assert editions_with("up") == ()
