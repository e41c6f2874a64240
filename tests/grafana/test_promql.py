"""PromQL that knows its unit."""

from __future__ import annotations

import pytest

from twin.catalog import CDU, GPU, JOB, LEAF, PUMP, SERVER, Level, Unit
from twin.catalog.selectors import select
from twin.grafana.promql import Expr
from twin.grafana.units import GRAFANA
from twin.grafana.values import HOST, IN_RACK, buckets, of, own, rolled


def test_selectors_take_names_and_units_from_the_catalogue() -> None:
    """A signal, a roll-up and an own metric are named and measured as they are declared."""
    assert of(CDU, "flow") == Expr('cdu_coolant_flow_liters_per_minute{site="$site"}', "flowlpm")
    assert rolled(Level.SITE, "it_power_watts").text == 'site_it_power_watts{site="$site"}'
    assert own("ingest_lag_seconds").unit == "s"
    assert own("frames_lost_total").text == 'twin_frames_lost_total{site="$site"}'


def test_scopes_narrow_down() -> None:
    """A scope and further matchers stand in the selector, after them what sets a signal apart."""
    assert of(PUMP, "flow", within=IN_RACK).text.endswith('{site="$site", rack="$rack"}')
    assert 'site=~"$site|", Hostname="$host"' in of(GPU, "gpu_temp", within=HOST).text
    assert 'role="leaf"' in of(LEAF, "power").text
    assert 'cause="stall"' in of(JOB, "lost_stall").text


def test_units_that_grafana_lacks_are_scaled() -> None:
    """Vibration becomes mm/s and mJ become J, once, outside of rates and sums."""
    assert of(PUMP, "vibration").mean().text.startswith("1000 * avg(cdu_pump_vibration")
    power = of(GPU, "energy").rate("1m").sum("Hostname")
    assert power.text.startswith("0.001 * sum by (Hostname) (rate(DCGM")
    assert power.unit == "watt"


def test_every_unit_of_the_catalogue_has_one_in_grafana() -> None:
    """A unit that is added to the catalogue is added to the table as well."""
    assert set(GRAFANA) == set(Unit)


def test_rates_change_the_unit() -> None:
    """Joules become watts, bytes bytes a second, seconds a share of the time."""
    assert Expr("e", "joule").rate().unit == "watt"
    assert Expr("b", "decbytes").rate().unit == "Bps"
    assert Expr("s", "s").rate("5m") == Expr("rate(s[5m])", "percentunit")
    with pytest.raises(KeyError):
        Expr("t", "celsius").rate()


def test_operands_are_bracketed() -> None:
    """An expression of several words keeps its meaning inside another one."""
    assert Expr("a", factor=1e3).minus(Expr("b")).text == "(1000 * a) - b"
    assert Expr("a").per(Expr("b + c")).text == "a / (b + c)"
    assert Expr("a").kept_by(Expr("b")).text == "a and b"


def test_aggregations() -> None:
    """Aggregations name their labels, and a count has no unit."""
    heat = Expr("t", "celsius")
    assert heat.max("array", "rack").top(3).text == "topk(3, max by (array, rack) (t))"
    assert heat.min().bottom(2).text == "bottomk(2, min(t))"
    assert heat.count("rack") == Expr("count by (rack) (t)", "none")
    assert heat.equals(1).text == "t == 1"
    assert Expr("c").increase("5m").text == "increase(c[5m])"


def test_a_fault_is_declared_and_kept() -> None:
    """What a query waits for is kept through further steps."""
    assert Expr("a").during("nic-down").max().shown_by == "nic-down"


def test_selectors_without_matchers_are_bare() -> None:
    """No matchers, no braces."""
    assert select("m") == "m"


def test_distributions_give_their_buckets() -> None:
    """The buckets of a distribution are one series each."""
    heat = buckets(Level.SITE, "gpu_temperature_distribution_celsius")
    assert heat.text.startswith("sum by (le) (site_gpu_temperature_distribution_celsius_bucket{")
    assert heat.unit == "celsius"


def test_names_that_do_not_exist_are_refused() -> None:
    """A misspelt signal, roll-up or own metric fails when the dashboard is built."""
    with pytest.raises(KeyError, match="no roll-up 'nothing' over a site"):
        rolled(Level.SITE, "nothing")
    with pytest.raises(KeyError, match="no metric 'nothing'"):
        own("nothing")
    with pytest.raises(KeyError, match="no signal 'nothing'"):
        of(GPU, "nothing")


def test_a_host_is_its_instance_without_the_port() -> None:
    """The label is replaced inside of an aggregation, so two exporters of a host are one line."""
    power = of(SERVER, "power").by_host()
    assert power.max("instance").raw == (
        'max by (instance) (label_replace(ipmi_dcmi_power_consumption_watts{site="$site"}, '
        '"instance", "$1", "instance", "(.+):[0-9]+"))'
    )
