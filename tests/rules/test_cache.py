"""Cache of rule tests: what it keeps is what a run without it finds, and it harms no run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import twin
from examples.device_class import EXTENSION
from twin.content_cache import Cache, digest
from twin.rules import kept_outcomes, kept_samples, suite
from twin.rules.engine import EngineOutcome, evaluate
from twin.rules.fingerprint import PHYSICS
from twin.rules.jobs import Candidate
from twin.rules.kept_samples import is_kept, kept_sample, scenario_key
from twin.rules.sampling import Samples, known_metrics, sample
from twin.rules.scenario_run import Options, run_scenario
from twin.rules.source import RuleSet, load_rules
from twin.rules.suite import run_suite
from twin.scenario import load_scenario
from twin.scenario.loader import LoadedScenario

SCENARIO = """title: a pump fails
site: {racks: 1, servers_per_rack: 1, megapacks: {count: 1}, gensets: {count: 0}}
duration: 3m
faults:
  - {kind: pump-failure, target: r0001/pump1, at: 1m, for: 1m}
expect:
  fires:
    - {alert: PumpFailed, within: 20s}
"""
RULES = """groups:
  - name: test
    rules:
      - record: pumps:failed:sum
        expr: sum(cdu_pump_state{state="failed"})
      - alert: PumpFailed
        expr: cdu_pump_state{state="failed"} == 1
        for: 10s
      - alert: PumpsFailed
        expr: pumps:failed:sum > 0
      - alert: Flow
        expr: cdu_secondary_flow_liters_per_minute < 0
"""


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Return an empty cache."""
    return Cache(tmp_path / "cache")


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedScenario:
    """Return a short scenario."""
    path = tmp_path / "own.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return load_scenario(str(path))


def content(samples: Samples) -> Mapping[str, list[tuple[tuple[tuple[str, str], ...], bytes]]]:
    """Return all series to the last bit."""
    return {
        name: [
            (tuple(labels.items()), values.tobytes())
            for labels, values in zip(family.labels, family.values, strict=True)
        ]
        for name, family in samples.families.items()
    }


_SAMPLED: dict[frozenset[str], Samples] = {}


def _once(loaded: LoadedScenario, wanted: frozenset[str]) -> Samples:
    """Return what the short scenario gives, which is lived through once for all tests."""
    if wanted not in _SAMPLED:
        _SAMPLED[wanted] = sample(loaded, wanted)
    return _SAMPLED[wanted]


@pytest.fixture
def lived(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the scenarios that are lived through."""
    seen: list[str] = []

    def counted(loaded: LoadedScenario, wanted: frozenset[str]) -> Samples:
        seen.append(loaded.name)
        if loaded.path.read_text(encoding="utf-8") != SCENARIO:
            return sample(loaded, wanted)
        return _once(loaded, frozenset(wanted))

    monkeypatch.setattr(kept_samples, "sample", counted)
    return seen


def test_kept_samples_are_the_sampled_ones_to_the_last_bit(
    loaded: LoadedScenario, cache: Cache, lived: list[str]
) -> None:
    """All series of all metrics, their labels and their order, come back from the cache."""
    wanted = known_metrics(loaded.layout)
    plain = content(sample(loaded, wanted))
    assert content(kept_sample(loaded, wanted, cache)) == plain
    assert content(kept_sample(loaded, wanted, cache)) == plain
    assert lived == ["own"]


def test_another_metric_is_added_to_what_is_kept(
    loaded: LoadedScenario, cache: Cache, lived: list[str]
) -> None:
    """A metric that nobody asked for before costs one more run, which keeps the others."""
    for wanted in ({"cdu_pump_state"}, {"up"}, {"cdu_pump_state", "up"}):
        assert set(kept_sample(loaded, wanted, cache).families) == wanted
    assert len(lived) == 2


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ("title: another", True),
        ("expect: {}", True),
        ("seed: 1", False),
        ("duration: 4m", False),
        ("weather: 60", False),
        ("site: {racks: 2, servers_per_rack: 1}", False),
        ("faults: []", False),
        ("scrape: 10s", False),
        ("workload: idle", False),
    ],
)
def test_the_key_is_what_decides_the_samples(
    loaded: LoadedScenario, tmp_path: Path, change: str, *, same: bool
) -> None:
    """What a scenario expects and is called is not in the key; all that changes its physics is."""
    key = change.partition(":")[0]
    lines, kept = SCENARIO.splitlines(), []
    for line in lines:
        if not line.startswith(" "):
            dropped = line.startswith(f"{key}:")
        if not dropped:
            kept.append(line)
    path = tmp_path / "other" / "own.yaml"  # a site that is written there has the name of the file
    path.parent.mkdir()
    path.write_text("\n".join([*kept, change]), encoding="utf-8")
    assert (scenario_key(load_scenario(str(path))) == scenario_key(loaded)) is same


def test_the_key_covers_all_code_that_makes_samples() -> None:
    """Every module of the package that sampling imports is in the fingerprint."""
    code = (
        "import sys, twin.rules.sampling\n"
        "print(*(sys.modules[n].__file__ for n in sys.modules if n.split('.')[0] == 'twin'))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    root = Path(twin.__file__).parent
    imported = {str(Path(name).relative_to(root)) for name in done.stdout.split()}
    covered = (*PHYSICS, "rules/__init__.py", "rules/expression.py")
    assert [own for own in sorted(imported) if not own.startswith(covered)] == []


Break = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    "broken",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: b"x" + data[1:],
        lambda _: b"",
    ],
    ids=["cut", "flipped", "another format", "empty"],
)
def test_a_damaged_entry_is_made_anew(
    loaded: LoadedScenario, cache: Cache, lived: list[str], broken: Break
) -> None:
    """An entry that is not what was written counts as absent, and is replaced."""
    wanted = {"cdu_pump_state"}
    plain = content(kept_sample(loaded, wanted, cache))
    (path,) = cache.folder.iterdir()
    path.write_bytes(broken(path.read_bytes()))
    assert content(kept_sample(loaded, wanted, cache)) == plain
    assert content(kept_sample(loaded, wanted, cache)) == plain
    assert len(lived) == 2


def test_an_entry_holds_for_its_own_key_only(cache: Cache) -> None:
    """An entry that was copied under another name counts as absent."""
    one, other = digest("one"), digest("other")
    cache.write(one, b"content")
    (path,) = cache.folder.iterdir()
    path.with_name(path.name.replace(one, other)).write_bytes(path.read_bytes())
    assert (cache.read(one), cache.read(other)) == (b"content", None)


def forged(**changes: object) -> bytes:
    """Return what would be samples, but for these parts of its table."""
    family = {"name": "up", "labels": [{"job": "node"}], "constant": [True], **changes}
    head = json.dumps({"names": ["up", "cdu_pump_state"], "families": [family]}).encode()
    return len(head).to_bytes(8, "little") + head + bytes(8)


@pytest.mark.parametrize(
    "text",
    [
        *(b"[]", b"{}", b"\xff", b"\x05\0\0\0\0\0\0\0{}", b"null", b"[1]"),
        *(forged(labels=[]), forged(labels=[1]), forged(constant=[True, True])),
        *(forged(constant=[False]), forged(constant=3), forged() + b"more"),
    ],
)
def test_a_forged_content_counts_as_absent(
    loaded: LoadedScenario, cache: Cache, lived: list[str], text: bytes
) -> None:
    """Content that is whole and yet no samples does not end a run."""
    cache.write(scenario_key(loaded), text)
    assert kept_sample(loaded, {"cdu_pump_state"}, cache).families
    assert lived == ["own"]


def test_an_entry_that_cannot_be_inflated_counts_as_absent(cache: Cache) -> None:
    """A whole entry of a stranger, with a right sum over what is not compressed, ends no run."""
    key = digest("one")
    cache.write(key, b"content")
    (path,) = cache.folder.iterdir()
    data = path.read_bytes()
    start = data.index(b"\n") + 1
    total = hashlib.blake2b(key.encode() + b"not compressed", digest_size=32).digest()
    path.write_bytes(data[:start] + total + b"not compressed")
    assert cache.read(key) is None


def test_what_is_kept_says_for_which_rules_it_is_enough(
    loaded: LoadedScenario, cache: Cache
) -> None:
    """A scenario counts as kept for rules whose metrics were all asked for, and for no others."""
    assert not is_kept(loaded, {"up"}, cache)
    kept_sample(loaded, {"cdu_pump_state", "up"}, cache)
    assert is_kept(loaded, {"up"}, cache)
    assert not is_kept(loaded, {"up", "grid_power_watts"}, cache)


def test_the_entries_unused_for_longest_go_first(cache: Cache) -> None:
    """Above the limit the least recently used go, and the new one stays."""
    small = replace(cache, limit=3_000)
    for number in range(4):
        small.write(digest(str(number)), os.urandom(900))
        for path in small.folder.iterdir():
            os.utime(path, ns=(path.stat().st_mtime_ns - 10**9,) * 2)
        assert small.read(digest("0")) is not None
    kept = [small.read(digest(str(number))) is not None for number in range(4)]
    assert kept == [True, False, True, True]
    assert small.use().size <= 3_000


def test_a_folder_that_cannot_be_written_is_no_condition_of_a_run(
    loaded: LoadedScenario, tmp_path: Path
) -> None:
    """Where nothing can be kept, a run goes on without."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = Cache(tmp_path / "file" / "cache")
    assert kept_sample(loaded, {"cdu_pump_state"}, cache).families
    assert cache.use().entries == 0


def test_nothing_is_kept_of_an_extended_twin() -> None:
    """Code from outside the package has no fingerprint, so nothing is kept with it."""
    assert kept_samples.cacheable()
    with EXTENSION.installed():
        assert not kept_samples.cacheable()
    assert kept_samples.cacheable()


@pytest.mark.full
@pytest.mark.integration
def test_a_suite_says_the_same_with_a_cache_and_without(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First run, edit, and an edit that reads another metric: to the second as without a cache.

    Only what reads another metric is simulated again.
    """
    scenarios = []
    for name, fault in (("one", "1m"), ("two", "50s"), ("three", "90s")):
        path = tmp_path / f"{name}.yaml"
        path.write_text(SCENARIO.replace("at: 1m", f"at: {fault}"), encoding="utf-8")
        scenarios.append(load_scenario(str(path)))
    evaluated: list[str] = []
    from_cache = suite._from_cache

    def counted(kept: Sequence[LoadedScenario], *rest: Any) -> Any:
        evaluated.extend(loaded.name for loaded in kept)
        return from_cache(kept, *rest)

    monkeypatch.setattr(suite, "_from_cache", counted)
    path = tmp_path / "rules.yml"
    seen = []
    for edited in (
        RULES,
        RULES.replace("for: 10s", "for: 15s"),
        RULES.replace("cdu_secondary_flow_liters_per_minute", "up"),
        RULES,
    ):
        path.write_text(edited, encoding="utf-8")
        rules = load_rules([str(path)])
        bare = run_suite(scenarios, rules, Options(foreign=True, jobs=1))
        evaluated.clear()
        kept = run_suite(scenarios, rules, Options(foreign=True, cache=cache))
        seen.append(sorted(evaluated))
        assert [replace(own, seconds=0.0) for own in kept] == [
            replace(own, seconds=0.0) for own in bare
        ]
    assert seen == [[], ["one", "three", "two"], [], ["one", "three", "two"]]


@pytest.mark.integration
def test_after_an_edit_only_what_it_touches_is_evaluated(
    loaded: LoadedScenario, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edited record makes its alert be evaluated again, and a run ends as one without cache."""
    asked: list[list[str]] = []

    def counted(
        samples: Samples, candidates: Sequence[Candidate], rules: RuleSet, *rest: Any
    ) -> EngineOutcome:
        asked.append(sorted({own.rule.name for own in candidates}
                            | {own.name for own in rules.recordings}))  # fmt: skip
        return evaluate(samples, candidates, rules, *rest)

    monkeypatch.setattr(kept_outcomes, "evaluate", counted)
    path = tmp_path / "rules.yml"
    edits = [
        ("", ""),
        ("# a comment\n", ""),
        ("sum(cdu", "max(cdu"),
        ("for: 10s", "for: 15s"),
    ]
    for old, new in edits:
        text = RULES if not old.startswith("#") else old + RULES
        path.write_text(text.replace(old, new) if new else text, encoding="utf-8")
        rules = load_rules([str(path)])
        kept = run_scenario(loaded, rules, Options(foreign=True, cache=cache))
        number = len(asked)
        bare = run_scenario(loaded, rules, Options(foreign=True))
        del asked[number:]
        assert replace(kept, seconds=0.0) == replace(bare, seconds=0.0)
    assert asked == [
        ["Flow", "PumpFailed", "PumpsFailed", "pumps:failed:sum"],
        ["PumpsFailed", "pumps:failed:sum"],
        ["PumpFailed"],
    ]
