"""Tables that can be added to for a while."""

from __future__ import annotations

from contextlib import suppress

import pytest

from twin.registry import ByName, Registry, View


def test_what_is_added_is_there_for_as_long_as_the_context_lasts() -> None:
    """Items follow what ships, views and names see them, and an error takes them away too."""
    words = Registry("one", "two")
    lengths = View(lambda: (len(word) for word in words))
    by_first = ByName(words, lambda word: word[0])
    with suppress(ZeroDivisionError), words.extended(["three"]), words.extended(["four"]):
        assert list(words) == ["one", "two", "three", "four"]
        assert (len(words), list(lengths), by_first["f"]) == (4, [3, 3, 5, 4], "four")
        raise ZeroDivisionError
    assert list(words) == ["one", "two"]
    assert "three" not in words
    assert list(by_first) == ["o", "t"]
    with pytest.raises(KeyError, match="f"):
        by_first["f"]
