"""The broker's access list, as text; what a real broker makes of it is in tests/integration."""

from __future__ import annotations

import pytest

from twin.aggregator import Token
from twin.catalog import UnitKind
from twin.compose.acl import BrokerRole, BrokerUser, render_acl
from twin.errors import ConfigError
from twin.redfish import Login, RedfishCore
from twin.shadow import ShadowCore
from twin.site import Layout, load_site
from twin.wire import Topics

SITE = "demo"


def rights(role: BrokerRole, *, injects: bool = False) -> set[tuple[str, str]]:
    """Return the rights of a user of that role."""
    return set(BrokerUser("who", role, SITE, injects=injects).rights())


def test_an_emulator_writes_every_kind_of_frame() -> None:
    """A new kind of frame is in the access list without anybody's doing."""
    written = {topic for right, topic in rights(BrokerRole.EMULATOR) if right == "write"}
    assert {Topics(SITE).frames(kind) for kind in UnitKind} <= written


def test_only_control_writes_commands() -> None:
    """Nobody but control may give commands, and an aggregator only when its page may."""
    commands = f"twin/v1/{SITE}/command/"
    may = {
        (role, injects)
        for role in BrokerRole
        for injects in (False, True)
        if any(right == "write" and topic.startswith(commands)
               for right, topic in rights(role, injects=injects))
    }  # fmt: skip
    assert may == {
        (BrokerRole.CONTROL, False),
        (BrokerRole.CONTROL, True),
        (BrokerRole.AGGREGATOR, True),
    }


def test_a_guest_writes_nothing() -> None:
    """Guests, the health check and the racks' BMCs only read."""
    for role in (BrokerRole.GUEST, BrokerRole.HEALTH, BrokerRole.CONTROLLERS):
        assert {right for right, _ in rights(role)} == {"read"}


def test_a_status_is_its_emulators_own() -> None:
    """No right to write a status holds for more than one emulator."""
    text = render_acl([BrokerUser("plant-0", BrokerRole.EMULATOR, SITE)])
    assert "topic write twin/v1/demo/status/plant-0\n" in text
    assert "status/+" not in text


@pytest.mark.parametrize("role", [BrokerRole.EMULATOR, BrokerRole.AGGREGATOR, BrokerRole.OBSERVER,
                                  BrokerRole.CONTROLLERS])  # fmt: skip
def test_who_writes_telemetry_is_of_a_site(role: BrokerRole) -> None:
    """An emulator, aggregator or observer without a site would have the rights of all."""
    with pytest.raises(ConfigError, match="'who' of the broker has no site"):
        BrokerUser("who", role).rights()


def test_bmcs_may_read_what_they_ask_for() -> None:
    """Each subscription of the Redfish service is within its rights, and it has no other."""
    topics = Topics(SITE)
    site = load_site(SITE)
    telemetry = site.telemetry.model_copy(update={"racks_per_message": 8})
    grouped = Layout(site.model_copy(update={"telemetry": telemetry}))
    core = RedfishCore(grouped, Login("admin", Token.random()))
    assert {topic for _, topic in rights(BrokerRole.CONTROLLERS)} == set(core.subscriptions(topics))


def test_the_observer_may_read_what_it_asks_for() -> None:
    """Each of its subscriptions is within its rights, which are no others but its reports."""
    topics, site = Topics(SITE), load_site(SITE)
    telemetry = site.telemetry.model_copy(update={"racks_per_message": 8})
    core = ShadowCore(Layout(site.model_copy(update={"telemetry": telemetry})))
    read = {topic for right, topic in rights(BrokerRole.OBSERVER) if right == "read"}
    assert read == {*core.subscriptions, topics.shadow("+")}
