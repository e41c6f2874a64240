"""Rule files as rules: what each reads, where it stands, and what promtool refuses."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from twin.errors import ConfigError
from twin.rules.documents import RulePart, read_parts
from twin.rules.expression import Selector, nested_too_deeply, selectors
from twin.rules.promtool import call
from twin.rules.rule_yaml import RuleGroup, Value, bare, node_text, scalar, seconds_of
from twin.yamls import entries

__all__ = ["Rule", "RuleSet", "load_rules"]

_FRAME = re.compile(r"^Checking|^FAILED|unmarshal errors:$")
_LINE = re.compile(r"line (\d+): (.*)")
_PLACE = re.compile(r"(?:^|\s)(?P<line>\d+):(?P<column>\d+): (?P<text>.*)", re.DOTALL)
_CHECK_SECONDS = 60.0
_MOST_SECONDS = 2**63 / 1e9
"""The longest duration that Prometheus can hold: some 292 years, in ns."""


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
        body: the rule as the file has it, by its keys.
        selectors: what its expression reads.
        home: the group that it is of.
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
    body: Mapping[str, Value]
    selectors: tuple[Selector, ...]
    home: RuleGroup = field(default_factory=lambda: RuleGroup("", {}))

    @property
    def offset(self) -> float:
        """How long ago the moment was as of which Prometheus evaluates it, in seconds."""
        return seconds_of(self.home.attributes.get("query_offset"))

    @property
    def interval(self) -> float:
        """Seconds between two evaluations of its group, 0 where the group leaves it open."""
        return seconds_of(self.home.attributes.get("interval"))

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
        notes: what the files hold and Prometheus does not read, with file and line.
        texts: by a rule's key what its outcome depends on, once it has been written.
    """

    files: tuple[Path, ...]
    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict, init=False, compare=False, repr=False)

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

    def without(self, keys: Collection[str]) -> RuleSet:
        """Return the rules but those with these keys."""
        return replace(self, rules=tuple(own for own in self.rules if own.key not in keys))

    def reading(self, names: Collection[str]) -> tuple[Rule, ...]:
        """Return the rules that read any of these recorded names, directly."""
        return tuple(rule for rule in self.rules if any(own.names(names) for own in rule.selectors))

    def inlined(self, expr: str, reader: Rule) -> str:
        """Return an expression with recorded names replaced by what is recorded.

        Only where that is the same: a name alone, recorded once, without labels of its own,
        by a rule that does not read itself and that is evaluated before its reader.
        """
        place = {rule.key: index for index, rule in enumerate(self.rules)}
        for rule in self.recordings:
            same = [own for own in self.recordings if own.name == rule.name]
            itself = any(own.name == rule.name for own in rule.selectors)
            late = rule.home.number == reader.home.number and (
                place[rule.key] > place.get(reader.key, len(place))
            )
            if len(same) == 1 and not rule.labels and not itself and not late:
                alone = rf"(?<![\w:.\"]){re.escape(rule.name)}(?![\w:(])(?!\s*(?:[{{\[@]|offset\b))"
                expr = re.sub(alone, lambda _, own=rule: f"({own.expr}\n)", expr)  # type: ignore[misc]  # bound at once
        return expr

    def feeding(self, rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """Return the recording rules that these rules read, and those that they read in turn."""
        needed: dict[str, Rule] = {}
        recordings = self.recordings
        names = {rule.name for rule in recordings}
        queue = list(rules)
        while queue:
            read = {name for own in queue.pop().selectors for name in own.names(names)}
            for rule in recordings:
                if rule.name in read and rule.key not in needed:
                    needed[rule.key] = rule
                    queue.append(rule)
        return tuple(rule for rule in recordings if rule.key in needed)


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
    parts: list[RulePart] = []
    notes: list[str] = []
    for file in files:
        own, told = read_parts(file)
        parts += own
        notes += told
    _refuse_deep(parts)
    _check(parts)
    numbers = count()
    rules = tuple(rule for part in parts for rule in _read(part, numbers))
    if not rules:
        why = f" ({notes[0]})" if notes else ""
        raise ConfigError(f"{', '.join(map(str, files))}: there is no rule to test{why}")
    return RuleSet(tuple(files), rules, tuple(notes))


def _check(parts: Sequence[RulePart]) -> None:
    """Let promtool judge the parts: what it takes, Prometheus loads.

    Raises:
        ConfigError: with file and line of its first complaint.
    """
    with TemporaryDirectory(prefix="twin-rules-") as folder:
        names = [f"{index}.yml" for index in range(len(parts))]
        for name, part in zip(names, parts, strict=True):
            (Path(folder) / name).write_text(part.text, encoding="utf-8")
        command = ["check", "rules", "--lint=none"]
        if not call([*command, *names], folder, _CHECK_SECONDS).returncode:
            return
        for name, part in zip(names, parts, strict=True):
            done = call([*command, name], folder, _CHECK_SECONDS)
            if done.returncode:
                raise ConfigError(_complaint(part, name, done.stderr + done.stdout))
        raise ConfigError(
            f"promtool accepts these rule files one by one, but not together: {names}"
        )


def _refuse_deep(parts: Sequence[RulePart]) -> None:
    """Refuse what promtool would evaluate for hours, and what it reads otherwise than it looks.

    Raises:
        ConfigError: with file and line.
    """
    for part in parts:
        for _, node in _rules_of(part):
            for key, value in node.value:
                place = f"{part.file}:{key.start_mark.line + 1}"
                if value.start_mark.index < key.start_mark.index and key.value in _NODES:
                    raise ConfigError(
                        f"{place}: {key.value} is an alias, of which Prometheus 2 reads only the "
                        "name, not the value; write it out"
                    )
                reason = nested_too_deeply(node_text(value)) if key.value == "expr" else ""
                if reason:
                    raise ConfigError(f"{place}: the expression has {reason}; split it up")


_NODES = ("alert", "record", "expr")


def _complaint(part: RulePart, name: str, text: str) -> str:
    """Return promtool's first complaint with file and line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if not _FRAME.search(line)]
    first = told[0] if told else "promtool refuses it"
    first = first.replace(f"{name}: ", "", 1)
    match = _PLACE.search(first)
    if match is None:
        line = _LINE.search(first)
        if line is None:
            return f"{part.file}:{_line_of(part, first)}: {first}"
        return f"{part.file}:{line[1]}: {line[2]}"
    place = int(match["line"]) or _nameless(part)
    return f"{part.file}:{place}: {match['text']}"


def _nameless(part: RulePart) -> int:
    """Return the line of the first rule without a name, for which promtool gives no line."""
    rules = (rule for _, rule in _rules_of(part))
    nameless = (r for r in rules if not {"alert", "record"} & entries(r).keys())
    return next((rule.start_mark.line + 1 for rule in nameless), 1)


def _line_of(part: RulePart, complaint: str) -> int:
    """Return the line that a complaint is about, the first one if that cannot be told."""
    if "duration" in complaint:
        own = (line for node in _timed(part) for line in _unread_duration(node))
        return next(own, 1)
    quoted = re.findall(r'"([^"]+)"', complaint)
    lines = part.text.splitlines()
    return next((i for i, own in enumerate(lines, 1) if quoted and quoted[-1] in own), 1)


_DURATIONS = ("interval", "query_offset", "for", "keep_firing_for")


def _timed(part: RulePart) -> Iterator[yaml.Node]:
    """Yield the nodes of every group and rule, as they are in the file."""
    for group in _items(entries(part.root).get("groups")):
        yield group
        yield from _items(entries(group).get("rules"))


def _unread_duration(node: yaml.Node) -> Iterator[int]:
    """Yield the lines of what should be durations of a group or a rule, and is none."""
    own = entries(node)
    for value in (own[key] for key in _DURATIONS if key in own):
        try:
            fits = seconds_of(bare(value)) < _MOST_SECONDS
        except ValueError:
            fits = False
        if not fits:
            yield value.start_mark.line + 1


def _rules_of(part: RulePart) -> Iterator[tuple[yaml.Node, yaml.MappingNode]]:
    """Yield the nodes of every group and rule."""
    for group in _items(entries(part.root).get("groups")):
        for rule in _items(entries(group).get("rules")):
            if isinstance(rule, yaml.MappingNode):
                yield group, rule


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _read(part: RulePart, numbers: Iterator[int]) -> Iterator[Rule]:
    homes: dict[int, RuleGroup] = {}
    for group, node in _rules_of(part):
        if id(group) not in homes:
            homes[id(group)] = _group(group, next(numbers))
        yield _rule(node, homes[id(group)], part.file)


def _group(node: yaml.Node, number: int) -> RuleGroup:
    attributes = {k: bare(v) for k, v in entries(node).items() if k not in ("name", "rules")}
    return RuleGroup(scalar(entries(node).get("name")), attributes, number)


def _rule(node: yaml.Node, home: RuleGroup, file: Path) -> Rule:
    own = entries(node)
    value = own["expr"]
    expr = node_text(value)
    block = isinstance(value, yaml.ScalarNode) and value.style in ("|", ">")
    return Rule(
        name=node_text(own.get("alert")) or node_text(own.get("record")),
        alerting=bool(node_text(own.get("alert"))),
        expr=expr.strip(),
        lasts=seconds_of(own.get("for")),
        labels={name: scalar(text) for name, text in entries(own.get("labels")).items()},
        group=home.name,
        file=file,
        line=node.start_mark.line + 1,
        expr_line=value.start_mark.line + 1 + block,
        body={key: bare(part) for key, part in own.items()},
        selectors=selectors(expr),
        home=home,
    )
