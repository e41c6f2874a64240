"""YAML by its core schema, and YAML that no file of ours needs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from twin.errors import ConfigError
from twin.scenario.loader import parse_scenario
from twin.site import load_site, parse_site
from twin.yamls import compose, entries, load

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + below] * 10)}]\n"
    for below, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: &a [*a]\n", "an alias leads back to itself"),
        (LAUGHS, "with its aliases written out it has more than 500,000 values"),
        ("name: !!timestamp 2026-13-45\n", "could not determine a constructor"),
        ("name: !!int x\n", "'x' is not a whole number"),
        (f"racks: {'9' * 5000}\n", "is not a whole number"),
        ("[" * 100_000, "it is nested too deeply"),
        ("{a: " * 100_000, "it is nested too deeply"),
        ("- " * 100_000, "it is nested too deeply"),
        ("a: 1\n---\nb: 1\n", "a second document"),
        ("name: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
    ],
)
def test_refused_in_a_sentence(text: str, words: str) -> None:
    """It is one error that names the file and what is wrong, in sites and in scenarios."""
    with pytest.raises(ConfigError, match=words):
        parse_site(text, "mine.yaml")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        parse_scenario(text, Path("mine.yaml"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("1:30", "1:30"),
        ("22:00", "22:00"),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("on", "on"),
        ("2026-13-45", "2026-13-45"),
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z"),
        ("true", True),
        ("1e3", 1000.0),
        ("-.Inf", -math.inf),
        ("~", None),
        ("=", "="),
    ],
)
def test_plain_words_are_of_the_core_schema(text: str, value: object) -> None:
    """A number is decimal, and what YAML 1.1 took for a switch, a time or a date is a word."""
    assert load(f"a: {text}\n", "mine.yaml") == {"a": value}


def test_a_merge_key_is_followed() -> None:
    """What is merged is there, and one's own keys go before it."""
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n"
    assert load(text, "mine.yaml")["b"] == {"x": 1, "y": 3}
    root = compose(text, "mine.yaml")
    assert {k: v.value for k, v in entries(entries(root)["b"]).items()} == {"x": "1", "y": "3"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding: str, tmp_path: Path) -> None:
    """A site is read in UTF-8, with a byte order mark or without, and in UTF-16."""
    path = tmp_path / "mine.yaml"
    path.write_bytes("name: mine\nracks: 010\n".encode(encoding))
    assert load_site(str(path)).racks == 10


def test_a_site_in_a_scenario_is_not_read_twice() -> None:
    """A word that YAML 1.1 quotes differently stays what it is on its way to the site."""
    text = 'title: t\nsite: {name: "0o10", racks: 010, servers_per_rack: 1}\nduration: 1m\n'
    site = parse_scenario(text, Path("mine.yaml")).layout.site
    assert (site.name, site.racks) == ("0o10", 10)


def test_aliases_are_of_use() -> None:
    """An alias that only saves writing is understood."""
    site = parse_site("name: small\nracks: &n 2\nmegapacks: {count: *n}\n", "mine.yaml")
    assert (site.racks, site.megapacks.count) == (2, 2)


def test_a_key_that_is_no_word() -> None:
    """A key of a scenario that is a list is refused with its line."""
    with pytest.raises(ConfigError, match=r"mine\.yaml:1:3: a key is a word"):
        parse_scenario("? [a]\n: b\n", Path("mine.yaml"))
