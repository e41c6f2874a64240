"""Runner of ``promtool test rules``, the engine of Prometheus.

A unit test of promtool says what a query should give and prints what it gave when that
differs. So every test here expects nothing, and what is printed is the result.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from twin.errors import ConfigError
from twin.rules.rule_yaml import RuleGroup, Value, groups_yaml
from twin.scenario import parse_duration

__all__ = [
    "Found",
    "PromtoolAnswer",
    "PromtoolJob",
    "RuleFailedError",
    "UnfinishedError",
    "call",
    "promtool",
    "run",
    "seconds_text",
    "shorter",
    "stop_all",
    "workers",
]

_PATH = f"{os.environ.get('PATH', '')}:/usr/local/bin:/opt/homebrew/bin:/opt/prometheus"
_HEAD = re.compile(r'^\s+expr: "(?P<expr>.*)", time: (?P<time>[^,]+),(?: err: (?P<error>.*))?')
_GOT = re.compile(r"^\s+got:\s*(?P<got>.*)$")
_RULE = re.compile(r"^\s+rule: (?P<rule>.*?), time: (?P<time>[^,]+), err: (?P<error>.*)$")
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\.)*"'
_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)?"
    rf"\{{(?P<labels>(?:{_LABEL}(?:, )?)*)\}} (?P<value>[^\s,]+)"
)
_PAIR = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_TOO_MANY = "too many samples"
_MOST_SECONDS = 1800.0
"""An hour of an array of 512 GPUs takes the shipped rules about a minute on one core."""
_FEWEST_SECONDS = 120.0
"""What the smallest part of a job may take that was not done in time as a whole."""
_COLLECTING = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""How Go's collector runs: it takes a third of promtool's time unless the heap may grow to five
times what is used, as far as memory allows. What the environment says goes first."""
_running: set[subprocess.Popen[str]] = set()
_lock = threading.Lock()


@cache
def promtool() -> str:
    """Return the path of promtool.

    Raises:
        ConfigError: it is not installed.
    """
    found = os.environ.get("PROMTOOL") or shutil.which("promtool", path=_PATH)
    if found is None:
        raise ConfigError(
            "promtool is not installed; it comes with Prometheus (apt install prometheus, "
            "brew install prometheus, or a release from prometheus.io), or set PROMTOOL"
        )
    return found


@cache
def _ended_with_caller() -> tuple[str, ...]:
    """Return the beginning of a command that Linux ends when its caller is killed.

    Without such a command, promtool runs to its end after its caller is killed.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if setpriv is None:
        return ()
    command = (setpriv, "--pdeathsig", "KILL", "--")
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)  # noqa: S603 - of Linux
    return () if tried.returncode else command


def call(
    arguments: Sequence[str], folder: str, seconds: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run promtool in a folder and return what it said; it never outlives its caller.

    Raises:
        ConfigError: it is not there.
        UnfinishedError: it takes too long, or was ended by a signal.
    """
    seconds = _MOST_SECONDS if seconds is None else seconds
    command = [*_ended_with_caller(), promtool(), *arguments]
    with subprocess.Popen(  # noqa: S603 - the program that the user installed
        command,
        cwd=folder,
        env={**_COLLECTING, **os.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        with _lock:
            _running.add(process)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise UnfinishedError(
                f"promtool has not finished within {seconds:g} s; simplify the expression, or "
                "take a smaller or shorter scenario"
            ) from None
        finally:
            process.kill()
            with _lock:
                stopped = process not in _running
                _running.discard(process)
    if process.returncode < 0:
        text = f"promtool was ended by signal {-process.returncode}; try again"
        raise ConfigError(text) if stopped else UnfinishedError(text)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def stop_all() -> None:
    """End every promtool that this process runs."""
    with _lock:
        for process in _running:
            process.kill()
        _running.clear()


@contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads to run so many promtools at a time; an error ends them all."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
        raise
    finally:
        pool.shutdown()


class UnfinishedError(ConfigError):
    """promtool did not come to the end of a job; a smaller one may be done."""


def shorter(seconds: float | None) -> float:
    """Return what each half of a job may take that was not done in so many seconds."""
    whole = _MOST_SECONDS if seconds is None else seconds
    return max(whole / 2, min(whole, _FEWEST_SECONDS))


class RuleFailedError(ConfigError):
    """The engine cannot evaluate a rule, and therefore the whole job fails.

    Attributes:
        rule: name of the alert or of the recorded series.
        reason: what the engine says.
    """

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(rule, reason)  # as they are, so that it comes whole from another process
        self.rule = rule
        self.reason = reason

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Found:
    """One sample that a query gave.

    Attributes:
        query: index of the query.
        at: when, in simulated seconds.
        labels: of the sample, with ``__name__`` if it has a name.
        value: of the sample.
    """

    query: int
    at: float
    labels: Mapping[str, str]
    value: float


@dataclass(slots=True)
class PromtoolJob:
    """What promtool is to evaluate.

    Attributes:
        series: input in promtool's notation, values by series.
        interval: seconds between two values.
        evaluate: seconds between two evaluations of the rules.
        end: last evaluation.
        groups: rule groups with their rules, in the order of their evaluation.
        queries: expressions with the times at which they are asked.
    """

    series: Sequence[tuple[str, str]]
    interval: float
    evaluate: float
    end: float
    groups: Sequence[tuple[RuleGroup, Sequence[Mapping[str, Value]]]] = ()
    queries: list[tuple[str, Sequence[float]]] = field(default_factory=list)

    def ask(self, expr: str, times: Sequence[float]) -> int:
        """Ask for an expression at these times and return the query's index.

        Each expression is evaluated once; later calls share the answer.
        """
        for index, (known, _) in enumerate(self.queries):
            if known == expr:
                return index
        self.queries.append((expr, times))
        return len(self.queries) - 1

    def document(self, rule_file: str | None) -> dict[str, Any]:
        """Return the file that promtool reads."""
        asked = [
            {"expr": expr, "eval_time": seconds_text(at)}
            for expr, times in self.queries
            for at in times
        ]
        # The last test is one that passes: it makes the rules be evaluated to the end.
        last = {
            "expr": "vector(1)",
            "eval_time": seconds_text(self.end),
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        return {
            "rule_files": [] if rule_file is None else [rule_file],
            "evaluation_interval": seconds_text(self.evaluate),
            # promtool takes groups in any order unless it is told one.
            "group_eval_order": [group.name for group, _ in self.groups],
            "tests": [
                {
                    "interval": seconds_text(self.interval),
                    "input_series": _in_one(self.series),
                    "promql_expr_test": [*asked, last],
                }
            ],
        }


def _in_one(series: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Return input series as a single entry, those after the first as further lines of its values.

    promtool joins all entries to a text of one line each, and copies for each entry what it has
    so far: a third to a half of its time, where the series are some thousand.
    """
    if not series:
        return []
    (name, first), *others = series
    return [{"series": name, "values": "\n".join([first, *(f"{n} {v}" for n, v in others)])}]


def seconds_text(seconds: float) -> str:
    """Return a time as promtool reads it."""
    return f"{round(seconds)}s"


@dataclass(frozen=True, slots=True)
class PromtoolAnswer:
    """What promtool said.

    Attributes:
        found: all that the queries gave, in their order.
        errors: why the engine could not evaluate a query, by the query's index.
        oversized: queries that load more samples than promtool allows.
    """

    found: Sequence[Found]
    errors: Mapping[int, str]
    oversized: frozenset[int] = frozenset()


def run(job: PromtoolJob, seconds: float | None = None) -> PromtoolAnswer:
    """Evaluate the rules to the end and return what the queries gave.

    Args:
        job: what to evaluate.
        seconds: that it may take; None for as many as a whole scenario may.

    Raises:
        RuleFailedError: the engine cannot evaluate a rule.
        UnfinishedError: it takes too long.
        ConfigError: promtool is not there.
    """
    with tempfile.TemporaryDirectory(prefix="twin-rules-") as folder:
        rules = Path(folder) / "rules.yml"
        if job.groups:
            rules.write_text(groups_yaml(job.groups), encoding="utf-8")
        test = Path(folder) / "test.yml"
        document = job.document(rules.name if job.groups else None)
        test.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML
        done = call(["test", "rules", test.name], folder, seconds)
    if done.returncode == 0:
        return PromtoolAnswer([], {})
    return _read(done.stdout + done.stderr, job.queries)


def _read(text: str, queries: Sequence[tuple[str, Sequence[float]]]) -> PromtoolAnswer:
    numbers = {expr: index for index, (expr, _) in enumerate(queries)}
    found: list[Found] = []
    errors: dict[int, str] = {}
    oversized: set[int] = set()
    query: int | None = None
    at = 0.0
    for line in text.splitlines():
        if head := _HEAD.match(line):
            query, at = numbers.get(_unquoted(head["expr"])), parse_duration(head["time"])
            if query is None:
                raise ConfigError(f"promtool failed: {line.strip()}")
            if _TOO_MANY in (head["error"] or ""):
                oversized.add(query)
            elif head["error"]:
                errors.setdefault(query, head["error"].strip())
        elif (got := _GOT.match(line)) and query is not None:
            samples = _SAMPLE.finditer(got["got"])
            found.extend(Found(query, at, _labels(own), float(own["value"])) for own in samples)
        elif rule := _RULE.match(line):
            raise RuleFailedError(rule["rule"], _explained(rule["error"]))
    if not found and not errors and not oversized:
        raise ConfigError(f"promtool failed: {' '.join(text.split())[:500]}")
    return PromtoolAnswer(found, errors, frozenset(oversized))


def _labels(sample: re.Match[str]) -> dict[str, str]:
    labels = {key: _unquoted(value) for key, value in _PAIR.findall(sample["labels"])}
    return {"__name__": sample["name"], **labels} if sample["name"] else labels


def _unquoted(text: str) -> str:
    """Return a text as Go quoted it, which is JSON except for rare control characters."""
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"'))
    except json.JSONDecodeError:
        return text


def _explained(error: str) -> str:
    if _TOO_MANY in error:
        return (
            "it loads more than the 10,000 samples that promtool allows a query; "
            "take a smaller slice of the site or a longer scrape interval"
        )
    return error.strip()
