"""Three baselines on a dataset of `twin dataset`: a threshold, a z-score, an isolation forest.

twin dataset gpu-thermal --to thermal
python examples/dataset_baselines.py thermal

Needs the extra `examples`.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # it ships no types
from sklearn.ensemble import IsolationForest
from sklearn.metrics import precision_recall_curve, roc_auc_score

RECOVERY = pd.Timedelta("10min")
"""After an event the site may still be as it was: this time is not judged."""
QUIET = 0.995
"""Share of healthy samples that z-score and forest must leave alone."""
ROW_LABELS = ("time", "day")


@dataclass
class Samples:
    """A row for each rack, or for each site where the data are of its supply, and each time."""

    features: pd.DataFrame
    event: pd.Series  # number of the event, -1 where nothing is wrong
    judged: pd.Series
    part: pd.Series


def load(folder: Path, split: str) -> Samples:
    """Read a dataset; what belongs to the whole site is a column of each of its racks."""
    facts = json.loads((folder / "dataset.json").read_text())
    counters = {own["metric"] for own in facts["columns"] if own["kind"] == "counter"}
    classes = list(dict.fromkeys(own["class"] for own in facts["columns"]))
    keys = ["site", "day", "time"] if "grid" in classes else ["site", "day", "time", "rack"]
    metrics = {own["metric"] for own in facts["columns"]}
    tables = [
        table for name in classes for table in features_of(folder, name, metrics, counters, keys)
    ]
    tables.sort(key=lambda table: -table.index.nlevels)
    joined = tables[0]
    for table in tables[1:]:
        table.columns = [own if own not in joined else f"{own}'" for own in table]
        joined = joined.join(table, on=list(table.index.names))
    joined = filled(joined)
    rows = joined.index.to_frame(index=False)
    event, judged = labels_of(folder, rows)
    splits = pd.read_parquet(folder / "splits.parquet")
    part = rows.merge(splits, on=["site", "day"], how="left")[split]
    return Samples(joined.reset_index(drop=True), event, judged, part)


def filled(features: pd.DataFrame) -> pd.DataFrame:
    """Return features of which none is missing: as before, at this place and never at another."""
    places = [key for key in ("site", "rack") if key in features.index.names]
    return features.groupby(level=places).ffill().fillna(0.0)


def features_of(
    folder: Path, name: str, metrics: set[str], counters: set[str], keys: list[str]
) -> list[pd.DataFrame]:
    """Return mean, least and greatest value of each metric of a device class."""
    files: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(folder.glob(f"signals/site=*/day=*/class={name}/*.parquet")):
        rows = pd.read_parquet(path, partitioning=None)
        rows["day"] = path.parent.parent.name.removeprefix("day=")
        files.setdefault(path.name, []).append(rows)
    tables = []
    for parts in files.values():
        rows = pd.concat(parts, ignore_index=True)
        values = [own for own in rows if own in metrics]
        labels = [own for own in rows if own not in metrics and own not in ROW_LABELS]
        rows[labels] = rows[labels].astype("string").fillna("")
        counted = [own for own in values if own in counters]
        if counted:
            identity = rows.groupby(labels, sort=False).ngroup()
            rows[counted] = rows[counted].groupby(identity).diff().clip(lower=0.0)
        own_keys = [key for key in keys if key in rows]
        table = rows.groupby(own_keys)[values].agg(["mean", "min", "max"])
        table.columns = [f"{how} {metric}" for metric, how in table.columns]
        tables.append(table)
    return tables


def labels_of(folder: Path, rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return which event each row is of, and whether it is judged at all."""
    event = pd.Series(-1, rows.index)
    judged = pd.Series(True, rows.index)
    for number, own in enumerate(pd.read_parquet(folder / "events.parquet").itertuples()):
        here = rows["site"] == own.site
        if "rack" in rows and isinstance(own.rack, str):
            here &= rows["rack"] == own.rack
        event[here & (rows["time"] > own.start) & (rows["time"] <= own.end)] = number
        # The other racks of a job feel it too, and recover with it.
        after = (rows["time"] > own.end) & (rows["time"] <= own.end + RECOVERY)
        judged[(rows["site"] == own.site) & after] = False
    return event, judged


def threshold(train: pd.DataFrame, wrong: pd.Series, test: pd.DataFrame) -> tuple[str, np.ndarray]:
    """Score by the one column, and its side, that tells best what is wrong in training."""
    best, chosen, side = 0.0, train.columns[0], 1.0
    for column in train:
        area = roc_auc_score(wrong, train[column])
        if max(area, 1.0 - area) > best:
            best, chosen, side = max(area, 1.0 - area), column, 1.0 if area >= 0.5 else -1.0
    return f"threshold on {'+' if side > 0 else '-'}{chosen}", side * test[chosen].to_numpy()


def main() -> None:
    """Print a row for each baseline."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=("by_time", "by_site"), default="by_time")
    options = parser.parse_args()
    samples = load(options.folder, options.split)
    for line in scores(samples):
        print(" | ".join(line))


def scores(samples: Samples) -> list[tuple[str, ...]]:
    """Return a row for each baseline: how well it tells wrong from right, sample by sample."""
    judged = samples.judged
    learn, test = judged & (samples.part == "train"), judged & (samples.part == "test")
    features, wrong = samples.features, samples.event >= 0
    healthy = learn & ~wrong
    mean, spread = features[healthy].mean(), features[healthy].std().clip(lower=1e-9)
    spread = spread.clip(lower=1e-6 * mean.abs())
    scaled = ((features - mean) / spread).clip(-50.0, 50.0)
    most = min(1024, int(healthy.sum()))
    forest = IsolationForest(n_estimators=200, max_samples=most, random_state=0)
    forest.fit(scaled[healthy].to_numpy())
    name, single = threshold(features[learn], wrong[learn], features)
    distance = scaled.abs().max(axis=1).to_numpy()
    isolation = -forest.score_samples(scaled.to_numpy())
    found: list[tuple[str, ...]] = [
        ("Baseline", "ROC AUC", "precision", "recall", "F1", "events found")
    ]
    for title, score, limit in (
        (name, single, best_limit(wrong[learn], single[learn])),
        ("z-score", distance, np.quantile(distance[healthy], QUIET)),
        ("isolation forest", isolation, np.quantile(isolation[healthy], QUIET)),
    ):
        found.append((title, *judge(samples, score, limit, test)))
    return found


def best_limit(wrong: pd.Series, score: np.ndarray) -> float:
    """Return the limit with the best F1 in training."""
    precision, recall, limits = precision_recall_curve(wrong, score)
    both = 2.0 * precision * recall / np.maximum(precision + recall, 1e-9)
    return float(limits[int(both[:-1].argmax())])


def judge(samples: Samples, score: np.ndarray, limit: float, test: pd.Series) -> tuple[str, ...]:
    """Return the figures of a score on the test part."""
    wrong, told = samples.event[test] >= 0, score[test] >= limit
    hits = int((wrong & told).sum())
    precision, recall = hits / max(int(told.sum()), 1), hits / max(int(wrong.sum()), 1)
    both = 2.0 * precision * recall / max(precision + recall, 1e-9)
    events = samples.event[test]
    seen = events[told & wrong].nunique()
    of = events[wrong].nunique()
    area = roc_auc_score(wrong, score[test])
    return (f"{area:.3f}", f"{precision:.2f}", f"{recall:.2f}", f"{both:.2f}", f"{seen} of {of}")


if __name__ == "__main__":
    main()
