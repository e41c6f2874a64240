"""Scripts of the stack: what they do to this machine, without an engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = f"sha256:{'a1' * 32}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with the scripts of a clone, and a docker that knows one digest."""
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    for name in ("engine", "pin-images", "lib.sh"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts" / name)
    shutil.copy(ROOT / ".env.example", folder)
    _docker(folder, f"echo {DIGEST}")
    return folder


def _docker(clone: Path, script: str) -> None:
    docker = clone / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    docker.chmod(0o755)


def _run(clone: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    path = f"{clone}:{os.environ['PATH']}"
    return subprocess.run(
        [clone / "scripts" / words[0], *words[1:]],
        env={"PATH": path, **settings}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


# -- images ---------------------------------------------------------------------------------------


def test_images_are_pinned_in_one_place(clone: Path) -> None:
    """Every image of .env.example stands in .env with tag and digest, and all else stays."""
    (clone / ".env").write_text("SITE=shared\nMOSQUITTO_IMAGE=old\n", encoding="utf-8")
    assert _run(clone, "pin-images").returncode == 0
    site, *images = (clone / ".env").read_text(encoding="utf-8").splitlines()
    assert site == "SITE=shared"
    example = (clone / ".env.example").read_text(encoding="utf-8").splitlines()
    named = [line for line in example if "_IMAGE=" in line]
    assert len(named) == 7
    assert images == [f"{line}@{DIGEST}" for line in named]
    assert _run(clone, "pin-images", "--check").returncode == 0
    assert _run(clone, "pin-images", "--undo").returncode == 0
    assert (clone / ".env").read_text(encoding="utf-8") == "SITE=shared\n"


def test_a_tag_that_has_moved_is_told(clone: Path) -> None:
    """Another digest than the pinned one is named with its image, and so is none at all."""
    said = _run(clone, "pin-images", "--check")
    assert said.returncode == 2
    assert "prom/prometheus:v3.5.0@sha256" in said.stderr
    _run(clone, "pin-images")
    _docker(clone, f"echo {DIGEST.replace('a1', 'b2')}")
    said = _run(clone, "pin-images", "--check")
    assert said.returncode == 2
    assert "moved since: eclipse-mosquitto" in said.stderr


@pytest.mark.parametrize("script", ["echo no route to registry >&2; exit 1", "echo latest"])
def test_without_a_registry_nothing_changes(clone: Path, script: str) -> None:
    """Where no digest can be had it says why, with status 3, and .env is as it was."""
    (clone / ".env").write_text("SITE=shared\n", encoding="utf-8")
    _docker(clone, script)
    said = _run(clone, "pin-images")
    assert said.returncode == 3
    assert "eclipse-mosquitto:2.0.22: no digest can be had: " in said.stderr
    assert (clone / ".env").read_text(encoding="utf-8") == "SITE=shared\n"


# -- engine ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["start", "stop", "remove", "images", "docker"])
def test_an_engine_of_another_clone_is_left_alone(clone: Path, verb: str) -> None:
    """Whatever is asked of the folder of another clone's engine, it is refused and untouched."""
    base = clone.parent / "engine"
    base.mkdir()
    (base / "clone").write_text("/somebody/else", encoding="utf-8")
    (base / "ready").touch()
    said = _run(clone, "engine", verb, TWIN_ENGINE=str(base))
    assert said.returncode == 2
    assert "is the engine of another clone, /somebody/else; leave it alone" in said.stderr
    assert sorted(path.name for path in base.iterdir()) == ["clone", "ready"]


def test_a_folder_of_something_else_is_not_deleted(clone: Path) -> None:
    """A folder in which no engine was set up is not removed, whatever the setting says."""
    base = clone.parent / "precious"
    base.mkdir()
    (base / "thesis.tex").touch()
    assert _run(clone, "engine", "remove", TWIN_ENGINE=str(base)).returncode == 2
    assert (base / "thesis.tex").exists()


def test_a_process_that_has_the_number_of_an_engine_lives(clone: Path) -> None:
    """A number left over by an engine that is gone may be anybody's: only an engine is ended."""
    base = clone.parent / "engine"
    base.mkdir()
    (base / "clone").write_text(str(clone), encoding="utf-8")
    bystander = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        (base / "dockerd.pid").write_text(str(bystander.pid), encoding="utf-8")
        assert _run(clone, "engine", "remove", TWIN_ENGINE=str(base)).returncode == 0
        assert bystander.poll() is None
        assert not base.exists()
    finally:
        bystander.communicate()


def test_two_clones_have_two_engines(clone: Path) -> None:
    """The folder of an engine follows from the clone, unless it is named."""
    script = (clone / "scripts/engine").read_text(encoding="utf-8")
    assert 'base=${TWIN_ENGINE:-/var/tmp/twin-engine/$(printf %s "$root" | cksum' in script


def test_the_engine_changes_no_rule_of_the_network() -> None:
    """It sets no iptables rule, no forwarding and no docker0 that would have to be undone."""
    script = (ROOT / "scripts/engine").read_text(encoding="utf-8")
    for word in ("--bridge none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"):
        assert word in script
