"""The page of faults, from their classes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from twin.docs.markdown import NOTICE, code, plain, table
from twin.faults import FAULTS, Fault

__all__ = ["pages"]

_INTRODUCTION = f"""{NOTICE}
# Faults

What can go wrong on purpose. A fault changes the conditions of the plant, never a metric: what is
seen follows from the physics. `twin faults` prints this list, `twin inject` lets one begin on a
running twin, and `twin clear` ends it before its time.

"""


def pages() -> Mapping[str, str]:
    """Return ``faults.md``."""
    overview = table(
        ("Fault", "What happens", "System", "Strikes", "Severity"),
        [
            (f"[`{kind}`](#{kind})", fault.title, fault.system, fault.target, fault.severity)
            for kind, fault in FAULTS.items()
        ],
    )
    return {"faults.md": _INTRODUCTION + overview + "".join(map(_section, FAULTS.values()))}


def _section(fault: type[Fault]) -> str:
    parameters = fault.model_fields
    settings = "".join(f" --set {name}={field.default:g}" for name, field in parameters.items())
    text = f"""
## {fault.kind}

{plain(inspect.getdoc(fault) or "")}

**What one sees.** {fault.shows}

It strikes one {fault.target} for {fault.default_seconds:g} s of simulated time unless `--for` says
otherwise.

```sh
twin inject {fault.kind} --target {fault.default_target}{settings}
```
"""
    if parameters:
        rows = [
            (code(name), f"{field.default:g}", field.description or "")
            for name, field in parameters.items()
        ]
        text += "\n" + table(("Parameter", "Default", "Meaning"), rows)
    return text
