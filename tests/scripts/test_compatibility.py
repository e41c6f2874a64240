"""The script that asks other people's dashboards of the twin: what it makes of their files."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from twin.rules.audit import RuleFinding
from twin.rules.expression import selectors
from twin.rules.source import Rule

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(scope="module", autouse=True)
def _path() -> Iterator[None]:
    """The folder of scripts on the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("asked", SCRIPTS / "compatibility.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "asked", module)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stores() -> ModuleType:
    """The module of the stores."""
    return importlib.import_module("site_in_stores")


@pytest.fixture(scope="module")
def known() -> ModuleType:
    """The module that tells why a query has no answer."""
    return importlib.import_module("compatibility_known")


def test_variables_are_replaced_in_all_three_spellings(script: ModuleType) -> None:
    """Grafana knows $name, ${name:format} and [[name]]; what is no variable stays."""
    text = 'up{a="$job", b="${job:regex}", c="[[job]]", d="$other"}'
    assert script.substituted(text, {"job": "x"}) == 'up{a="x", b="x", c="x", d="$other"}'


def test_panels_in_rows_are_found(script: ModuleType) -> None:
    """Collapsed rows and those of old dashboards hold panels, too; texts ask nothing."""
    one = {"title": "one", "targets": [{"expr": "up"}]}
    board = {
        "panels": [{"type": "row", "panels": [one]}, {"type": "text"}],
        "rows": [{"panels": [{"title": "two", "targets": [{"expr": "down"}]}]}],
    }
    assert list(script.panels_of(board)) == [("one", ["up"]), ("two", ["down"])]


def test_the_share_is_of_what_a_real_cluster_answers(script: ModuleType) -> None:
    """Panels of other exporters count neither for nor against the twin."""
    tally = script.Tally("mine", "me", panels=10, answered=6, partly=1, beyond=2)
    assert tally.share == 7 / 8
    assert "| mine: me | 10 | 2 | 6 | 1 | 88% |" in script.page([tally])


def test_labels_of_a_scrape_configuration_are_added(stores: ModuleType) -> None:
    """Target labels come to every series, with the host's name, and replace what was there."""
    labels = (("hostname", "{host}"), ("instance", "{host}"), ("cluster", "x"))
    line = 'up{instance="n1:9100",path="/a,b\\"}"} 1'
    own = stores.labelled(line, labels)
    assert own == 'up{instance="n1",path="/a,b\\"}",hostname="n1",cluster="x"} 1'
    assert stores.labelled("up 1", (("cluster", "x"),)) == 'up{cluster="x"} 1'


def test_the_setup_of_a_collection_is_read(stores: ModuleType, tmp_path: Path) -> None:
    """``SETUP`` says labels, counters, letter case and scheduler; without it nothing is added."""
    assert stores.setup_of(tmp_path) == stores.Setup()
    (tmp_path / "own.csv").write_text("DCGM_FI_DEV_GPU_TEMP, gauge, help\n", encoding="utf-8")
    text = "{labels: {a: b}, counters: own.csv, ignore_case: true, scheduler: slurm}"
    (tmp_path / "SETUP").write_text(text, encoding="utf-8")
    setup = stores.setup_of(tmp_path)
    assert setup.labels == (("a", "b"),)
    assert setup.counters.startswith("DCGM_FI_DEV_GPU_TEMP")
    assert setup.ignore_case
    assert setup.kinds(stores.SCHEDULERS) == ("slurm",)


@pytest.mark.parametrize(
    ("name", "beyond"),
    [
        ("kubelet_running_pods", True),
        ("container_cpu_usage_seconds_total", True),
        ("node_systemd_units", True),
        ("kube_cronjob_status_active", True),
        ("my_own_metric", True),
        ("kube_service_info", True),
    ],
)
def test_what_other_exporters_have_counts_neither_way(
    known: ModuleType, name: str, beyond: bool
) -> None:
    """Programs that the twin does not stand for are beyond it, and the reason says which."""
    reason, own = known.why_lacking(name)
    assert own is beyond
    assert reason.startswith(f"{name}: ")


class Trace:
    """What stands for a VictoriaMetrics: it tells what it looked for."""

    url = "http://127.0.0.1:1"


def test_a_victoriametrics_tells_what_a_template_looks_for(
    known: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Selectors come from the trace of a query: those fetched, and those of the expanded text."""
    trace = {
        "message": "/api/v1/query: query=WITH (x = foo) x + bar",
        "children": [
            {"message": 'eval: query=foo{a="1"} + bar{b="{2}"}, timeRange=[x..y]'},
            {"message": 'fetch matching series: filters=[{__name__="foo",a="1"}], timeRange=[]'},
        ],
    }
    answer = httpx.Response(200, json={"trace": trace}, request=httpx.Request("POST", Trace.url))
    monkeypatch.setattr(httpx, "post", lambda *_, **__: answer)
    asked = known.Known.__new__(known.Known)
    asked.store, asked.at = Trace(), 0.0
    found = [selector.text for selector in asked.fetched("WITH (x = foo) x + bar")]
    assert found == ['foo{a="1"}', 'foo{a="1"}', 'bar{b="{2}"}']


def finding(**changed: object) -> RuleFinding:
    """Return a finding on a rule."""
    rule = Rule("A", True, "a > 1", 0.0, {}, "g", Path("r"), 1, 1, {}, selectors("a > 1"))
    names = ("detects", "misses", "pending", "noisy", "unknown", "real")
    plain: dict[str, object] = {name: {} for name in names}
    own = plain | {"always": False, "unmatched": (), "off": {}, "error": ""} | changed
    return RuleFinding(rule=rule, **own)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({}, "ok"),
        ({"detects": {"s": 5.0}}, "ok"),
        ({"always": True}, "wrong"),
        ({"noisy": {"s": 2}}, "wrong"),
        ({"error": "too much"}, "wrong"),
        ({"real": {"kubelet_running_pods": "kubernetes"}}, "beyond"),
        ({"unknown": {"b": ""}}, "beyond"),
        ({"untold": "why"}, "beyond"),
    ],
)
def test_an_alert_is_judged_by_what_the_audit_finds(changed: dict[str, object], kind: str) -> None:
    """Errors and noise are wrong, other exporters' rules are not counted, the rest is right."""
    rules = importlib.import_module("compatibility_rules")
    assert rules.verdict(finding(**changed))[0] == kind


class Lacking:
    """What stands for a store that has no series of one metric."""

    start, at = 0.0, 1.0

    @property
    def store(self) -> Lacking:
        """Itself, which has no label values."""
        return self

    def label_values(self, *_: object) -> list[str]:
        """Return none."""
        return []

    def cased(self, query: str) -> str:
        """Return the query as it is."""
        return query

    def reason(self, query: str) -> tuple[str, bool]:
        """Return why there is no series."""
        return f"{query}: of another module", True


def test_a_variable_without_a_value_is_the_reason_of_its_panels(script: ModuleType) -> None:
    """What hangs on a variable that an exporter beyond the twin fills is beyond it, too."""
    chain = [
        {"name": "node", "type": "query", "query": "label_values(sysUpTime, instance)"},
        {"name": "port", "type": "query", "query": 'label_values(x{i="$node"}, port)'},
    ]
    own = script.variables_of({"templating": {"list": chain}}, Lacking())
    why = ("variable node has no value, sysUpTime: of another module", True)
    assert own.why_empty('rate(y{port="${port}"}[5m])') == why
    assert own.why_empty('y{job="$job"}') is None


def test_all_of_a_variable_is_what_grafana_makes_of_it(script: ModuleType) -> None:
    """One value is written as it is, several as a pattern with escapes, none as what is any."""
    offered: dict[str, list[str]] = {"one": ["hpc"], "two": ["a.b", "c"], "none": []}

    class Offering(Lacking):
        """A store that has label values."""

        def label_values(self, *asked: object) -> list[str]:
            """Return those of a label."""
            return offered[str(asked[0])]

    listed = [
        {"name": name, "type": "query", "query": f"label_values(up, {name})", "includeAll": True}
        for name in offered
    ]
    own = script.variables_of({"templating": {"list": listed}}, Offering())
    assert own.values["one"] == "hpc"
    assert own.values["two"] == r"(a\\.b|c)"
    assert own.values["none"] == ".*"
    chosen = {"name": "two", "type": "query", "query": "label_values(up, two)", "regex": "/^(?!a)/"}
    assert script.variables_of({"templating": {"list": [chosen]}}, Offering()).values["two"] == "c"


class Serving(Lacking):
    """What stands for a store that has series of one metric, all with a label instance."""

    def instant(self, query: str, _: float) -> list[str]:
        """Return a series unless the label is asked to be empty, or a condition is wanted."""
        return [] if 'instance=""' in query or "condition" in query else ["series"]

    def over_time(self, *_: object) -> list[str]:
        """Return none."""
        return []


def test_a_label_that_is_absent_anyway_is_no_reason(known: ModuleType) -> None:
    """A variable without a value is to blame only where its label keeps the series away."""
    asked = known.Known.__new__(known.Known)
    asked.store, asked.start, asked.at, asked.metricsql = Serving(), 0.0, 1.0, False
    asked.names, asked.jobs = {"up", "kube_node_status_condition"}, {"node"}
    asked._listed = {"DCGM_FI_DEV_FAN_SPEED"}
    empty = ("variable instance has no value", True)
    assert asked.reason('up{instance="", cluster=""}', empty) == empty
    assert not asked.reason('up{cluster=""}', empty)[0].startswith("variable")
    own = asked.reason('kube_node_status_condition{condition="RdmaLink"}')
    assert own == ("the condition RdmaLink is of a node-problem-detector's own check", True)
    assert not asked.reason("DCGM_FI_DEV_FAN_SPEED")[1]
    assert asked.reason("DCGM_FI_DEV_POWER_MGMT_LIMIT")[1]
    assert known.named(selectors('{__name__=~"sysUpTime",job="x"}')[0]).name == "sysUpTime"
