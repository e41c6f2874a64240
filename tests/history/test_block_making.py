"""Blocks of a past: each is made by one call of promtool, from what belongs to it alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from twin.aggregator.text_format import head
from twin.errors import ServiceError
from twin.history.block_making import BlockMaker
from twin.history.page_reader import Block

HOURS = 7200
_COUNTS = """#!{python}
import json, pathlib, sys
lines = [own for own in open(sys.argv[5]) if own[0] != "#"]
times = [float(own.split()[-1]) for own in lines]
out = pathlib.Path(sys.argv[6]) / ("block-" + pathlib.Path(sys.argv[5]).stem)
out.mkdir()
(out / "meta.json").write_text(json.dumps([min(times), max(times), len(times)]))
"""


def promtool(folder: Path, text: str) -> str:
    """Return a promtool that does something else."""
    path = folder / "promtool"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def block(times: list[int], name: str = "m") -> Block:
    """Return two series at some unix times."""
    values = np.ones((len(times), 2))
    return Block(head(name, "gauge", "M."), "gpu", [b'{a="1"} ', b'{a="2"} '], True,
                 np.array(times) * 1000, values)  # fmt: skip


def test_a_call_has_one_block(tmp_path: Path) -> None:
    """Parts that end where a block begins make one block each, and all samples are there once."""
    out = tmp_path / "day"
    out.mkdir()
    maker = BlockMaker(promtool(tmp_path, _COUNTS.format(python=sys.executable)), out, 2)
    minutes = list(range(60, 3 * HOURS + 1, 60))
    each = HOURS // 60
    parts = [minutes[first : first + each] for first in range(0, len(minutes), each)]
    counts = [maker.take([block(part)]) for part in parts[:-1]]
    # What rules give comes at the end of the day, for all of it.
    counts.append(maker.take([block(parts[-1]), block(minutes, "rule")]))
    maker.finish()
    assert counts == [2 * each, 2 * each, 2 * each + 2 * len(minutes)]
    made = [json.loads(path.read_bytes()) for path in sorted(out.glob("block*/meta.json"))]
    assert len(list(out.iterdir())) == len(made)
    assert sum(count for *_, count in made) == sum(counts)
    assert all(first // HOURS == last // HOURS for first, last, _ in made)


def test_promtool_that_fails_is_told_later(tmp_path: Path) -> None:
    """What one call complains of is raised at the latest when the day is finished."""
    maker = BlockMaker(promtool(tmp_path, "#!/bin/sh\necho no space left >&2\nexit 1\n"), tmp_path)
    maker.take([block([60, 120])])
    with pytest.raises(ServiceError, match=r"^promtool could not make blocks: no space left$"):
        maker.finish()


def test_calls_are_ended(tmp_path: Path) -> None:
    """A day that is dropped leaves no promtool behind."""
    maker = BlockMaker(promtool(tmp_path, "#!/bin/sh\nexec sleep 60\n"), tmp_path)
    maker.take([block([60, 120])])
    (call,) = vars(maker)["_calls"]
    maker.stop()
    assert call.process.returncode == -9
