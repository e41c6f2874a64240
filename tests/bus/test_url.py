"""Addresses of brokers: what they mean, what they hide, how they are refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.bus import BrokerUrl
from twin.errors import ConfigError

SECRET = "hush-hush"  # noqa: S105 - opens nothing
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
SECRETS = st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: SECRET + text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://broker", BrokerUrl("broker", 1883)),
        ("mqtt://broker:2883", BrokerUrl("broker", 2883)),
        ("mqtt://broker/", BrokerUrl("broker", 1883)),
        ("mqtts://broker", BrokerUrl("broker", 8883, tls=True)),
        ("mqtt://[::1]", BrokerUrl("::1", 1883)),
        ("mqtt://[fe80::1]:9", BrokerUrl("fe80::1", 9)),
        ("mqtt://user@broker", BrokerUrl("broker", 1883, "user")),
        ("mqtt://user:@broker", BrokerUrl("broker", 1883, "user", "")),
        ("mqtt://us%40er:p%2Fw%3A@broker", BrokerUrl("broker", 1883, "us@er", "p/w:")),
        (
            "mqtts://user:pw@broker:1?ca=/etc/my%20ca.pem",
            BrokerUrl("broker", 1, "user", "pw", tls=True, ca_file=Path("/etc/my ca.pem")),
        ),
    ],
)
def test_parse(text: str, expected: BrokerUrl) -> None:
    """Every part of an address is understood, with MQTT's default ports."""
    assert BrokerUrl.parse(text) == expected


@given(username=NAMES, password=SECRETS)
@settings(deadline=None)
def test_any_credentials(username: str, password: str) -> None:
    """Whatever user and password contain, percent-encoded they come back as they were."""
    url = BrokerUrl.parse(f"mqtt://{quote(username, safe='')}:{quote(password, safe='')}@host")
    assert (url.username, url.password, url.host) == (username, password, "host")


@given(username=NAMES, password=SECRETS)
@settings(deadline=None)
def test_password_is_never_shown(username: str, password: str) -> None:
    """No way of printing an address prints its password."""
    url = BrokerUrl("host", 1883, username, password)
    for shown in (str(url), repr(url), f"{url}", f"{url!r}"):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "text",
    [
        "mqtt://host:1883",
        "mqtt://user@host:1883",
        "mqtts://us%40er@host:8883?ca=/etc/my%20ca.pem",
        "mqtt://[fe80::1]:1883",
        "mqtt://user@a:1883,mqtts://b:8883?ca=/ca.pem,mqtt://c:1883",
    ],
)
def test_str_is_an_address(text: str) -> None:
    """An address without a password is printed so that it can be given again."""
    assert str(BrokerUrl.parse(text)) == text


def test_password_from_a_file(tmp_path: Path) -> None:
    """A password file's first line is the password, whatever characters it has."""
    file = tmp_path / "password"
    file.write_text(f"{SECRET} ?#@/\nnot this\n", encoding="utf-8")
    url = BrokerUrl.parse(f"mqtt://user@host?password_file={quote(str(file))}")
    assert (url.username, url.password) == ("user", f"{SECRET} ?#@/")


@pytest.mark.parametrize(
    ("content", "address", "why"),
    [
        (None, "mqtt://user@host", "cannot be read: No such file"),
        (b"", "mqtt://user@host", "is empty"),
        (b"\nsecond line\n", "mqtt://user@host", "is empty"),
        (b"\xff", "mqtt://user@host", "is not UTF-8"),
        (b"hush", "mqtt://user:pw@host", "leave one out"),
        (b"hush", "mqtt://host", "no user"),
    ],
)
def test_password_file_refused(
    tmp_path: Path, content: bytes | None, address: str, why: str
) -> None:
    """A password file that gives no password is refused with its name and the reason."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=why):
        BrokerUrl.parse(f"{address}?password_file={file}")


def test_str_marks_the_password() -> None:
    """That there is a password is shown."""
    assert str(BrokerUrl.parse(f"mqtt://user:{SECRET}@host")) == "mqtt://user:***@host:1883"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begin with mqtt://"),
        ("host:1883", "begin with mqtt://"),
        (f"http://user:{SECRET}@host", "begin with mqtt://"),
        (f"user:{SECRET}@host", "begin with mqtt://"),
        ("mqtt://", "host is missing"),
        (f"mqtt://user:{SECRET}@", "host is missing"),
        (f"mqtt://user:{SECRET}@host:port", "host or port"),
        (f"mqtt://user:{SECRET}@host:65536", "host or port"),
        (f"mqtt://user:{SECRET}@[::1", "host or port"),
        ("mqtt://host:0", "1 to 65535"),
        ("mqtt://host/topic", "follows the port"),
        ("mqtt://host#x", "follows the port"),
        (f"mqtt://user:a/{SECRET}@host", "host or port"),
        (f"mqtt://user:#{SECRET}@host", "follows the port"),
        (f"mqtt://user:1?{SECRET}@host", "only ca="),
        (f"mqtt://:{SECRET}@host", "no user"),
        ("mqtts://host?cert=/x", "only ca="),
        ("mqtts://host?ca=", "only ca="),
        ("mqtts://host?ca=/x&ca=/y", "only ca="),
        ("mqtt://host?ca=/x", "needs mqtts://"),
        ("mqtt://a,b:1884", "next whole address"),
        ("mqtt://a,mqtt://", "host is missing"),
        (f"mqtt://a,mqtt://user:{SECRET}@b/x", "follows the port"),
    ],
)
def test_refused(text: str, why: str) -> None:
    """An address that means nothing is refused with the reason and an example, secrets hidden."""
    with pytest.raises(ConfigError, match=why) as caught:
        BrokerUrl.parse(text)
    assert "write mqtt://user:password@host:1883" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_nodes_of_a_cluster() -> None:
    """Addresses with commas between them are the nodes of one cluster, in that order."""
    url = BrokerUrl.parse("mqtt://user:a,b@one,mqtts://two:1")
    one = BrokerUrl("one", 1883, "user", "a,b")
    two = BrokerUrl("two", 1, tls=True)
    assert url.nodes == (one, two)
    assert one.nodes == (one,)
