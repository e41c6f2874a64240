"""Reports of an observer as series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twin.aggregator.page.floor import Floor
from twin.aggregator.shadow_reports import ShadowReports
from twin.aggregator.text_format import ExpositionWriter
from twin.site import Layout, parse_site
from twin.wire import ShadowDevices, ShadowFinding, ShadowRelation, ShadowReport

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

_TOPIC = "twin/v1/small/shadow/a001"
_PLACE = 'site="small",hall="h1",array="a001"'
_RELATION = f'relation="gpu_temperature",unit="K",{_PLACE}'
_FINDING = (
    'cause="cold_plate",target="r0001/n1/gpu0",relation="gpu_temperature",unit="K",'
    f'{_PLACE},rack="r0001",host="r0001-n1"'
)


def report(target: str = "r0001/n1/gpu0", ts: float = 60.0) -> ShadowReport:
    """Return a report with one relation and one finding."""
    found = ShadowFinding(
        cause="cold_plate",
        target=target,
        relation="gpu_temperature",
        unit="K",
        expected=55.0,
        measured=61.2,
        residual=6.2,
        sigmas=31.0,
        drift=0.45,
        since=30.0,
        text="cold plate of r0001/n1/gpu0 conducts 31 % less than when calibrated",
    )
    relation = ShadowRelation(
        relation="gpu_temperature",
        unit="K",
        devices=8,
        covered=6,
        residual=0.5,
        sigmas=2.5,
        drift=0.45,
    )
    return ShadowReport(
        ts=ts,
        block=30.0,
        false_alarms=1.0,
        limit=14.5,
        relations=(relation,),
        findings=(found,),
    )


def _series(feed: Feed) -> list[str]:
    return [line for line in feed.lines() if line.startswith("twin_shadow")]


def test_report_becomes_series_of_the_array_and_of_what_is_found(feed: Feed) -> None:
    """Each relation has its coverage, residual and drift, each finding its culprit and cause."""
    feed.send(_TOPIC, report().encode())
    assert _series(feed) == [
        f"twin_shadow_report_timestamp_seconds{{{_PLACE}}} 60.0",
        f"twin_shadow_block_seconds{{{_PLACE}}} 30.0",
        f"twin_shadow_false_alarms_per_week{{{_PLACE}}} 1.0",
        f"twin_shadow_coverage_ratio{{{_RELATION}}} 0.75",
        f"twin_shadow_residual{{{_RELATION}}} 0.5",
        f"twin_shadow_residual_sigmas{{{_RELATION}}} 2.5",
        f"twin_shadow_drift_max_ratio{{{_RELATION}}} 0.45",
        f"twin_shadow_finding_since_timestamp_seconds{{{_FINDING}}} 30.0",
        f"twin_shadow_finding_expected{{{_FINDING}}} 55.0",
        f"twin_shadow_finding_measured{{{_FINDING}}} 61.2",
        f"twin_shadow_finding_residual{{{_FINDING}}} 6.2",
        f"twin_shadow_finding_residual_sigmas{{{_FINDING}}} 31.0",
        f"twin_shadow_finding_drift_ratio{{{_FINDING}}} 0.45",
    ]


def test_what_is_expected_of_healthy_devices_becomes_series(feed: Feed) -> None:
    """Each rack has its largest deviation, each device what is expected of it, where it is told."""
    told = telling((None, -4.5))
    feed.send(_TOPIC, told.encode())
    named = 'relation="coolant_flow",unit="L/min"'
    place = f'{_PLACE},rack="r0002"'
    target = f'{named},target="r0002",{place}'
    assert [line for line in _series(feed) if "rack_" in line or "device_" in line] == [
        f"twin_shadow_rack_residual_max_sigmas{{{named},{place}}} -4.5",
        f"twin_shadow_device_expected{{{target}}} 90.0",
        f"twin_shadow_device_residual{{{target}}} -2.0",
        f"twin_shadow_device_residual_sigmas{{{target}}} -4.5",
    ]
    surprise = feed.core.store.shadow.surprise()
    assert surprise[1] == 4.5
    assert np.isnan(surprise[[0, 2]]).all()
    assert Floor(feed.core.store).values("surprise")[1] == 4.5


def test_values_of_other_racks_or_devices_are_refused(feed: Feed) -> None:
    """As many values as the array has racks and devices, of a class that there is, or none."""
    for wrong in (
        telling((1.0,)),
        telling((1.0, 1.0), device="toaster"),
        telling((1.0, 1.0), device="gpu"),
    ):
        feed.send(_TOPIC, wrong.encode())
    assert _series(feed) == []
    refused = feed.core.telemetry.tallies()["twin_messages_refused_total"]
    assert sum(refused.values()) == 3


def telling(racks: tuple[float | None, ...], device: str = "cdu") -> ShadowReport:
    """Return a report that tells of each rack and device."""
    expected, off = (
        tuple(None if own is None else value for own in racks) for value in (90.0, -2.0)
    )
    each = ShadowDevices(device=device, expected=expected, residual=off, sigmas=racks)
    relation = ShadowRelation(
        relation="coolant_flow",
        unit="L/min",
        devices=2,
        covered=1,
        residual=-2.0,
        sigmas=4.5,
        drift=0.0,
        racks=racks,
        each=each,
    )
    return report().model_copy(update={"relations": (relation,), "findings": ()})


def test_report_without_a_successor_disappears(feed: Feed) -> None:
    """After three and a half blocks an observer that is silent says nothing any more."""
    feed.send(_TOPIC, report().encode())
    feed.wait(100.0)
    assert _series(feed)
    feed.wait(10.0)
    assert _series(feed) == []


def test_report_that_cannot_be_is_refused(feed: Feed) -> None:
    """Strange arrays, places, texts and retained reports are counted, and change nothing."""
    for topic, payload, retain in (
        ("twin/v1/small/shadow/a999", report().encode(), False),
        (_TOPIC, report(target="r9999").encode(), False),
        (_TOPIC, b'{"v": 1}', False),
        (_TOPIC, report().encode(), True),
    ):
        feed.send(topic, payload, retain=retain)
    assert _series(feed) == []
    refused = feed.core.telemetry.tallies()["twin_messages_refused_total"]
    assert sum(refused.values()) == 4


def test_two_arrays_cannot_tell_of_the_same_place_twice(feed: Feed) -> None:
    """A series stands once, whatever the reports of two arrays say."""
    feed.send(_TOPIC, report().encode())
    feed.send("twin/v1/small/shadow/a002", report().encode())
    lines = [line.rpartition(" ")[0] for line in _series(feed)]
    assert len(lines) == len(set(lines))


def test_report_of_the_site_has_no_array(feed: Feed) -> None:
    """Meters of the site are told by the name of the grid, as no part of an array or rack."""
    each = ShadowDevices(device="facility", expected=(9e4,), residual=(1e3,), sigmas=(3.0,))
    meter = (
        telling(())
        .relations[0]
        .model_copy(
            update={"relation": "it_power", "unit": "W", "devices": 1, "racks": (), "each": each}
        )
    )
    found = (
        report()
        .findings[0]
        .model_copy(
            update={"cause": "it_meter", "target": "grid", "relation": "it_power", "unit": "W"}
        )
    )
    told = report().model_copy(update={"relations": (meter,), "findings": (found,)})
    feed.send("twin/v1/small/shadow/grid", told.encode())
    named = 'relation="it_power",unit="W"'
    series = _series(feed)
    assert f'twin_shadow_coverage_ratio{{{named},site="small"}} 1.0' in series
    assert f'twin_shadow_device_expected{{{named},target="grid",site="small"}} 90000.0' in series
    cause = f'cause="it_meter",target="grid",{named},site="small"'
    assert f"twin_shadow_finding_residual{{{cause}}} 6.2" in series
    assert not any("array=" in line for line in series)
    assert np.isnan(feed.core.store.shadow.surprise()).all()


def test_racks_in_air_are_told_one_by_one() -> None:
    """What stands for a rack is told of racks without a coolant unit, too."""
    layout = Layout(parse_site("name: small\nracks: 2\ncooling: {medium: air}\n", "airy"))
    reports = ShadowReports(layout)
    told = telling((1.0, 2.0)).encode()
    reports.hear("a001", told, retain=False, at=0.0)
    text = ExpositionWriter()
    reports.write(text, np.zeros(1, dtype=np.bool_))
    assert b'target="r0002"' in bytes(text)
