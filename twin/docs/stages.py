"""Section of the page of scale on the stages of a rack's values, beside copies of their bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin.docs.markdown import table

__all__ = ["stage_section"]

_STAGES = """\
What the physics of memory allows is one copy. A rack of `{site}` has {values:,} values in
{frame:,} bytes of a message of {racks} racks (`telemetry: {{racks_per_message: {racks}}}`), whose
copy from memory that no cache holds takes {copy:.2f} µs; its share of a page has {page:,} bytes.
The plant's step takes {step:.1f} µs a rack before that. Each figure is the CPU time of our side;
the broker's is not in it.

{table}"""
_NAMES = {
    "encode": "Encode: round, narrow, cut",
    "publish": "Publish to the broker",
    "receive": "Receive from the broker",
    "check": "Check",
    "store": "Count and store",
}


def stage_section(figures: Mapping[str, Any]) -> str:
    """Return the section for a result of ``benchmarks/stages.py``."""
    copy = figures["copy_us"]
    stages = {_NAMES[name]: cost for name, cost in figures["stages_us"].items()}
    stages["Together, from tick to store"] = sum(stages.values())
    rows = [(name, f"{cost:.1f} µs", f"{cost / copy:.1f}") for name, cost in stages.items()]
    convert = figures["convert_us"]
    rows.append(("Convert, when a page asks for it", f"{convert:.1f} µs", f"{convert / copy:.1f}"))
    share = figures["expose_us"] / figures["page_copy_us"]
    rows.append(("Expose, a share of the page", f"{figures['expose_us']:.0f} µs", f"{share:.1f}"))
    return _STAGES.format(
        site=figures["site"],
        values=figures["values"],
        frame=figures["frame_bytes"],
        racks=figures["racks_per_message"],
        copy=copy,
        page=figures["page_bytes"],
        step=figures["step_us"],
        table=table(("", "A rack", "Copies of its bytes"), rows),
    )
