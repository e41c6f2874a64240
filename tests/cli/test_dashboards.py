"""``twin dashboards``: what a user types, sees and gets as exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import twin.grafana
from twin.cli import app
from twin.errors import CheckFailedError, ConfigError, ServiceError
from twin.grafana.pages import PAGES
from twin.grafana.push import FOLDER_UID, push
from twin.grafana.shipped import load_all

run = CliRunner().invoke


class Folders:
    """Folders of a Grafana that was just installed."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def get_all_folders(self) -> list[dict[str, str]]:
        """Return what is there."""
        return [{"uid": uid} for _, uid in self.made]

    def create_folder(self, title: str, uid: str) -> None:
        """Make one."""
        self.made.append((title, uid))


class Grafana:
    """Takes dashboards, or refuses them."""

    url = "http://grafana.test"

    def __init__(self, refusal: Exception | None = None) -> None:
        self.folder = Folders()
        self.dashboard = self
        self.taken: list[dict[str, Any]] = []
        self._refusal = refusal

    def update_dashboard(self, payload: dict[str, Any]) -> dict[str, str]:
        """Take one."""
        if self._refusal is not None:
            raise self._refusal
        self.taken.append(payload)
        return {"url": f"/d/{payload['dashboard']['uid']}"}


def test_build_writes_and_check_compares(tmp_path: Path) -> None:
    """``build`` writes every dashboard; ``--check`` is content with that and with nothing else."""
    output = ["dashboards", "build", "--output", str(tmp_path)]
    assert run(app, output).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {page.file for page in PAGES}
    assert run(app, [*output, "--check"]).exit_code == 0
    (tmp_path / "rack.json").write_text("{}")
    failed = run(app, [*output, "--check"])
    assert isinstance(failed.exception, CheckFailedError)
    assert "rack.json" in str(failed.exception)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its library a command says what to install."""
    monkeypatch.setitem(sys.modules, "grafana_client", None)
    failed = run(app, ["dashboards", "push", "--url", "http://127.0.0.1:1", "--token", "x"])
    assert isinstance(failed.exception, ConfigError)
    assert "pip install 'grafana-client>=5,<6'" in str(failed.exception)
    monkeypatch.delattr(twin.grafana, "build", raising=False)
    monkeypatch.setitem(sys.modules, "twin.grafana.build", None)
    failed = run(app, ["dashboards", "build"])
    assert isinstance(failed.exception, ConfigError)
    assert "pip install grafana-foundation-sdk==0.0.21" in str(failed.exception)


def test_push_puts_all_into_one_folder() -> None:
    """Every dashboard is created or replaced in one folder, which is made only once."""
    grafana = Grafana()
    for _ in range(2):
        assert len(list(push(grafana, load_all(), "Twin"))) == len(PAGES)
    assert grafana.folder.made == [("Twin", FOLDER_UID)]
    for payload in grafana.taken:
        assert payload["folderUid"] == FOLDER_UID
        assert payload["overwrite"] is True
        assert payload["dashboard"]["id"] is None


def test_a_refusal_is_told() -> None:
    """When Grafana refuses, the error names its address and its words, and exits with 3."""
    refused = push(Grafana(RuntimeError("permission denied")), load_all(), "Twin")
    with pytest.raises(ServiceError, match=r"http://grafana\.test .*permission denied") as caught:
        list(refused)
    assert caught.value.exit_status == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nothing"], "dashboard 'nothing' does not exist; choose site, array"),
        (["--var", "site"], "--var 'site' is not valid; write name=value"),
        (["--within", "soon"], "duration 'soon' is not valid"),
        (["--prometheus", "127.0.0.1:9090"], "'127.0.0.1:9090' is not an address"),
        (["--from", "/nonexistent"], "/nonexistent/site.json cannot be read"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], said: str) -> None:
    """A wrong argument gives one sentence with the value and the remedy."""
    failed = run(app, ["dashboards", "check", *arguments])
    assert isinstance(failed.exception, ConfigError)
    assert said in str(failed.exception)


def test_dashboards_ship() -> None:
    """What push and check read is what is built."""
    committed = Path(__file__).parents[2] / "dashboards"
    assert load_all() == [json.loads((committed / page.file).read_text()) for page in PAGES]
