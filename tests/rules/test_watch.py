"""Watch: what a run says otherwise than the one before."""

from __future__ import annotations

from pathlib import Path

from twin.rules.result import CheckStatus
from twin.rules.watch import Change, Outlook, changes, signature

PASSED, FAILED = CheckStatus.PASSED, CheckStatus.FAILED


def test_changes_are_told_and_nothing_else() -> None:
    """Checks that turn, details that differ, rules that come, go or are judged otherwise."""
    before = Outlook(
        {("a", "X fires"): (PASSED, "after 5s"), ("a", "Y fires"): (FAILED, "silent"),
         ("b", "X fires"): (PASSED, "after 5s"), ("b", "same"): (PASSED, "")},
        {("f", "X"): "detects a", ("f", "Gone"): "never true", ("f", "Same"): "never true"},
    )  # fmt: skip
    after = Outlook(
        {("a", "X fires"): (FAILED, "silent"), ("a", "Y fires"): (PASSED, "after 9s"),
         ("b", "X fires"): (PASSED, "after 9s"), ("b", "same"): (PASSED, "")},
        {("f", "X"): "never true", ("f", "New"): "detects b", ("f", "Same"): "never true"},
    )  # fmt: skip
    assert changes(before, after) == [
        Change(better=False, text="a: X fires: failed, was passed: silent"),
        Change(better=True, text="a: Y fires: passed, was failed: after 9s"),
        Change(better=None, text="b: X fires: after 9s, was: after 5s"),
        Change(better=None, text="X: never true, was: detects a"),
        Change(better=None, text="New: detects b (new)"),
        Change(better=None, text="Gone: gone"),
    ]


def test_a_saved_file_has_another_signature(tmp_path: Path) -> None:
    """A file that is saved, added or removed is noticed; one that is gone is no error."""
    path, gone = tmp_path / "a.yml", tmp_path / "gone.yml"
    path.write_text("a", encoding="utf-8")
    seen = signature([path, gone])
    assert seen == signature([path])
    path.write_text("ab", encoding="utf-8")
    assert signature([path]) != seen
