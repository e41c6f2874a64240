"""Generator of the reference pages: ``python -m twin.docs [--check]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from twin.cli import app
from twin.docs import (
    asyncapi,
    calibration,
    cddl,
    command_line,
    counters,
    editions,
    fault_list,
    faults,
    metrics,
    notebooks,
    openapi,
    readme,
    redfish,
    runbooks,
    scale,
    scale_out,
    schema,
    shadow,
    site_list,
    sites,
)

_DOCS = Path(__file__).parents[2] / "docs"


def pages() -> Mapping[str, str]:
    """Return all texts by their path below ``docs/``."""
    return {
        **metrics.pages(),
        **faults.pages(),
        **fault_list.pages(),
        **sites.pages(),
        **site_list.pages(),
        **runbooks.pages(),
        **command_line.pages(app),
        **counters.pages(),
        **editions.pages(),
        **schema.pages(),
        **cddl.pages(),
        **asyncapi.pages(),
        **openapi.pages(),
        **calibration.pages(),
        **scale.pages(),
        **scale_out.pages(),
        **shadow.pages(),
        **redfish.pages(),
        **readme.pages(),
        **notebooks.pages(),
    }


def stale(texts: Mapping[str, str], folder: Path) -> list[str]:
    """Return which pages below ``folder`` differ from ``texts``, are missing or left over."""
    made = [*(folder / "schema").glob("*.*"), *(folder / "runbooks").glob("*.md")]
    known = {f"{path.parent.name}/{path.name}" for path in made}
    differing = {
        path
        for path, text in texts.items()
        if not (folder / path).is_file() or (folder / path).read_text(encoding="utf-8") != text
    }
    return sorted(differing | (known - texts.keys()))


def main() -> int:
    """Write the pages, or with ``--check`` only compare them; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m twin.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    texts = pages()
    outdated = stale(texts, _DOCS)
    if check:
        for path in outdated:
            shown = os.path.normpath(f"docs/{path}")
            sys.stderr.write(f"{shown} is not up to date; run python -m twin.docs\n")
        return 1 if outdated else 0
    for path in outdated:
        target = _DOCS / path
        if path not in texts:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(texts[path], encoding="utf-8")
    sys.stdout.write(f"{len(outdated)} of {len(texts)} pages written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
