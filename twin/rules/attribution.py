"""Attribution: which firings of an alert a fault is the cause of."""

from __future__ import annotations

from collections.abc import Sequence

from twin.rules.engine import Episode

__all__ = ["PENDING_BEFORE", "owed"]

PENDING_BEFORE = "it was pending before the fault began, and may have fired without it"
"""Why a firing after a fault may be none of it."""


def owed(episode: Episode, episodes: Sequence[Episode], began: float) -> bool:
    """Return whether a fault made an alert fire.

    An alert that was pending already when the fault began may have fired all the same. It counts
    only where the same alert, with the same labels, came and went before without firing: it is
    then the fault that keeps it true.

    Args:
        episode: one time that the alert was pending, and perhaps fired.
        episodes: all of that alert.
        began: when the fault began, in seconds.
    """
    if episode.firing is None or episode.firing < began:
        return False
    return episode.pending >= began or any(
        own.labels == episode.labels
        and own.firing is None
        and own.ended is not None
        and own.ended <= began
        for own in episodes
    )
