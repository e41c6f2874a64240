"""Commands that change the detail, their answers, and what the broker keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from twin.aggregator import Core
from twin.aggregator.detail import Outgoing
from twin.site import DetailPlan, Layout, count_series, series_by_detail
from twin.wire import Ack, DetailSetting, Outputs, SetDetail, Topics, decode_message

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

TOPICS = Topics("small")


def _ack(outgoing: Outgoing) -> Ack:
    assert (outgoing.topic, outgoing.retain) == (TOPICS.ack("set-1"), False)
    return decode_message(Ack, outgoing.payload)


def _kept(outgoing: Outgoing) -> tuple[str, ...]:
    assert (outgoing.topic, outgoing.retain) == (TOPICS.detail, True)
    return decode_message(DetailSetting, outgoing.payload).detail


def test_a_setting_is_kept_and_answered(feed: Feed) -> None:
    """The broker keeps the whole setting, and the answer says what it costs."""
    kept, answer = feed.detail("rack", "a002=site")
    assert feed.core.plan.settings == _kept(kept)
    ack = _ack(answer)
    series = count_series(feed.layout, feed.core.plan)
    assert (ack.accepted, ack.detail) == (True, f"{feed.core.plan}: {series:,} series")


def test_settings_add_up(feed: Feed) -> None:
    """One command changes what it names and leaves the rest."""
    feed.detail("rack")
    feed.detail("a002=site")
    assert [level.value for level in feed.core.plan.levels] == ["rack", "site"]


def test_a_wrong_setting_changes_nothing(feed: Feed) -> None:
    """It is answered with the remedy, and nothing is kept."""
    before = feed.core.plan
    (answer,) = feed.detail("a009=gpu")
    ack = _ack(answer)
    assert not ack.accepted
    assert "the last is a002" in ack.detail
    assert feed.core.plan is before


def test_an_empty_command_asks(feed: Feed) -> None:
    """It is answered with what is in force and keeps nothing."""
    (answer,) = feed.detail()
    series = series_by_detail(feed.layout)["gpu"]
    assert _ack(answer).detail == f"gpu: {series:,} series"


def test_reset_goes_back_to_the_start(layout: Layout, new_feed: type[Feed]) -> None:
    """What the aggregator was started with is in force again, and nothing is kept."""
    feed = new_feed(Core(layout, DetailPlan.of_site(layout.site).changed(["rack"])), {})
    feed.detail("a001=site")
    forgotten, answer = feed.detail(reset=True)
    assert forgotten == Outgoing(TOPICS.detail, b"", retain=True)
    assert _ack(answer).accepted
    assert feed.core.plan.settings == ("rack",)


def test_reset_and_set_at_once(layout: Layout, new_feed: type[Feed]) -> None:
    """Settings may follow a reset in the same command."""
    feed = new_feed(Core(layout, DetailPlan.of_site(layout.site).changed(["rack"])), {})
    feed.detail("site")
    kept, _ = feed.detail("a002=gpu", reset=True)
    assert [level.value for level in feed.core.plan.levels] == ["rack", "gpu"]
    assert DetailSetting(detail=_kept(kept)).detail == feed.core.plan.settings


def test_what_was_kept_is_taken_over(feed: Feed) -> None:
    """An aggregator that starts anew exposes what the last one was told to."""
    feed.send(TOPICS.detail, DetailSetting(detail=("rack", "a002=gpu")).encode(), retain=True)
    assert [level.value for level in feed.core.plan.levels] == ["rack", "gpu"]
    assert feed.core.outbox() == []
    feed.send(TOPICS.detail, b"")
    assert feed.core.plan == DetailPlan.of_site(feed.layout.site)


def test_the_own_setting_that_comes_back_changes_nothing(feed: Feed) -> None:
    """The broker sends it to us too: the same plan, and no answer to it."""
    kept, _ = feed.detail("a001=site")
    plan = feed.core.plan
    feed.send(kept.topic, kept.payload)
    assert feed.core.plan == plan
    assert feed.core.outbox() == []


@pytest.mark.parametrize(
    ("topic", "payload", "retain", "reason"),
    [
        (TOPICS.detail, b"{", True, "malformed"),
        (TOPICS.detail, b"x" * 300_000, True, "oversized"),
        (TOPICS.detail, DetailSetting(detail=("a999=gpu",)).encode(), True, "value"),
        (TOPICS.command("detail"), b"[]", False, "malformed"),
        (TOPICS.command("detail"), SetDetail(id="x", detail=("site",)).encode(), True, "stale"),
    ],
)
def test_nonsense_is_refused_and_counted(
    feed: Feed, topic: str, payload: bytes, retain: bool, reason: str
) -> None:
    """A stranger's message changes nothing, whatever it is."""
    before = feed.core.plan
    feed.send(topic, payload, retain=retain)
    assert feed.core.plan == before
    assert feed.core.outbox() == []
    assert feed.tally("twin_messages_refused_total", reason) == 1


def test_other_commands_are_not_ours(
    layout: Layout, outputs: Callable[[Layout], Outputs], new_feed: type[Feed]
) -> None:
    """What is meant for the emulator is neither answered nor refused."""
    feed = new_feed(Core(layout), outputs(layout))
    feed.send(TOPICS.command("inject"), b"{}")
    assert feed.core.outbox() == []
    assert sum(feed.core.telemetry.tallies()["twin_messages_refused_total"].values()) == 0


def test_a_broker_that_forgot_is_told_again(feed: Feed) -> None:
    """After a restart of a broker that keeps nothing the setting is retained anew, once."""
    kept, _ = feed.detail("a001=site")
    feed.core.connected(False)
    feed.core.connected(True)
    for _ in range(3):
        feed.wait(0.5)
        assert feed.core.outbox() == []
    feed.wait(0.5)
    assert feed.core.outbox() == [kept]
    feed.wait(0.5)
    assert feed.core.outbox() == []


def test_a_broker_that_remembers_is_not_told_again(feed: Feed) -> None:
    """What the broker retains outweighs what we remember, also that there is nothing to keep."""
    kept, _ = feed.detail("a001=site")
    feed.core.connected(False)
    feed.core.connected(True)
    feed.send(kept.topic, kept.payload, retain=True)
    for _ in range(10):
        feed.wait(0.5)
    assert feed.core.outbox() == []
    feed.detail(reset=True)
    feed.core.connected(True)
    for _ in range(10):
        feed.wait(0.5)
    assert feed.core.outbox() == []
