"""The examples: each runs as its index says, and the index has all of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from twin.site import Layout, load_site
from twin.stack.local import LocalConfig, local_stack

EXAMPLES = Path(__file__).parents[2] / "examples"


def module(name: str) -> ModuleType:
    """Return an example as a module."""
    spec = spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def rules_in_ci(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the script of a copy of the examples."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        [folder / "rules-in-ci.sh", *options],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Return a copy of the examples."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))


def test_index_has_every_example() -> None:
    """What is in the folder is in its index, and what the index names is there."""
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    named = re.findall(r"\]\(([^/)]+)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert set(named) == files


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ride_through", r"0 Megapacks: +1 s, 2 racks shed\n(.*\n)*4 Megapacks: +inf s, 0 racks"),
        ("supply_temperature", r"one degree costs 0\.0\d+ % of the energy\nGPUs .* 36 °C\n$"),
        ("redundancy", r"^r0001: .* 25 s\nr0002: .* 45 s\nr0003: .* 85 s\n$"),
    ],
)
def test_notebook_answers_its_question(
    name: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The cells of a notebook run one after the other, print the answer and draw it.

    With ``TWIN_PICTURES=docs/img`` the pictures go there.
    """
    monkeypatch.setenv("MPLBACKEND", "agg")
    pictures = Path(os.environ.get("TWIN_PICTURES", tmp_path)).resolve()
    monkeypatch.chdir(pictures)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)  # runs of a sweep in this process
    text = (EXAMPLES / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    space: dict[str, object] = {}
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), space)  # noqa: S102 - a notebook of ours
    printed = capsys.readouterr().out
    assert re.search(told, printed), printed
    assert (pictures / f"{name}.png").read_bytes().startswith(b"\x89PNG")


async def test_site_runs_and_its_frames_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The site of one's own publishes frames that the client in ten lines understands."""
    layout = Layout(load_site(str(EXAMPLES / "site.yaml")))
    async with local_stack(LocalConfig(layout, port=0, mqtt_port=0)) as stack:
        await module("read_frame").read("127.0.0.1", str(stack.broker.port))
    told = capsys.readouterr().out
    printed = re.search(r"^twin/v1/mine/rack/r000[1-4] ([\d.]+) °C$", told, re.MULTILINE)
    assert printed is not None, told
    assert 20 < float(printed[1]) < 95


@pytest.mark.integration
def test_rules_in_ci_pass_and_fail(copied: Path) -> None:
    """The scenario proves the rules; a rule that comes too late, or names nothing, is red."""
    done = rules_in_ci(copied, "--all")
    assert done.returncode == 0, done.stderr
    assert "exactly these fire: CoolantPumpDown" in done.stdout
    rules = (copied / "rules.yml").read_text(encoding="utf-8")
    (copied / "rules.yml").write_text(rules.replace("for: 30s", "for: 2m"), encoding="utf-8")
    assert rules_in_ci(copied).returncode == 1
    (copied / "rules.yml").write_text(rules.replace("pump_state", "pump_stat"), encoding="utf-8")
    assert rules_in_ci(copied).returncode == 2
