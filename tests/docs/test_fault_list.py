"""List of the faults: kept as it would be made."""

from __future__ import annotations

from twin.docs.fault_list import LISTED, described, pages


def test_kept_list_is_that_of_the_faults() -> None:
    """``twin faults`` prints what each fault says of itself now."""
    ((path, text),) = pages().items()
    assert path == "../twin/faults/listed.json"
    assert LISTED.read_text(encoding="utf-8") == text, "run `python -m twin.docs`"
    assert len(described()) == text.count('"fault":')
