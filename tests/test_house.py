"""The house: locks that install the same everywhere, scripts that run, a package that is whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from twin import __version__
from twin.compose import MAKES_SECRETS

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
EVERY_LOCK = (*LOCKS, "requirements-docker.lock")
SCRIPTS = (
    "scripts/run",
    "scripts/test",
    "scripts/test-compose",
    "scripts/check",
    "scripts/audit",
    "scripts/engine",
    "scripts/lock",
    ".ci/run",
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions of every package in a lock; there may be one a Python version."""
    found: dict[str, set[str]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
        found.setdefault(normal(name), set()).add(version)
    return found


def normal(name: str) -> str:
    """Return a package name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(requirements: list[str]) -> set[str]:
    """Return the package names of some requirements."""
    return {normal(re.split(r"[\s<>=!~\[;]", line, maxsplit=1)[0]) for line in requirements}


@pytest.mark.parametrize("lock", EVERY_LOCK)
def test_lock_is_exact_and_hashed(lock: str) -> None:
    """Every entry has one version and a hash, so that two machines install the same bytes."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert len(entries) >= 2
    for entry in entries:
        assert re.match(r"^[A-Za-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("lock", EVERY_LOCK)
def test_lock_names_no_address(lock: str) -> None:
    """Where packages come from is the business of the machine that installs them."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--(extra-)?index-url|--find-links)", text, re.MULTILINE)


def test_locks_cover_the_project() -> None:
    """What pyproject.toml asks for is locked, and the runtime lock has nothing for developers."""
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    runtime, build, dev = (pins(lock) for lock in LOCKS)
    assert wanted(project["dependencies"]) <= runtime.keys()
    extras = project["optional-dependencies"]
    shipped = extras["broker"] + extras["secrets"]
    assert wanted(shipped) <= runtime.keys()
    assert wanted(groups["build"]) <= build.keys()
    assert wanted(project["dependencies"] + groups["build"] + groups["dev"]) <= dev.keys()
    both = {"websockets"}  # the page's tests speak it to Chromium, amqtt to its clients
    assert wanted(groups["dev"]) & runtime.keys() == both | wanted(shipped)


HIDDEN = ("amqtt", "bcrypt", "cryptography", "docker", "gymnasium", "pandas", "pyarrow", "sklearn")
"""What the base install lacks."""
WITHOUT_EXTRAS = f"""
import sys
for name in {HIDDEN!r}:
    sys.modules[name] = None  # an import of it fails
from twin.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (
            "up --port 0 --mqtt-port 0 --for 1s --site examples/site.yaml",
            2,
            "pip install 'amqtt>=0.11.2,<0.13'",
        ),
        ("stack secrets --folder {folder}", 2, "pip install 'bcrypt>=4.2' 'cryptography>=44'"),
        ("emulate --broker mqtt:// --site examples/site.yaml", 2, "broker"),
        ("sites show examples/site.yaml", 0, ""),
    ],
)
def test_base_install_tells_what_is_missing(
    arguments: str, status: int, told: str, tmp_path: Path
) -> None:
    """A command that needs an extra says in a sentence what to install, and others do without."""
    line = arguments.format(folder=tmp_path).split()
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS, *line],
                          capture_output=True, text=True, check=False, cwd=ROOT)  # fmt: skip
    assert done.returncode == status, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_requirements_are_told_as_declared(modules: dict[Path, ast.Module]) -> None:
    """What an error tells to install is what pyproject.toml declares."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = {own for extra in extras for own in extra}
    told = {
        text.value
        for path, tree in modules.items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "not_installed"
        for text in call.args[1:]
        if isinstance(text, ast.Constant)
    }
    assert told <= declared
    assert set(MAKES_SECRETS) <= declared


def test_locks_agree() -> None:
    """A package has the same version for users and for developers."""
    runtime, build, dev = (pins(lock) for lock in LOCKS)
    for name, versions in {**runtime, **build, **pins("requirements-docker.lock")}.items():
        assert dev[name] == versions, name


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_can_be_run(script: str) -> None:
    """A script is executable, stops at the first error and is valid bash."""
    path = ROOT / script
    assert os.access(path, os.X_OK)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    subprocess.run(["bash", "-n", str(path)], check=True)


def test_setting_up_says_how_far_it_is() -> None:
    """Of pip's words every tenth package is told where nobody watches, and what comes after."""
    said = [f"Collecting package{number}==1.0" for number in range(1, 13)]
    pip = ["Ignoring colorama: markers do not match your environment", *said]
    pip += ["  Downloading package1-1.0.whl (1 kB)", "Installing collected packages: package1"]
    shown = subprocess.run(
        ["bash", "-c", ". scripts/lib.sh; show_packages 13"],
        cwd=ROOT, input="\n".join(pip) + "\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [re.sub(r" \(\d+ s\)$", "", line) for line in shown.stderr.splitlines()]
    assert lines == [
        "  10 of 12 packages",
        "  12 of 12 packages",
        "  12 packages are here, unpacking them",
    ]


def test_every_test_is_run_by_continuous_integration() -> None:
    """CI runs all tests, and what the everyday run leaves out is marked, with the reason."""
    assert "\nstep scripts/check\nstep scripts/test --full\n" in (ROOT / ".ci/run").read_text()
    text = (ROOT / "scripts/test").read_text(encoding="utf-8")
    assert sorted(re.findall(r'-m "([^"]*)"', text)) == ["not full", "not integration"]
    markers = PROJECT["tool"]["pytest"]["ini_options"]["markers"]
    assert [marker.partition(":")[0] for marker in markers] == ["integration", "full"]


def test_version_is_told_once() -> None:
    """The package, its metadata and the changelog agree."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert __version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def modules() -> dict[Path, ast.Module]:
    """The syntax of every module of the package."""
    return {
        path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(ROOT.glob("twin/**/*.py"))
    }


def test_a_class_name_stands_once(modules: dict[Path, ast.Module]) -> None:
    """No two classes of the package have one name, private ones included."""
    places: dict[str, list[str]] = {}
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name.lstrip("_"), []).append(str(path))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_a_module_opens_with_its_subject(modules: dict[Path, ast.Module]) -> None:
    """The first line of a module is a noun phrase that ends with a full stop."""
    opener = re.compile(r"(What|How|Who|Whether|Where|Why|When|Which|Whose)\b")
    firsts = {
        path: (ast.get_docstring(tree) or "").split("\n")[0] for path, tree in modules.items()
    }
    assert {path: line for path, line in firsts.items() if opener.match(line)} == {}
    assert [path for path, line in firsts.items() if not line.endswith(".")] == []
