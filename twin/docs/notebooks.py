"""Notebooks of the examples: scripts with ``# %%`` cells, as Jupyter's files.

The scripts are what is written; a notebook holds no outputs, so that it is the same everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["notebook", "pages"]

_EXAMPLES = Path(__file__).parents[2] / "examples"
_MARK = "# %%"
_TEXT = " [markdown]"


def pages() -> Mapping[str, str]:
    """Return the notebook of every example with cells, by its path below ``docs/``."""
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in _EXAMPLES.glob("*.py")}
    return {
        f"../examples/notebooks/{name}.ipynb": notebook(text)
        for name, text in sorted(scripts.items())
        if _MARK in text
    }


def notebook(script: str) -> str:
    """Return a script with cells as a notebook."""
    cells: list[dict[str, Any]] = [
        {
            "cell_type": kind,
            "id": f"cell-{number}",
            "metadata": {},
            "source": text.splitlines(keepends=True),
            **({"execution_count": None, "outputs": []} if kind == "code" else {}),
        }
        for number, (kind, text) in enumerate(_cells(script), 1)
    ]
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = {"cells": cells, "metadata": {"kernelspec": python}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _cells(script: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of every cell; what stands before the first mark is the script's own."""
    for part in re.split(rf"^{_MARK}", script, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if head == _TEXT:
            yield "markdown", re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
        else:
            yield "code", body.strip()
