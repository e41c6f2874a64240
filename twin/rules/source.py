"""Rule files as they are, with the position of each rule."""

from __future__ import annotations

import glob
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from twin.errors import ConfigError
from twin.rules.expression import Selector, selectors
from twin.rules.promtool import promtool
from twin.scenario import parse_duration

__all__ = ["Rule", "RuleSet", "load_rules"]

_FRAME = re.compile(r"^Checking|^FAILED|unmarshal errors:$")
_LINE = re.compile(r"line (\d+): (.*)")
_PLACE = re.compile(r"(?:^|\s)(?P<line>\d+):(?P<column>\d+): (?P<text>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rule:
    """An alerting or a recording rule.

    Attributes:
        name: of the alert, or of the series that is recorded.
        alerting: whether it is an alert.
        expr: its expression.
        lasts: how long it must hold before the alert fires, in seconds.
        labels: that the rule adds.
        group: name of its group.
        file: where it stands.
        line: of the rule in the file.
        expr_line: of the expression.
        body: the rule as the file has it.
        selectors: what its expression reads.
    """

    name: str
    alerting: bool
    expr: str
    lasts: float
    labels: Mapping[str, str]
    group: str
    file: Path
    line: int
    expr_line: int
    body: Mapping[str, Any]
    selectors: tuple[Selector, ...]

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"

    @property
    def key(self) -> str:
        """What tells it from every other rule, also from those of the same name."""
        return f"{self.place}:{self.name}"


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of some files, in the order of the files.

    Attributes:
        files: that were read.
        rules: all of them.
    """

    files: tuple[Path, ...]
    rules: tuple[Rule, ...]

    @property
    def alerts(self) -> tuple[Rule, ...]:
        """The alerting rules."""
        return tuple(rule for rule in self.rules if rule.alerting)

    @property
    def recordings(self) -> tuple[Rule, ...]:
        """The recording rules."""
        return tuple(rule for rule in self.rules if not rule.alerting)

    def named(self, name: str) -> tuple[Rule, ...]:
        """Return the alerting rules of that name."""
        return tuple(rule for rule in self.alerts if rule.name == name)

    def inlined(self, expr: str) -> str:
        """Return an expression with recorded names replaced by what is recorded.

        Only where that is the same: a name alone, recorded once, without labels of its own,
        by a rule that does not read itself.
        """
        for rule in self.recordings:
            same = [own for own in self.recordings if own.name == rule.name]
            itself = any(own.name == rule.name for own in rule.selectors)
            if len(same) == 1 and not rule.labels and not itself:
                alone = rf"(?<![\w:.\"]){re.escape(rule.name)}(?![\w:(])(?!\s*(?:[{{\[@]|offset\b))"
                expr = re.sub(alone, lambda _, own=rule: f"({own.expr}\n)", expr)  # type: ignore[misc]  # bound at once
        return expr

    def feeding(self, rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """Return the recording rules that these rules read, and those that they read in turn."""
        needed: dict[str, Rule] = {}
        names = {rule.name for rule in self.recordings}
        queue = list(rules)
        while queue:
            read = {name for own in queue.pop().selectors for name in own.names(names)}
            for rule in self.recordings:
                if rule.name in read and rule.key not in needed:
                    needed[rule.key] = rule
                    queue.append(rule)
        return tuple(rule for rule in self.recordings if rule.key in needed)


def load_rules(patterns: Sequence[str]) -> RuleSet:
    """Return the rules of all files that these patterns match.

    Raises:
        ConfigError: no file matches, promtool refuses one, or promtool is not there.
    """
    files: dict[Path, None] = {}
    for pattern in patterns:
        found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns too
        if not found:
            raise ConfigError(f"{pattern}: no rule file matches")
        files.update((Path(name), None) for name in found)
    rules: list[Rule] = []
    for file in files:
        _check(file)
        rules.extend(_read(file))
    if not any(rule.alerting for rule in rules):
        raise ConfigError(f"{', '.join(map(str, files))}: there is no alerting rule to test")
    return RuleSet(tuple(files), tuple(rules))


def _check(file: Path) -> None:
    """Let promtool judge the file: what it takes, Prometheus loads."""
    _refuse_others(file)
    done = subprocess.run(  # noqa: S603 - the program that the user installed
        [promtool(), "check", "rules", "--lint=none", str(file)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ConfigError(_complaint(file, done.stderr + done.stdout))


def _refuse_others(file: Path) -> None:
    """Refuse what is no YAML, with the line, and what another program calls a rule file.

    Raises:
        ConfigError: with file and line.
    """
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file}:{line}: is not YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    if root is not None and _value(root, "kind") is not root:
        raise ConfigError(
            f"{file}:{root.start_mark.line + 1}: is an object of Kubernetes and no rule file; "
            f"take what is under its spec, for example with yq .spec {file}"
        )


def _complaint(file: Path, text: str) -> str:
    """Return promtool's first complaint with file and line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not _FRAME.search(line)]
    first = told[0] if told else "promtool refuses it"
    first = first.replace(f"{file}: ", "", 1)
    match = _PLACE.search(first)
    if match is None:
        line = _LINE.search(first)
        if line is None:
            return f"{file}:{_line_of(file, first)}: {first}"
        return f"{file}:{line[1]}: {line[2]}"
    return f"{file}:{match['line']}: {match['text']}"


def _line_of(file: Path, complaint: str) -> int:
    """Return the line that has what a complaint quotes last, the first one if none has."""
    quoted = re.findall(r'"([^"]+)"', complaint)
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((i for i, own in enumerate(lines, 1) if quoted and quoted[-1] in own), 1)


def _read(file: Path) -> list[Rule]:
    text = file.read_text(encoding="utf-8")
    root = yaml.compose(text, yaml.SafeLoader)
    if root is None:
        return []
    data = yaml.safe_load(text) or {}
    rules = []
    for group, group_node in _pairs(data, root, "groups"):
        for body, node in _pairs(group, group_node, "rules"):
            rules.append(_rule(body, node, str(group["name"]), file))
    return rules


def _rule(body: Mapping[str, Any], node: yaml.Node, group: str, file: Path) -> Rule:
    expr = str(body["expr"])
    value = _value(node, "expr")
    block = isinstance(value, yaml.ScalarNode) and value.style in ("|", ">")
    return Rule(
        name=str(body.get("alert") or body["record"]),
        alerting="alert" in body,
        expr=expr.strip(),
        lasts=_seconds(body.get("for")),
        labels={str(k): str(v) for k, v in (body.get("labels") or {}).items()},
        group=group,
        file=file,
        line=node.start_mark.line + 1,
        expr_line=value.start_mark.line + 1 + block,
        body=body,
        selectors=selectors(expr),
    )


def _seconds(duration: Any) -> float:
    return 0.0 if duration in (None, "", 0, "0") else parse_duration(str(duration))


def _value(node: yaml.Node, key: str) -> yaml.Node:
    if isinstance(node, yaml.MappingNode):
        for own, value in node.value:
            if own.value == key:
                return value  # type: ignore[no-any-return]  # the stubs leave the items untyped
    return node


def _pairs(data: Mapping[str, Any], node: yaml.Node, key: str) -> list[tuple[Any, yaml.Node]]:
    """Return the elements of a list with their nodes."""
    sequence = _value(node, key)
    if not isinstance(sequence, yaml.SequenceNode):
        return []
    return list(zip(data[key] or [], sequence.value, strict=True))
