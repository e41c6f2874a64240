"""The table of metrics, for people and for scripts."""

from __future__ import annotations

import re

from twin.catalog import DEVICES, GPU, OWN_METRICS, REDFISH_METRICS, ROLLUPS, Level
from twin.catalog.broker import MOSQUITTO
from twin.catalog.schedulers import STATE_EXPORTERS
from twin.docs.metrics import pages, table


def test_table_has_every_metric() -> None:
    """Devices, roll-ups, schedulers and the processes' own: no more and no less."""
    expected = []
    for device in DEVICES:
        shown = [(s.metric, s.family.labels) for s in device if not s.hidden]
        # The buckets of a histogram are one row.
        again = {n for n, own in enumerate(shown) if "_bucket" in own[0] and own == shown[n - 1]}
        shown = [own for n, own in enumerate(shown) if n not in again]
        always = len(shown)
        derived = {(f.metric, f.group.names) for f in device.derived} - set(shown)
        expected += [metric for metric, _ in shown]
        rows = [row.metric for row in table() if row.device == device.name][always:]
        assert sorted(rows) == sorted(metric for metric, _ in derived), device.name
        expected += rows
    expected += [
        rollup.metric(level) for level in Level for rollup in ROLLUPS if level in rollup.levels
    ]
    expected += [
        metric.name for exporter in (*STATE_EXPORTERS, MOSQUITTO) for metric in exporter.metrics
    ]
    expected += [metric.name for metric in (*OWN_METRICS, *REDFISH_METRICS)]
    assert [row.metric for row in table()] == expected


def test_row_says_what_the_catalogue_says() -> None:
    """One row in full."""
    row = next(row for row in table() if row.metric == GPU["xid"].metric)
    assert (row.type, row.unit, row.device, row.signal) == ("gauge", "", "gpu", "xid")
    assert row.labels[:2] == ("gpu", "UUID")
    assert row.adds == ("err_code", "err_msg")
    assert (row.job, row.default) == ("dcgm-exporter", True)
    assert row.help == "Value of the last XID error encountered."


def test_enumeration_shows_its_states() -> None:
    """A reader need not guess the values of the label."""
    row = next(row for row in table() if row.metric == "cdu_pump_state")
    assert row.adds == ("state",)
    assert row.states == ("stopped", "running", "failed")


def test_constant_has_no_signal_and_off_is_no_default() -> None:
    """What does not travel has no key, and what is off by default says so."""
    rows = {row.metric: row for row in table()}
    assert rows["node_infiniband_info"].signal == ""
    assert rows["node_ethtool_received_prio3_pause"].default is False


def test_page_names_every_metric_once_a_row() -> None:
    """The page is the table, under one heading a device class."""
    page = pages()["metrics.md"]
    for row in table():
        assert f"| `{row.metric}` | {row.type} |" in page
    hidden = sum(signal.hidden for device in DEVICES for signal in device)
    assert page.count("\n| `") == len(table()) + hidden
    sections = len(DEVICES) + len(Level) + len(STATE_EXPORTERS) + 3
    assert len(re.findall(r"^## ", page, re.MULTILINE)) == sections


def test_page_has_whole_tables() -> None:
    """Every line of a table has as many cells as its header, whatever stands in them."""
    for block in re.findall(r"(?:^\|.*\n)+", pages()["metrics.md"], re.MULTILINE):
        lines = [re.sub(r"\\\|", "", line) for line in block.splitlines()]
        assert len({line.count("|") for line in lines}) == 1
        assert "<" not in block
