"""Attribution of a firing to a fault."""

from __future__ import annotations

from twin.rules.attribution import owed
from twin.rules.engine import Episode

BEGAN = 60.0


def episode(pending: float, firing: float | None, ended: float | None, gpu: str = "0") -> Episode:
    """Return an episode of one alert."""
    return Episode(0, {"alertname": "A", "gpu": gpu}, pending, firing, ended)


def test_what_becomes_true_after_the_fault_is_of_the_fault() -> None:
    """An alert that is pending and fires after the fault began counts."""
    own = episode(60.0, 90.0, None)
    assert owed(own, [own], BEGAN)


def test_what_was_pending_before_the_fault_may_have_fired_without_it() -> None:
    """An alert that was true before the fault began does not count, however late it fires."""
    own = episode(55.0, 85.0, None)
    assert not owed(own, [own], BEGAN)


def test_what_came_and_went_before_is_kept_by_the_fault() -> None:
    """An alert that was pending before, but used to go by itself, is kept true by the fault."""
    own, gone = episode(55.0, 85.0, None), episode(20.0, None, 30.0)
    assert owed(own, [gone, own], BEGAN)


def test_another_instance_proves_nothing() -> None:
    """What another GPU's alert did before says nothing about this one."""
    own, other = episode(55.0, 85.0, None), episode(20.0, None, 30.0, gpu="1")
    assert not owed(own, [other, own], BEGAN)


def test_what_fires_before_the_fault_or_never_is_not_of_it() -> None:
    """Neither an alert that fired before nor one that was only pending counts."""
    assert not owed(episode(20.0, 50.0, None), [], BEGAN)
    assert not owed(episode(70.0, None, 80.0), [], BEGAN)
