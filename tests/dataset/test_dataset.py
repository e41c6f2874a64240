"""Datasets: what is injected is what the events say, and nothing of the test part is trained on."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # it ships no types
import pytest
from pyarrow import parquet

from twin.dataset import RECIPES, DatasetPlan, make_dataset, making
from twin.dataset.card import card_of
from twin.dataset.plan import columns_of, splits_of
from twin.dataset.planning import draw_events
from twin.errors import ConfigError
from twin.faults import FAULTS, parse_fault, place_of

BASELINES = Path(__file__).parents[2] / "examples/dataset_baselines.py"
PLAN = DatasetPlan("gpu-thermal", sites=2, days=2, step=60, seed=3, day=1800)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small dataset."""
    made = tmp_path_factory.mktemp("dataset") / "thermal"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "WARM_UP", 300)
        make_dataset(PLAN, made)
    return made


def table(path: Path) -> list[dict[str, object]]:
    """Return the rows of a Parquet file."""
    rows: list[dict[str, object]] = parquet.ParquetFile(path).read().to_pylist()
    return rows


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_fault_can_strike(name: str) -> None:
    """Each kind of a recipe comes, at a place that the site has, and is over before its day is."""
    plan = DatasetPlan(name)
    layout, random, kinds = plan.layout(0), np.random.default_rng(1), set()
    for day in range(20):
        span = range(day * plan.day, (day + 1) * plan.day, plan.step)
        last = span[0]
        for event in draw_events(plan.own, layout, span, random):
            place_of(FAULTS, layout, event.kind, event.target)
            parse_fault(FAULTS, event.kind, event.parameters)
            assert last <= event.start < event.end < span[-1]
            assert event.alerts
            kinds.add(event.kind)
            last = event.end
    assert kinds == {choice.kind for choice in plan.own.faults}


@pytest.mark.full
def test_columns_are_those_of_the_recipe(folder: Path) -> None:
    """Signals are in a folder for site, day and class, and the facts name all their columns."""
    facts = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert facts["columns"] == columns_of(RECIPES["gpu-thermal"])
    (path,) = folder.glob("signals/site=site-2/day=002/class=cdu/*.parquet")
    names = set(parquet.ParquetFile(path).schema_arrow.names)
    wanted = {own["metric"] for own in facts["columns"] if own["class"] == "cdu"}
    assert wanted | {"time", "rack", "site"} <= names
    assert len(table(path)) == 30 * 4


def test_events_say_what_was_wrong(folder: Path) -> None:
    """Each event has a fault of the recipe, its place, how bad it is, and the alerts to expect."""
    events = table(folder / "events.parquet")
    assert events
    for event in events:
        assert event["fault"] in {choice.kind for choice in RECIPES["gpu-thermal"].faults}
        assert event["rack"]
        assert 0.0 <= float(str(event["degree"])) <= 1.0
        assert event["alerts"]


def test_splits_leak_nothing() -> None:
    """The test part is later than training, or of other sites, and each part is there."""
    splits = splits_of(DatasetPlan("gpu-thermal", sites=5, days=10))
    days = {part: {str(own["day"]) for own in splits if own["by_time"] == part} for part in PARTS}
    sites = {part: {str(own["site"]) for own in splits if own["by_site"] == part} for part in PARTS}
    assert (
        max(days["train"]) < min(days["validation"]) <= max(days["validation"]) < min(days["test"])
    )
    assert all(sites.values())
    assert not sites["train"] & (sites["validation"] | sites["test"])


PARTS = ("train", "validation", "test")


@pytest.mark.full
def test_same_seed_gives_the_same_data(folder: Path, tmp_path: Path) -> None:
    """A second run has the same rows in every file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "WARM_UP", 300)
        make_dataset(PLAN, tmp_path / "again")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*.parquet"))
    assert len(files) > 10
    others = [path for path in files if table(folder / path) != table(tmp_path / "again" / path)]
    assert others == []


def test_card_tells_limits_and_licence(folder: Path) -> None:
    """The data card says how the data were made, what they do not show, and their licence."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    for head in ("How it was made", "Known limits", "Licence", "CC0-1.0", "--seed 3"):
        assert head in card


def test_card_parts_columns_of_one_metric() -> None:
    """Two signals of a metric, a supply's input and output, are told apart."""
    columns = columns_of(RECIPES["power-quality"])
    card = card_of(DatasetPlan("power-quality"), {}, columns)
    for signal in ("input_power", "output_power"):
        assert f"| psu | {signal} | `ipmi_power_watts` |" in card


def baselines() -> ModuleType:
    """Return the example."""
    spec = spec_from_file_location("dataset_baselines", BASELINES)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.full
def test_baselines_score_it(folder: Path) -> None:
    """The example gives a score for each baseline, and the z-score is better than chance."""
    example = baselines()
    head, *lines = example.scores(example.load(folder, "by_time"))
    assert head[0] == "Baseline"
    assert [line[0].split(" on ")[0] for line in lines] == [
        "threshold", "z-score", "isolation forest"]  # fmt: skip
    assert float(lines[1][1]) > 0.6


def test_what_is_missing_comes_from_no_other_place() -> None:
    """A rack of which nothing is known keeps its own last value, and never has its neighbour's."""
    example = baselines()
    index = [("a", 1, "r1"), ("a", 1, "r2"), ("a", 2, "r1"), ("a", 2, "r2"), ("b", 1, "r1")]
    features = pd.DataFrame(
        {"power": [5.0, np.nan, np.nan, 7.0, np.nan]},
        pd.MultiIndex.from_tuples(index, names=["site", "time", "rack"]),
    )
    assert example.filled(features)["power"].tolist() == [5.0, 0.0, 5.0, 7.0, 0.0]


@pytest.mark.full
def test_wrong_dataset_is_told_before_it_is_made(folder: Path) -> None:
    """A recipe, a step or a folder that cannot be is refused with the remedy."""
    with pytest.raises(ConfigError, match="did you mean gpu-thermal"):
        DatasetPlan("gpu-termal")
    with pytest.raises(ConfigError, match="whole number of steps"):
        DatasetPlan("gpu-thermal", step=7)
    with pytest.raises(ConfigError, match="is there already"):
        make_dataset(PLAN, folder)


def test_steps_tell_nothing_of_a_fault() -> None:
    """The plant's steps are as long in quiet hours of a dataset as during its faults."""
    own = making.past_plan(DatasetPlan("power-quality"), 0)
    assert own.quiet == own.longest
