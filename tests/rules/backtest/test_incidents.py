"""PastIncident files: what they may have, and one clear sentence for what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.errors import ConfigError
from twin.rules.backtest import read_incidents

GOOD = """
incidents:
  - {name: second, from: 2026-05-03T12:00+02:00, to: 2026-05-03T11:00Z, alerts: [A]}
  - {name: first, from: 1777800000, to: 2026-05-03 09:30, labels: {rack: r1}}
"""


def test_incidents_are_in_order_of_time(tmp_path: Path) -> None:
    """Moments may be ISO 8601, with or without a zone, or unix seconds."""
    path = tmp_path / "incidents.yaml"
    path.write_text(GOOD, encoding="utf-8")
    first, second = read_incidents(path)
    assert (first.name, first.start, first.end) == ("first", 1777800000.0, 1777800600.0)
    assert (second.name, second.start, second.alerts) == ("second", 1777802400.0, ("A",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "has no incidents"),
        ("incidents: []", "incidents: is []"),
        ("incidents: [{name: x, from: 2026-05-03}]", "incidents.0.to: is missing"),
        ("incidents: [{name: x, from: soon, to: 2026-05-03}]", "'soon' is not a moment"),
        ("incidents: [{name: x, from: 2026-05-04, to: 2026-05-03}]", "ends before it begins"),
        ("incidents: [{name: x, from: 2026-05-03, to: 2026-05-04, alert: A}]",
         "incidents.0.alert: there is no such key"),
        ("incidents: [{name: x, from: true, to: 2026-05-04}]", "write a moment"),
        ("incidents: [{name: x, from: 2026-05-03, to: 2026-05-04, labels: {rack: 1}}]",
         "incidents.0.labels.rack: is 1"),
        ("incidents: 7", "incidents: is 7"),
        ("a: [", ":1:"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_in_one_sentence(text: str, told: str, tmp_path: Path) -> None:
    """The error names the file, the key and the remedy."""
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_incidents(path)
    assert told in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
