"""What scripts/test asks of pytest-xdist: that tests with a server in common share a worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = """
import os
import pytest

@pytest.mark.xdist_group("one server")
@pytest.mark.parametrize("number", range(8))
def test_shares(number):
    with open({heard!r}, "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_group_is_taken_by_one_worker(tmp_path: Path) -> None:
    """Versions of pytest and pytest-xdist that do not fit leave groups apart without a word."""
    heard = tmp_path / "heard"
    (tmp_path / "test_shares.py").write_text(TESTS.format(heard=str(heard)), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    side_by_side = ["--numprocesses", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    subprocess.run([*command, *side_by_side, str(tmp_path)], check=True, stdout=subprocess.DEVNULL)
    workers = heard.read_text(encoding="utf-8").split()
    assert len(workers) == 8
    assert len(set(workers)) == 1
