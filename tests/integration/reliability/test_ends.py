"""Ends of a process that come at a bad moment: a full disk, SIGTERM at any time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.reliability.pipeline import SITE, Process, slowness, stop_seconds
from twin.emulator.state import StateFile
from twin.site import Layout, parse_site

if TYPE_CHECKING:
    from tests.integration.conftest import Mosquitto

pytestmark = pytest.mark.integration

MOMENTS = int(os.environ.get("TWIN_MOMENTS", "12"))
AT_ONCE = 3
STARTED_SECONDS = 4.0
"""By then a command has loaded, connected and published for a while, on a machine that has time."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A small site in a file."""
    (tmp_path / "small.yaml").write_text(SITE)
    return tmp_path / "small.yaml"


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, of its own."""
    if os.geteuid() != 0:
        pytest.fail("this test mounts a file system; run it as root, or run -m 'not integration'")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_disk_full(
    tiny_disk: Path,
    tmp_path: Path,
    site: Path,
    mosquitto: Mosquitto,
    eventually: Callable[..., Any],
) -> None:
    """A full disk costs no frame and not the state that was kept; it is said, and it passes."""
    layout = Layout(parse_site(SITE, "small"))
    emulator = Process(
        tmp_path / "emulator.log", "emulate", "--site", str(site), "--broker", str(mosquitto.url),
        "--state", str(tiny_disk), environment={},
    )  # fmt: skip
    state = tiny_disk / "plant.state"
    emulator.start()
    eventually(state.exists)
    kept = state.read_bytes()
    ballast = tiny_disk / "ballast"
    subprocess.run(["dd", "if=/dev/zero", f"of={ballast}"], check=False, capture_output=True)
    assert emulator.end() == 0
    assert "state not kept" in emulator.log.read_text()
    assert "No space left" in emulator.log.read_text()
    assert state.read_bytes() == kept, "what was kept before is whole"
    assert [file.name for file in tiny_disk.iterdir() if file != ballast] == ["plant.state"]
    ballast.unlink()
    emulator.start()
    eventually(lambda: "state taken up" in emulator.log.read_text())
    eventually(lambda: state.read_bytes() != kept)
    assert emulator.end() == 0
    ended = StateFile(tiny_disk, layout, "training").load()
    assert ended is not None
    assert ended.ended


@pytest.mark.parametrize(
    "command",
    ["up", *(pytest.param(own, marks=pytest.mark.full) for own in ("emulate", "aggregate"))],
)
def test_sigterm_at_any_moment(
    command: str, tmp_path: Path, site: Path, mosquitto: Mosquitto
) -> None:
    """Whenever SIGTERM comes, the end is orderly and soon, and no state is half written."""
    layout = Layout(parse_site(SITE, "small"))
    arguments = {
        "emulate": ["--broker", str(mosquitto.url)],
        "aggregate": ["--broker", str(mosquitto.url), "--port", "0"],
        "up": ["--port", "0", "--mqtt-port", "0"],
    }[command]

    def one(number: int) -> tuple[int, float, str]:
        """Return the status, the time it took as a share of the longest, and what was said."""
        folder = tmp_path / f"state-{number}"
        state = [] if command == "aggregate" else ["--state", str(folder)]
        name = ["--name", f"plant-{number}"] if command == "emulate" else []
        share = random.Random(number).random()  # noqa: S311 - the same moments each time
        moment = share * STARTED_SECONDS * slowness()
        log = tmp_path / f"{command}-{number}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "twin", command, "--site", str(site), *arguments, *state,
                 *name],
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        time.sleep(moment)  # the moment is what is tested
        process.terminate()
        began = time.monotonic()
        status = process.wait(60)
        took = (time.monotonic() - began) / stop_seconds()
        if folder.exists():
            assert not list(folder.glob("*.new")), "a half-written state is left"
            StateFile(folder, layout, "training").load()
        return status, took, log.read_text()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ends = list(pool.map(one, range(MOMENTS)))
    # Before the program has begun to listen for it the signal is fatal, and nothing is open yet.
    assert {status for status, _, _ in ends} <= {0, -signal.SIGTERM}
    assert not [said for _, _, said in ends if "Traceback" in said or "not retrieved" in said]
    assert max(took for _, took, _ in ends) <= 1.0
