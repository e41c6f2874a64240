"""A site with real racks: the emulator leaves them to the gateway where it is told to."""

from __future__ import annotations

import pytest

from twin.catalog import UnitKind
from twin.emulator import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.site import Layout, parse_site

SITE = """
name: mixed
racks: 3
servers_per_rack: 1
server: {gpus: 1, nics: 1}
measured: [{rack: 2, hosts: [gpu-1]}]
"""


@pytest.mark.parametrize(
    ("beside", "racks"),
    [(True, ["r0001", "r0003"]), (False, ["r0001", "r0002", "r0003"])],
)
def test_measured_racks_are_left_to_the_gateway(beside: bool, racks: list[str]) -> None:
    """Neither frames nor metadata of a real rack come from the emulator beside a gateway."""
    config = EmulatorConfig(Layout(parse_site(SITE, "mixed")), beside_gateway=beside)
    core = EmulatorCore(config, 0.0)
    core.step(1.0)
    topics = [message.topic for message in core.announcement({}) if "/meta/" in message.topic]
    assert topics == [f"twin/v1/mixed/meta/rack/{rack}" for rack in racks]
    due = [unit.topic for unit in core.frames.due() if unit.kind is UnitKind.RACK]
    assert due == [f"twin/v1/mixed/rack/{rack}" for rack in racks]
