"""``twin shadow``: refusals before anything is observed."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from twin.cli import app
from twin.errors import ConfigError
from twin.shadow import ShadowSettings


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--learn", "1m"), "--learn 1m has 2 blocks of 30 s"),
        (("--learn", "soon"), "soon"),
        (("--broker", "http://b"), "http://b"),
        (("--false-alarms", "0"), "0.001"),
    ],
)
def test_setting_that_cannot_be_is_refused(arguments: tuple[str, ...], text: str) -> None:
    """The sentence says what is wrong, and nothing is connected."""
    done = CliRunner().invoke(app, ["shadow", "--site", "demo", *arguments])
    assert done.exit_code != 0
    assert text in f"{done.exception} {done.output}"


def test_calibration_of_another_site_is_refused(tmp_path: Path) -> None:
    """What another site has learnt says nothing of this one."""
    file = tmp_path / "x.shadow"
    file.write_bytes(b"nonsense")
    done = CliRunner().invoke(app, ["shadow", "--site", "demo", "--state", str(file)])
    assert isinstance(done.exception, ConfigError)
    assert "is no calibration of site 'demo'" in str(done.exception)


@pytest.mark.parametrize(("interval", "blocks"), [(1, 20), (15, 10), (30, 10), (60, 10)])
def test_the_usual_learning_has_enough_blocks(interval: float, blocks: int) -> None:
    """Where samples are rare, ten minutes grow to the ten blocks of four that it takes."""
    usual = ShadowSettings.usual(interval)
    assert usual.phases.learning == usual.phases.proving == blocks
    assert usual.block >= 4 * interval


def test_rare_samples_need_no_option(tmp_path: Path) -> None:
    """A site whose exporters are scraped every 30 s is observed as it is."""
    site = tmp_path / "mine.yaml"
    site.write_text("name: mine\nracks: 1\ntelemetry: {interval_seconds: 30}\n")
    file = tmp_path / "x.shadow"
    file.write_bytes(b"nonsense")
    done = CliRunner().invoke(app, ["shadow", "--site", str(site), "--state", str(file)])
    assert "is no calibration of site 'mine'" in str(done.exception)
