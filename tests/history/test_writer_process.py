"""A process beside the simulation writes what this one would, and leaves nothing half-written."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from twin.aggregator.text_format import head
from twin.errors import ServiceError
from twin.history import PastPlan, processes_for, target_of, write_history, writing
from twin.history.page_reader import Block
from twin.history.part_messages import (
    BlockPacker,
    BlockUnpacker,
    PartCall,
    WritingTask,
    receive,
    send,
)
from twin.history.plan_text import plain, plan_of
from twin.history.remote_write import RemoteWriteTarget
from twin.history.writer_process import WriterProcess
from twin.site import DetailPlan, Layout
from twin.site.loader import site_of

START = 1_772_323_200
TINY = {"name": "tiny", "racks": 1, "racks_per_array": 1, "servers_per_rack": 1}


def plan(days: int = 2) -> PastPlan:
    """Return a plan of a tiny site, whose days are four scrapes."""
    layout = Layout(site_of(TINY, "tiny"))
    detail = DetailPlan.of_site(layout.site).changed(["rack"])
    return PastPlan(layout, detail, START, days, 15, 1, failures="none", day=60)


def block(labels: list[bytes]) -> Block:
    """Return a block of some series."""
    values = np.arange(2.0 * len(labels)).reshape(2, -1)
    return Block(head("m", "gauge", "M."), "gpu", labels, True, np.array([1000, 2000]), values)


class Told:
    """What is told while a past is written."""

    def __init__(self) -> None:
        self.days: list[int] = []

    def scraped(self) -> None:
        """Take no note."""

    def written(self, day: int, samples: int) -> None:
        """Note the day."""
        assert samples > 0
        self.days.append(day - START)


def contents(folder: Path) -> dict[str, list[dict[str, object]]]:
    """Return the rows of each Parquet file."""
    return {
        str(path.relative_to(folder)): parquet.ParquetFile(path).read().to_pylist()
        for path in sorted(folder.glob("day=*/class=*/*.parquet"))
    }


def test_process_beside_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All files have the rows that one process alone writes, and each day is told."""
    made = []
    for name, least in (("alone", 10**9), ("beside", 0)):
        monkeypatch.setattr(writing, "_PAYS", least)
        told = Told()
        total = write_history(plan(), target_of(f"parquet:{tmp_path / name}"), told)
        assert told.days == [0, 60]
        made.append((total, contents(tmp_path / name)))
    assert made[0] == made[1]
    assert made[0][0] > 1000


def test_what_fails_beside_is_told_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the process is raised here with the same words, and the day is not there."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/promtool").write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
    (tmp_path / "bin/promtool").chmod(0o755)
    monkeypatch.setattr(writing, "_PAYS", 0)
    target = target_of(f"blocks:{tmp_path / 'past'}")
    with pytest.raises(ServiceError, match=r"^promtool could not make blocks: no space left$"):
        write_history(plan(), target, Told())
    assert [path.name for path in (tmp_path / "past").iterdir()] == [".twin-history"]
    other = tmp_path / "other/.day=2026-03-01.new"
    target = target_of(f"parquet:{other.parent}")
    other.touch()
    with pytest.raises(FileExistsError) as found:
        write_history(plan(), target, Told())
    assert found.value.filename == str(other)


def test_ctrl_c_leaves_nothing_and_nobody(tmp_path: Path) -> None:
    """An interrupt ends the process, and the part that it has written is gone."""
    writer = WriterProcess(plan(), target_of(f"parquet:{tmp_path}"), Told(), START)
    with suppress(KeyboardInterrupt), writer:
        writer.begin(START)
        writer.take([block([b'{a="1"} '])], START + 30)
        raise KeyboardInterrupt
    assert not list(tmp_path.glob("*day*"))
    with pytest.raises(ProcessLookupError):
        os.kill(writer.number, 0)


def test_process_whose_starter_is_killed_ends(tmp_path: Path) -> None:
    """Where parts cease in the midst of a day, nothing of it is left, and the process ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "twin.history.part_receiver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as process:
        assert process.stdin is not None
        packed = BlockPacker().pack([block([b'{a="1"} '])])
        send(process.stdin, WritingTask(plain(plan()), target_of(f"parquet:{tmp_path}"), START))
        send(process.stdin, PartCall("begin", START))
        send(process.stdin, PartCall("take", START + 30, packed))
        process.stdin.close()
        process.wait(60.0)
    assert not list(tmp_path.glob("*day*"))


def test_process_that_is_killed_is_told(tmp_path: Path) -> None:
    """A writer that goes away ends the command in one sentence."""
    with WriterProcess(plan(), target_of(f"parquet:{tmp_path}"), Told(), START) as writer:
        os.kill(writer.number, signal.SIGKILL)
        with pytest.raises(ServiceError, match="ended with status -9; run the same command again"):
            writer.end()


def test_labels_travel_once() -> None:
    """What has the labels of the part before is sent without them, and has the same object."""
    one, two = [b'{a="1"} ', b'{a="2"} '], [b'{b="1"} ']
    packer, unpacker, stream = BlockPacker(), BlockUnpacker(), io.BytesIO()
    sent = [[block(one), block(two), block(one)], [block(two)], [block(one), block(two)]]
    new = []
    for blocks in sent:
        packed = packer.pack(blocks)
        new.append(sorted(packed.labels))
        send(stream, packed)
    assert new == [[0, 1], [], [2]]
    stream.seek(0)
    came = []
    while (message := receive(stream)) is not None:
        came.append(unpacker.unpack(message[0]))
    for before, after in zip(sent, came, strict=True):
        for a, b in zip(before, after, strict=True):
            assert (a.head, a.device, a.labels, a.whole) == (b.head, b.device, b.labels, b.whole)
            assert a.values.tobytes() == b.values.tobytes()
            assert a.times.tobytes() == b.times.tobytes()
    assert came[0][1].labels is came[1][0].labels is came[2][1].labels
    assert came[0][0].labels is came[0][2].labels


def test_plan_comes_whole() -> None:
    """A plan is the same after it has travelled as plain values."""
    assert plan_of(plain(plan())).identity == plan().identity


def test_rules_are_evaluated_by_one_process(tmp_path: Path) -> None:
    """A past with rules is simulated by one process, however many it may have."""
    target = target_of(f"parquet:{tmp_path}")
    assert processes_for(plan(4), target, 4) == 4
    assert processes_for(replace(plan(4), rules=True), target, 4) == 1


def test_remote_write_target_comes_whole(tmp_path: Path) -> None:
    """The target of another process has the address, the folder and the headers of this one's."""
    own = RemoteWriteTarget("http://u:p@127.0.0.1:1/api", tmp_path / "x", {"X-Scope-OrgID": "t"})
    other = pickle.loads(pickle.dumps(own))  # noqa: S301 - ours
    assert (other.text, other.folder, other.place) == (own.text, own.folder, own.place)
    assert vars(other)["_headers"] == {"X-Scope-OrgID": "t"}
