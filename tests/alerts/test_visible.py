"""Alerts at a detail: those that can fire are told from what their expressions read."""

from __future__ import annotations

import pytest

from twin.alerts.proving_faults import PROOFS
from twin.alerts.rolled import ROLLED_GPU, ROLLED_NETWORK, STANDS_FOR
from twin.alerts.tables import ALERTS
from twin.alerts.visible import alerts_at
from twin.catalog import Detail

FIRES = {own.fault: own.fires for own in PROOFS}


def test_all_alerts_can_fire_in_full() -> None:
    """At full detail a fault's alerts are those that it is proven by."""
    for fires in FIRES.values():
        assert alerts_at(Detail.GPU, fires) == tuple(sorted(fires))


@pytest.mark.parametrize(
    ("fault", "detail", "alerts"),
    [
        ("gpu-double-bit", Detail.RACK, {"JobCrashed", "JobStalled", "RackGpusWithXid"}),
        ("nic-down", Detail.RACK, {"JobCrashed", "JobStalled", "RackNicsDown"}),
        ("pump-failure", Detail.RACK, {"CoolantPumpFailed"}),
        ("gpu-cold-plate", Detail.RACK, {"RackTooHot"}),
        ("fan-failure", Detail.RACK, set()),
        ("pump-failure", Detail.SITE, set()),
        ("nic-down", Detail.SITE, {"JobCrashed", "JobStalled"}),
    ],
)
def test_alerts_of_racks_stand_for_those_of_devices(
    fault: str, detail: Detail, alerts: set[str]
) -> None:
    """What reads series that are not exposed is replaced by what reads the rack's, or left out."""
    assert set(alerts_at(detail, FIRES[fault])) == alerts


def test_what_stands_for_another_is_an_alert_on_racks() -> None:
    """Both sides of the table are shipped alerts, and one side is of roll-ups."""
    rolled = {alert.name for alert in (*ROLLED_GPU, *ROLLED_NETWORK)}
    assert ALERTS.keys() >= STANDS_FOR.keys()
    assert {own for others in STANDS_FOR.values() for own in others} <= rolled
