"""Leaf switches as snmp_exporter shows them: the whole if_mib module and the scrape itself."""

from __future__ import annotations

from tests.aggregator.twinning import TwinPair

SITE = """
name: KIND
racks: 1
servers_per_rack: 2
server: {gpus: 2}
telemetry: {host: full, extra_signals: true}
"""


def test_the_whole_module_and_the_scrape_are_shown() -> None:
    """Texts are labels, the exporter tells of its walk, and a dead switch shows none of it."""
    twin = TwinPair("switches", text=SITE)
    twin.run(2)
    number = twin.scrape("ifNumber")
    ports = twin.core.layout.site.fabric.ports
    leaves = twin.core.layout.site.fabric.rails
    assert [value for *_, value in number] == [float(ports)] * leaves
    shown = len(twin.scrape("ifOperStatus"))
    for metric, label, text in (
        ("ifType_info", "ifType", "ethernetCsmacd"),
        ("ifSpecific", "ifSpecific", "0.0"),
    ):
        series = twin.scrape(metric)
        assert {(labels[label], value) for _, labels, value in series} == {(text, 1.0)}
        assert len(series) == shown
    addresses = {labels["ifPhysAddress"] for _, labels, _ in twin.scrape("ifPhysAddress")}
    assert len(addresses) == shown
    assert all(len(own) == 17 and own == own.upper() for own in addresses)
    scrape = {name: value for name, labels, value in twin.scrape(
        "snmp_scrape_pdus_returned", "snmp_scrape_packets_sent", "snmp_scrape_packets_retried",
        "snmp_scrape_walk_duration_seconds", "snmp_scrape_duration_seconds",
    ) if labels["module"] == "if_mib" and labels["instance"].endswith("leaf1")}  # fmt: skip
    assert scrape["snmp_scrape_pdus_returned"] == 1 + 41 * ports
    assert scrape["snmp_scrape_packets_sent"] > scrape["snmp_scrape_pdus_returned"] / 25
    assert scrape["snmp_scrape_packets_retried"] == 0
    walk = scrape["snmp_scrape_walk_duration_seconds"]
    assert 0.0 < walk < scrape["snmp_scrape_duration_seconds"] < 10.0
    twin.emulator.inject("x", "leaf-down", "a001/leaf1", 60.0)
    twin.run(2)
    assert len(twin.scrape("ifNumber")) == leaves - 1
    assert len(twin.scrape("snmp_scrape_duration_seconds")) == leaves - 1
