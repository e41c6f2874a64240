"""YAML that no file of ours needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.errors import ConfigError
from twin.scenario.loader import parse_scenario
from twin.site import parse_site

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + below] * 10)}]\n"
    for below, name in zip("abcde", "bcdef", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: &a [*a]\n", "an alias leads back to itself"),
        (LAUGHS, "with its aliases written out it has more than 100,000 values"),
        ("name: 2026-13-45\n", "a value is neither a number nor a date"),
        ("[" * 3000, "it is nested too deeply"),
        ("name: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
    ],
)
def test_refused_in_a_sentence(text: str, words: str) -> None:
    """It is one error that names the file and what is wrong, in sites and in scenarios."""
    with pytest.raises(ConfigError, match=words):
        parse_site(text, "mine.yaml")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        parse_scenario(text, Path("mine.yaml"))


def test_aliases_are_of_use() -> None:
    """An alias that only saves writing is understood."""
    site = parse_site("name: small\nracks: &n 2\nmegapacks: {count: *n}\n", "mine.yaml")
    assert (site.racks, site.megapacks.count) == (2, 2)


def test_a_key_that_is_no_word() -> None:
    """A key of a scenario that is a list is refused with its line."""
    with pytest.raises(ConfigError, match=r"mine\.yaml:1: a key is a word"):
        parse_scenario("? [a]\n: b\n", Path("mine.yaml"))
