"""Joining of windows: an episode that goes on is one episode."""

from __future__ import annotations

from tests.rules.conftest import episode
from twin.rules.backtest.joining import EpisodeLedger


def test_an_episode_goes_on_in_the_next_window() -> None:
    """What was firing at the end of a window and still is has its first start and its last end."""
    ledger = EpisodeLedger()
    ledger.take([episode("A", 10, 40, None, gpu="0"), episode("B", 20, 30, 50)], 0)
    ledger.take([episode("A", 60, 90, 150, gpu="0"), episode("B", 20, 30, 50)], 100)
    assert [(own.labels["alertname"], own.pending, own.firing, own.ended)
            for own in ledger.episodes] == [("A", 10, 40, 150), ("B", 20, 30, 50)]  # fmt: skip


def test_an_episode_that_ends_at_the_seam_ends_there() -> None:
    """What the next window does not have was over when it began."""
    ledger = EpisodeLedger()
    ledger.take([episode("A", 10, None, None)], 0)
    ledger.take([episode("A", 130, 140, None)], 100)
    found = [(own.pending, own.firing, own.ended) for own in ledger.episodes]
    assert found == [(10, None, 100), (130, 140, None)]
