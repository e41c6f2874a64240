"""Rule files as they come: what Prometheus would load of each, in the user's own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin.errors import ConfigError
from twin.rules.documents import read_parts
from twin.rules.jobs import grouped
from twin.rules.rule_yaml import groups_yaml, scalar
from twin.rules.source import RuleSet, load_rules

pytestmark = pytest.mark.integration

RULE = """- name: {name}
  rules:
    # why
    - alert: {name}
      expr: |
        up == 0
      labels: {{a: {label}}}
"""


def rule(name: str, label: str = "x", indent: int = 0) -> str:
    """Return a group with one alert."""
    text = RULE.format(name=name, label=label)
    return "".join(f"{' ' * indent}{line}\n" for line in text.splitlines())


def resource(name: str, indent: int = 0, label: str = "x") -> str:
    """Return a PrometheusRule."""
    pad = " " * indent
    return (
        f"{pad}apiVersion: monitoring.coreos.com/v1\n{pad}kind: PrometheusRule\n"
        f"{pad}metadata: {{name: {name.lower()}}}\n{pad}spec:\n{pad}  groups:\n"
        + rule(name, label, indent + 2)
    )


PLAIN = "groups:\n" + rule("A")
CONFIG_MAP = (
    "kind: ConfigMap\napiVersion: v1\ndata:\n  other: text\n  r.yml: |\n    groups:\n"
    + rule("A", indent=4)
)
JSON = (
    '{"apiVersion": "v1", "kind": "List", "items": [{"kind": "PrometheusRule", "spec": {"groups": '
    '[{"name": "g", "rules": [{"alert": "A", "expr": "up == 0", "labels": {"a": "x"}}]}]}}]}'
)


def loaded(data: str | bytes, folder: Path) -> RuleSet:
    """Return the rules of a file with this content."""
    path = folder / "own.yml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return load_rules([str(path)])


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (PLAIN, "A"),
        (f"# Source: x\n---\n{PLAIN}---\n", "A"),
        (f"---\n{PLAIN}...\n", "A"),
        (PLAIN.encode("utf-16"), "A"),
        (PLAIN.encode("utf-8-sig"), "A"),
        (PLAIN.replace("\n", "\r\n"), "A"),
        (f"namespace: gpu\n{PLAIN}", "A"),
        (resource("A"), "A"),
        (f"{resource('A')}---\n{resource('B')}", "AB"),
        (f"---\n# nothing\n---\n{resource('A')}---\n---\nkind: Service\nspec: {{}}\n", "A"),
        (
            "apiVersion: v1\nitems:\n-"
            + resource("A", 2)[1:]
            + "-"
            + resource("B", 2)[1:]
            + "kind: List\nmetadata: {resourceVersion: ''}\n",
            "AB",
        ),
        (JSON, "A"),
        (CONFIG_MAP, "A"),
        (PLAIN.replace("- name: A\n", "- name: A\n  partial_response_strategy: abort\n"), "A"),
        (PLAIN.replace("- name: A\n", "- source_tenants: [a,\n   b]\n  name: A\n"), "A"),
        (resource("A").replace("- name: A\n", "- {partial_response_strategy: abort, "
         "name: A, rules: [{alert: A, expr: up}]}\n").split("    rules:")[0], "A"),
    ],
)  # fmt: skip
def test_a_file_is_read_as_what_it_is(data: str | bytes, names: str, tmp_path: Path) -> None:
    """Plain files, objects, lists and maps of Kubernetes, in all encodings, of other rulers."""
    assert "".join(own.name for own in loaded(data, tmp_path).alerts) == names


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """A rule within objects leads to its own line, and so does what promtool says of it."""
    text = f"# ä€😀\n{resource('A')}---\n{resource('B')}"
    lines = text.splitlines()
    for own in loaded(text, tmp_path).rules:
        assert lines[own.line - 1].strip() == f"- alert: {own.name}"
        assert lines[own.expr_line - 1].strip() == "up == 0"
    assert [own.line for own in loaded(CONFIG_MAP, tmp_path).rules] == [10]
    head, _, tail = text.rpartition("up == 0")
    with pytest.raises(ConfigError, match=rf"own\.yml:{len(lines) - 2}: .*parse error"):
        loaded(f"{head}up == ({tail}", tmp_path)


def test_what_prometheus_does_not_read_is_told(tmp_path: Path) -> None:
    """Of a plain file it loads the first document only."""
    found = loaded(f"---\n{PLAIN}---\ngroups:\n{rule('B')}", tmp_path)
    assert [own.name for own in found.rules] == ["A"]
    assert found.notes[0].startswith(f"{tmp_path}/own.yml:11: Prometheus reads only the first")
    with pytest.raises(ConfigError, match=r"no rule to test .*Prometheus reads only the first"):
        loaded(f"---\n---\n{PLAIN}", tmp_path)


def test_objects_without_rules_are_named(tmp_path: Path) -> None:
    """A chart without rules is no empty test."""
    with pytest.raises(ConfigError, match="only objects of kind Service, Deployment"):
        loaded("kind: Service\n---\nkind: Deployment\n", tmp_path)


@pytest.mark.parametrize(
    "label", ["yes", "on", "1.10", "0070", "0o17", "22:00", "1_000", "2026-01-01", "~", "NULL",
              "true", "1e3", "+.inf", "=", "'it''s'", '"a\\tb"', "!!str 010"],
)  # fmt: skip
def test_labels_are_what_prometheus_reads(label: str, tmp_path: Path) -> None:
    """A plain label is its text, whatever YAML takes it for, in the file and for the engine."""
    (own,) = loaded("groups:\n" + rule("A", label), tmp_path).rules
    plain = {"~": "", "NULL": "", "'it''s'": "it's", '"a\\tb"': "a\tb", "!!str 010": "010"}
    assert own.labels == {"a": plain.get(label, label)}
    path = tmp_path / "written.yml"
    path.write_text(groups_yaml(grouped([(own, own.body)], RuleSet((), (own,)))), "utf-8")
    (again,) = load_rules([str(path)]).rules
    assert again.labels == own.labels
    assert f": {label}\n" in path.read_text("utf-8") or not label.isalnum()


def test_attributes_are_handed_over_as_they_stand(tmp_path: Path) -> None:
    """What a group or a rule has beside the usual stays, also what nobody here knows of."""
    path = tmp_path / "own.yml"
    path.write_text(
        "groups:\n- name: g\n  limit: 007\n  future: {a: [1_0, no]}\n  rules:\n"
        "  - {alert: A, expr: up, keep_firing_for: 1m, later: 0b1}\n"
    )
    ((part,), _) = read_parts(path)
    assert part.text == path.read_text()
    rules = loaded(path.read_text().replace("  future: {a: [1_0, no]}\n", "").replace(
        ", later: 0b1", ""), tmp_path)  # fmt: skip
    (own,) = rules.rules
    assert scalar(own.body["keep_firing_for"]) == "1m"
    assert '"limit": 007\n' in groups_yaml(grouped([(own, own.body)], rules))


def test_merged_keys_count(tmp_path: Path) -> None:
    """What a rule takes from another by a merge key is its own."""
    text = (
        "groups:\n- name: g\n  rules:\n"
        "  - &a {alert: A, expr: up == 0, for: 1m, labels: &l {a: x}}\n"
        "  - {<<: *a, for: 2m, labels: {<<: *l, b: y}}\n"
    )
    first, second = loaded(text, tmp_path).rules
    assert (first.lasts, second.lasts) == (60.0, 120.0)
    assert second.expr == first.expr
    assert second.labels == {"a": "x", "b": "y"}


def test_files_of_vmalert_are_read(tmp_path: Path) -> None:
    """What vmalert alone has in groups and rules is left out; another language is refused."""
    path = tmp_path / "own.yml"
    group = (
        "groups:\n  - name: g\n    type: prometheus\n    concurrency: 2\n    eval_offset: 5s\n"
        "    headers: ['a: b']\n    rules:\n"
        "      - {debug: true, alert: A, expr: up, update_entries_limit: 3}\n"
        "      - alert: B\n        expr: up\n        debug: false\n"
    )
    path.write_text(group, encoding="utf-8")
    assert [(rule.name, rule.line) for rule in load_rules([str(path)]).rules] == [
        ("A", 8),
        ("B", 9),
    ]
    path.write_text(group.replace("prometheus", "graphite"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"own\.yml:3: field type not found"):
        load_rules([str(path)])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-32-be"])
def test_encodings_with_a_mark_are_read(encoding: str, tmp_path: Path) -> None:
    """Every encoding that YAML allows is known by its byte order mark."""
    path = tmp_path / "own.yml"
    mark = "\ufeff" if encoding.endswith("be") else ""
    path.write_bytes((mark + "groups:\n" + rule("Überhitzt")).encode(encoding))
    assert [own.name for own in load_rules([str(path)]).rules] == ["Überhitzt"]


def test_a_null_is_a_word_where_prometheus_reads_one(tmp_path: Path) -> None:
    """An expression that is null reads a metric of that name, as it does in Prometheus."""
    path = tmp_path / "own.yml"
    path.write_text("groups: [{name: g, rules: [{alert: null, expr: null}]}]\n", encoding="utf-8")
    (own,) = load_rules([str(path)]).rules
    assert (own.name, own.expr, [each.name for each in own.selectors]) == ("null", "null", ["null"])
