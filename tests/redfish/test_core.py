"""The core of the BMCs: what it asks the bus for."""

from __future__ import annotations

from twin.aggregator.tokens import Token
from twin.redfish.core import RedfishCore
from twin.redfish.sessions import Login
from twin.site import Layout, parse_site
from twin.wire import Topics

SITE = "name: small\nracks: 4\nracks_per_array: 2\ntelemetry: {{racks_per_message: {most}}}\n"
TOPICS = Topics("small")


def blocks(most: int, racks: tuple[str, ...] = ()) -> list[str]:
    """Return the blocks that the BMCs of some racks ask for."""
    layout = Layout(parse_site(SITE.format(most=most), "small"))
    core = RedfishCore(layout, Login("admin", Token("a-long-password")), racks)
    return [topic for topic in core.subscriptions(TOPICS) if "/racks/" in topic]


def test_bmcs_ask_for_blocks_where_the_site_has_them() -> None:
    """Of chosen racks only their arrays' blocks are asked for; none where racks travel alone."""
    assert blocks(2, ("r0003", "r0004")) == [TOPICS.blocks("a002")]
    assert blocks(2) == [TOPICS.blocks("+")]
    assert blocks(1) == []
