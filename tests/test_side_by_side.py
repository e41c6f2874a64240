"""Tests side by side: which worker takes them, in which order, and what collecting them costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import conftest
from twin.plant import Conditions, Plant
from twin.site import Layout, parse_site

LAYOUT = Layout(parse_site("{name: small, racks: 1, servers_per_rack: 1}", "test"))

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


def test_the_order_of_groups_is_that_of_those_there_are() -> None:
    """A group that is renamed keeps its place; one without a place comes with its folder."""
    folder = Path(__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    assert set(conftest._FIRST) <= set(re.findall(r'xdist_group\("([a-z ]+)"\)', text))


def test_a_plant_is_not_stepped_while_tests_are_collected() -> None:
    """A simulation among the parameters of a test ends the run, and says what to do."""
    step, collection = Plant.step, conftest.pytest_collection()
    next(collection)
    with pytest.raises(RuntimeError, match="while tests are collected: do so in a test"):
        Plant(LAYOUT).step(1.0, Conditions.healthy(LAYOUT))
    with pytest.raises(StopIteration):
        next(collection)
    assert Plant.step is step


FAILS = """
import gc
import socket

def test_leaves_a_socket_open():
    own = socket.socket()
    assert own is None

def test_collects():
    gc.collect()
"""


def test_what_a_failed_test_left_open_is_not_charged_to_the_next(tmp_path: Path) -> None:
    """One test fails, and not the one after it."""
    (tmp_path / "test_fails.py").write_text(FAILS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", str(tmp_path), "-q"]
    plugins = ["-p", "tests.conftest", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(
        [*command, *plugins, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert "1 failed, 1 passed" in done.stdout


@pytest.mark.parametrize(
    ("status", "marks", "expected"),
    [
        (1, ["integration"], 7),
        (1, ["integration"] * 5, 7),
        (1, ["integration"] * 6, 1),
        (1, ["integration", "rules"], 1),
        (1, [], 1),
        (2, ["integration"], 2),
    ],
)
def test_a_few_tests_with_servers_get_a_second_look(
    status: int, marks: list[str], expected: int
) -> None:
    """No other failure is forgiven: neither many, nor one that computes, nor one of collecting."""
    failed = [
        pytest.TestReport(f"test{n}", ("", 0, ""), {mark: 1}, "failed", None, "call")
        for n, mark in enumerate(marks)
    ]
    assert conftest.status_of(status, failed) == expected
