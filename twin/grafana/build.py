"""Builds all dashboards into JSON, the same bytes every time.

The only part of this package that needs ``grafana-foundation-sdk``, with the modules of
panels and dashboards under it: what runs reads the files that this makes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

from twin.alerts.editions import ways_to
from twin.catalog.editions import Edition
from twin.grafana.pages import PAGES
from twin.grafana.shipped import is_ours
from twin.translation import Renaming, translated_dashboard

with warnings.catch_warnings():
    # The SDK would rather have us on the dashboard API's second version, but Grafana 12 and
    # 13.0 refuse its files and 10 does not know them.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from twin.grafana.assemble import assemble
    from twin.grafana.dashboards import ROWS

__all__ = ["build_all", "differences", "write_all"]


def build_all(editions: Sequence[Edition] = ()) -> dict[str, str]:
    """Return the JSON text of every dashboard, by file name.

    Args:
        editions: of exporters that they are to hold on; none for the default.
    """
    ways = ways_to(editions)
    return {page.file: _text(assemble(page, ROWS[page.name]()), ways) for page in PAGES}


def differences(folder: Path, editions: Sequence[Edition] = ()) -> list[str]:
    """Return the names of the files in ``folder`` that are not what is built here.

    A file that is missing counts, and one of ours that is no longer built; what others
    keep in the same folder does not.
    """
    built = build_all(editions)
    present = {path.name: path for path in folder.glob("*.json")}
    names = [
        name
        for name, text in built.items()
        if name not in present or present[name].read_text(encoding="utf-8") != text
    ]
    return sorted(
        [*names, *(name for name in present.keys() - built.keys() if is_ours(present[name]))]
    )


def write_all(folder: Path, editions: Sequence[Edition] = ()) -> list[str]:
    """Write every dashboard that differs, remove those no longer built; return their names."""
    built = build_all(editions)
    folder.mkdir(parents=True, exist_ok=True)
    changed = differences(folder, editions)
    for name in changed:
        if name in built:
            (folder / name).write_text(built[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def _text(dashboard: Dashboard, ways: Sequence[tuple[Renaming, bool]]) -> str:
    text = json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
    for way, both in ways:
        translated = translated_dashboard(json.loads(text), way, both=both)
        text = json.dumps(translated, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n"
