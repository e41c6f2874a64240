"""The runbooks: a page an alert, whose links and proofs hold."""

from __future__ import annotations

import re
from pathlib import Path

from tests.every import every
from twin.alerts import ALERTS, PROOFS, THRESHOLDS
from twin.alerts.model import used
from twin.docs.runbooks import pages, proven

DOCS = Path(__file__).parents[2] / "docs"
PAGES = pages()


def test_every_alert_has_a_page() -> None:
    """There is a page for each alert, and none besides but the index."""
    assert set(PAGES) == {"runbooks/README.md", *(f"runbooks/{name}.md" for name in ALERTS)}


@every("name", sorted(ALERTS))
def test_page_says_what_to_do(name: str) -> None:
    """A page says what the alert means and what to do, and shows rule and limits with numbers."""
    page, alert = PAGES[f"runbooks/{name}.md"], ALERTS[name]
    assert alert.meaning in page
    assert "{{" not in alert.meaning, "what it means does not depend on the instance"
    assert all(f"{number}. {step}" in page for number, step in enumerate(alert.steps, 1))
    assert "[[" not in page
    assert all(f"| `{limit}` | " in page for limit in used(alert))


@every("path", sorted(PAGES))
def test_links_lead_somewhere(path: str) -> None:
    """A link of a page leads to a file, or to a heading of one."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[path]):
        file, _, heading = target.partition("#")
        found = (DOCS / path).parent / file
        assert found.exists(), target
        if heading:
            assert f"\n## {heading}\n" in found.read_text(encoding="utf-8"), target


def test_index_lists_everything() -> None:
    """The index has all alerts, all thresholds, and the faults that fire nothing."""
    index = PAGES["runbooks/README.md"]
    assert all(f"({name}.md)" in index for name in ALERTS)
    assert all(f"| `{threshold.name}` |" in index for threshold in THRESHOLDS)
    silent = [proof for proof in PROOFS if not proof.fires]
    assert silent
    assert all(proof.silent in index for proof in silent)


def test_proofs_are_shown() -> None:
    """What a fault fires is on the alert's page, with the time it takes and how to see it."""
    assert "gpu-off-bus" in proven("GpuLost")
    page = PAGES["runbooks/GpuLost.md"]
    assert f"fires within {proven('GpuLost')['gpu-off-bus']} s" in page
    assert "twin inject gpu-off-bus --target r0001/n1/gpu0" in page
