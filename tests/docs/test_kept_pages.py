"""What is kept of the calibration page between two runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from twin.docs import calibration


def test_the_page_is_made_once_for_the_same_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is made anew when the code that it follows from has changed, and only then."""
    made, code = [], ["one"]

    def make() -> dict[str, str]:
        made.append(code[0])
        return {"calibration.md": code[0]}

    monkeypatch.setattr(calibration, "_made", make)
    monkeypatch.setattr(calibration, "code_key", lambda _: code[0])
    monkeypatch.setattr(calibration, "user_folder", tmp_path.joinpath)
    assert [calibration.pages()["calibration.md"] for _ in range(2)] == ["one", "one"]
    code[0] = "two"
    assert calibration.pages() == {"calibration.md": "two"}
    assert made == ["one", "two"]


def test_the_page_follows_from_all_that_it_imports() -> None:
    """No module of the package that makes the page is left out of what it is kept by."""
    code = "import sys, twin.docs.calibration; print(*(m for m in sys.modules if m[:5] == 'twin.'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.split(".")[1] for name in run.stdout.split()}
    known = {Path(part).stem for part in calibration.MADE_OF}
    assert imported - known == {"content_cache", "errors"}
