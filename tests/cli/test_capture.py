"""``twin capture``: the table, the file, and refusals before anything is asked."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.fleet.conftest import NOW, SeriesList, gpus
from twin.cli import app
from twin.cli import fleet as options
from twin.errors import ConfigError
from twin.site import load_site


class Server(SeriesList):
    """A Prometheus of two hosts."""

    url = "http://prometheus:9090"

    def now(self) -> float:
        """Return its time."""
        return NOW


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what the command asked for: an address, with two hosts behind it."""
    calls: list[Any] = []

    def connect(*arguments: object) -> Server:
        calls.append(arguments)
        return Server([*gpus("a-1", rack="x"), *gpus("a-2", rack="x")])

    # The command has the name of its module, which hides it.
    monkeypatch.setattr(import_module("twin.cli.capture"), "fleet_prometheus", connect)
    return calls


def test_capture_writes_the_site_file_and_says_so(tmp_path: Path, asked: list[Any]) -> None:
    """The table comes first, and the file is a site of the file's name."""
    file = tmp_path / "mysite.yaml"
    done = CliRunner().invoke(app, ["capture", "--prometheus", "http://p", "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert asked
    assert done.output.startswith("what ")
    assert done.output.rstrip().endswith("mysite.yaml written")
    assert load_site(str(file)).name == "mysite"
    assert load_site(str(file)).gpus == 16


def test_capture_as_json(asked: list[Any]) -> None:
    """--json has the racks, the guesses, what is missing, and the file's text."""
    done = CliRunner().invoke(app, ["capture", "--prometheus", "http://p", "--json"])
    assert asked
    told = json.loads(done.output)
    assert told["racks"] == [{"rack": 1, "name": "x", "hosts": ["a-1", "a-2"]}]
    assert {"guesses", "missing", "found", "site_file"} <= told.keys()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prometheus", "http://me:secret@p"), "has a login in the address"),
        (("--prometheus", "http://[p"), "is not an address"),
        (("--prometheus", "p:9090"), "is not an address"),
        (("--prometheus", "http://p", "-o", "site.txt"), "a site file ends in .yaml"),
    ],
)
def test_capture_refuses_before_it_asks(arguments: tuple[str, ...], words: str) -> None:
    """A wrong argument is one sentence, and a password in it is not repeated."""
    done = CliRunner().invoke(app, ["capture", *arguments])
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)
    assert "secret" not in str(done.exception)


def test_capture_overwrites_nothing(tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    file = tmp_path / "mysite.yaml"
    file.write_text("mine")
    done = CliRunner().invoke(app, ["capture", "--prometheus", "http://p", "-o", str(file)])
    assert isinstance(done.exception, ConfigError)
    assert file.read_text() == "mine"


def test_credentials_go_in_a_header(tmp_path: Path) -> None:
    """The address that errors show has none of what logs in."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    assert options.fleet_prometheus("http://p:9090/path/", file).url == "http://p:9090/path"


def test_a_gateway_wants_measured_racks() -> None:
    """A site without a real rack is refused with the command that writes one."""
    done = CliRunner().invoke(app, ["gateway", "--prometheus", "http://p", "--site", "demo"])
    assert isinstance(done.exception, ConfigError)
    assert "twin capture" in str(done.exception)
