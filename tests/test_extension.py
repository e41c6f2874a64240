"""Device classes, faults and alerts from outside the package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from twin.aggregator import Core
from twin.aggregator.page.floor import Floor
from twin.aggregator.page.rack import groups_of
from twin.aggregator.page.trouble import Troubles
from twin.alerts import ALERTS, PROOFS, RULES, rule_file
from twin.catalog import (
    CDU,
    DEVICES,
    GPU,
    NEURON,
    PUMP,
    ROLLUPS,
    SERVERS,
    UP,
    DeviceClass,
    Exporter,
    MetricType,
    Signal,
    Unit,
    UnitKind,
    device_class,
)
from twin.cli import app
from twin.docs import faults as faults_page
from twin.docs import metrics as metrics_page
from twin.docs import runbooks
from twin.errors import ConfigError, TargetError, TwinError
from twin.extension import Extension, load_extension
from twin.faults import FAULTS, FaultSchedule
from twin.plant import Conditions, Plant
from twin.plant.facility import Facility
from twin.plant.halls import Halls
from twin.plant.units import Floats
from twin.site import Layout, count_series, find_target, labels_of_target, parse_site
from twin.site.target import is_address
from twin.wire import Encoder, Topics

EXAMPLE = Path(__file__).parents[1] / "examples/device_class.py"
SITE = "{name: own, racks: 3, racks_per_array: 2, servers_per_rack: 2, server: {gpus: 2}}"
AIR = "rear_door_air_temperature_celsius"
HOTTEST = "rear_door_air_temperature_max_celsius"


@pytest.fixture(scope="module")
def example() -> Extension:
    """The example that ships with the documentation."""
    return load_extension(EXAMPLE)


@pytest.fixture
def installed(example: Extension) -> Iterator[Layout]:
    """A small site while the example is installed."""
    with example.installed():
        yield Layout(parse_site(SITE, "own"))


def samples(text: bytes, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by rack and fan, as far as they have them."""
    return {
        tuple(sample.labels[key] for key in ("rack", "fan") if key in sample.labels): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == name
    }


def exposed(layout: Layout, plant: Plant) -> Core:
    """Return an aggregator that has taken the frames of all units."""
    core, topics = Core(layout), Topics(layout.site.name)
    for kind in UnitKind:
        encoder = Encoder(layout, kind)
        encoder.load(plant.outputs())
        for unit in range(layout.units(kind)):
            topic = topics.frame(kind, layout.unit_name(kind, unit))
            core.handle(topic, encoder.encode(unit, 1.0, 1), retain=False, now=1.0)
    return core


def test_a_class_from_outside_is_in_frames_exposition_and_rollups(installed: Layout) -> None:
    """Its values go from its model over the bus into series of its exporter and its roll-ups."""
    plant = Plant(installed, seed=1)
    plant.step(1.0, Conditions.healthy(installed))
    encoder = Encoder(installed, UnitKind.RACK)
    encoder.load(plant.outputs())
    frame = orjson.loads(encoder.encode(0, 1.0, 1))
    assert set(frame["rear_door"]) == {"speed", "air", "pressure"}
    assert len(frame["rear_door"]["air"]) == 2
    core = exposed(installed, plant)
    pages = b"".join(bytes(core.array(array)) for array in range(installed.site.arrays))
    air = samples(pages, AIR)
    assert set(air) == {(f"r000{rack}", fan) for rack in (1, 2, 3) for fan in ("1", "2")}
    assert b'job="rear-door",instance="r0001-door:9777"' in pages
    page = bytes(core.metrics())
    assert samples(page, f"site_{HOTTEST}") == {(): max(air.values())}
    assert samples(page, f"rack_{HOTTEST}")["r0002",] == max(air["r0002", fan] for fan in "12")
    assert core.exposure.series() == count_series(installed, core.plan)


def test_a_fault_from_outside_acts_on_its_class(installed: Layout) -> None:
    """It writes into the condition that the class declares, and only the rack it names is hot."""
    schedule = FaultSchedule(installed, FAULTS)
    schedule.inject("1", "rear-door-blocked", "r0002", 0.0)
    plant = Plant(installed, seed=1)
    for second in range(120):
        plant.step(1.0, schedule.conditions(float(second)))
    air = plant.outputs()["rear_door"]["air"]
    assert air[1].min() > 45.0 > air[[0, 2]].max()
    schedule.clear()
    again = Plant(installed, seed=1)
    for second in range(120):
        again.step(1.0, schedule.conditions(float(second)))
    assert np.all(again.outputs()["rear_door"]["air"] < 45.0)


def test_a_fault_from_outside_strikes_one_device_by_its_address(installed: Layout) -> None:
    """The fan that its address names stands still, and the other fan of the door runs."""
    schedule = FaultSchedule(installed, FAULTS)
    schedule.inject("1", "rear-door-fan-stopped", "r0002/door2", 0.0)
    plant = Plant(installed, seed=1)
    for second in range(120):
        plant.step(1.0, schedule.conditions(float(second)))
    doors = plant.outputs()["rear_door"]
    assert np.argwhere(doors["speed"] == 0.0).tolist() == [[1, 1]]
    assert np.argwhere(doors["air"] > 45.0).tolist() == [[1, 1]]
    places = dict(labels_of_target(installed, "r0002/door2"))
    assert places == {"hall": "h1", "array": "a001", "rack": "r0002"}


def test_addresses_of_a_class_from_outside_are_told(installed: Layout) -> None:
    """One who counts too far learns the last of them, and one who writes none how to."""
    with pytest.raises(TargetError, match="last of its rear-door fans is door2"):
        find_target(installed, "r0001/door3")
    with pytest.raises(TargetError, match=r"is not an address; write .*r0001/door1"):
        find_target(installed, "r0001/fan1")


def test_an_address_from_outside_is_none_when_the_context_ends(example: Extension) -> None:
    """A job may have its form for a name again."""
    with example.installed():
        assert is_address("r0001/door1")
    assert not is_address("r0001/door1")


def test_a_class_from_outside_changes_nothing_that_ships(example: Extension) -> None:
    """It draws from a stream of its own: all other signals are what they are without it."""

    def lived() -> dict[str, dict[str, Floats]]:
        layout = Layout(parse_site(SITE, "own"))
        plant = Plant(layout, seed=1)
        plant.step(2.0, Conditions.healthy(layout))
        return plant.outputs()

    shipped = lived()
    with example.installed():
        extended = lived()
    assert extended.keys() - shipped.keys() == {"rear_door"}
    for device, signals in shipped.items():
        for name, values in signals.items():
            np.testing.assert_array_equal(values, extended[device][name])


def test_documentation_tells_of_a_class_from_outside(installed: Layout) -> None:
    """Its metrics, its fault and its alert are in the generated pages."""
    del installed
    page = metrics_page.pages()["metrics.md"]
    assert "## Rear-door fan" in page
    assert all(f"`{name}`" in page for name in (AIR, f"hall_{HOTTEST}"))
    assert "rear-door-blocked" in faults_page.pages()["faults.md"]
    assert "RearDoorHot" in runbooks.pages()["runbooks/README.md"]


def test_the_live_page_has_a_table_of_a_class_from_outside(installed: Layout) -> None:
    """A rack shows it with the columns that the class names."""
    tables = {table.key: table for table in groups_of(installed)}
    assert tables["rear_door"].title == "Rear-door fans"
    assert [column.signal for column in tables["rear_door"].columns] == ["speed", "air"]


def test_the_floor_and_the_troubles_of_a_rack_have_a_class_from_outside(installed: Layout) -> None:
    """The floor can be coloured by its value, and a fan that stands still is a rack's trouble."""
    plant = Plant(installed, seed=1)
    schedule = FaultSchedule(installed, FAULTS)
    schedule.inject("1", "rear-door-fan-stopped", "r0002/door1", 0.0)
    plant.step(1.0, schedule.conditions(0.0))
    core = exposed(installed, plant)
    floor, troubles = Floor(core.store), Troubles(core.store)
    assert list(floor.signals)[-3:] == ["door", "surprise", "trouble"]
    warmest = np.round(plant.outputs()["rear_door"]["air"].max(axis=1))
    assert floor.values("door").tolist() == warmest.tolist()
    assert [troubles.words(rack) for rack in range(3)] == [[], ["a rear-door fan stands still"], []]
    assert floor.values("trouble").tolist() == [0, 1, 0]


def test_an_alert_from_outside_is_a_rule_of_its_own_file(installed: Layout) -> None:
    """It stands in a group of its own name, over the metric that the catalogue has."""
    del installed
    rules = next(rules for rules in RULES if rules.group == "rear-door")
    (group,) = yaml.safe_load(rule_file(rules, {}))["groups"]
    assert group["name"] == "rear-door"
    assert [rule["expr"] for rule in group["rules"]] == [f"{AIR} > 45"]
    assert "RearDoorHot" in ALERTS


def test_an_accelerator_from_outside_is_there_where_a_model_names_its_exporter() -> None:
    """Its class has the chips of the site, and the classes of other exporters have none."""
    exporter = Exporter("gaudi", "hl-smi", 9500, ("gpu_id",), "the test", lambda p: (str(p.slot),))
    scraped = Exporter("gaudi_target", "hl-smi", 9500, (), "Prometheus")
    power = Signal("power", "gpu_power", exporter, MetricType.GAUGE, Unit.WATTS, "Power in W.")
    up = Signal("up", UP, scraped, MetricType.GAUGE, Unit.NONE, "Whether it answers.", high=1)
    chip = DeviceClass(
        name="gaudi",
        frame=UnitKind.RACK,
        title="Gaudi",
        signals=(power,),
        hosts=SERVERS,
        per_host=lambda site: site.server.gpus,
        accelerators="gaudi",
    )
    target = DeviceClass("gaudi_target", UnitKind.RACK, "hl-smi", (up,), hosts=SERVERS)

    class Chips:
        def __init__(self, layout: Layout, _: np.random.Generator) -> None:
            self._servers = layout.shape(target)

        def step(self, dt: float, halls: Halls, facility: Facility, _: Conditions) -> None:
            del dt, facility
            self._power = halls.gpus.power

        def outputs(self) -> dict[str, dict[str, Floats]]:
            return {"gaudi": {"power": self._power}, "gaudi_target": {"up": np.ones(self._servers)}}

    shipped = parse_site(SITE, "own").gpu.model_dump()
    model = shipped | {"exporter": "gaudi", "name": "Intel Gaudi 3"}
    text = yaml.safe_dump({**yaml.safe_load(SITE), "gpu": model})
    with pytest.raises(
        ConfigError, match=r"gpu\.exporter: is 'gaudi'; write amd or dcgm or neuron"
    ):
        parse_site(text, "own")
    with Extension(devices=(chip, target), models=(Chips,)).installed():
        layout = Layout(parse_site(text, "own"))
        plant = Plant(layout, seed=1)
        plant.step(1.0, Conditions.healthy(layout))
        page = bytes(exposed(layout, plant).array(0)).decode()
    assert layout.per_unit(GPU) == layout.per_unit(NEURON) == 0
    assert 'gpu_power{gpu_id="1",job="hl-smi",instance="r0001-n2:9500"' in page
    assert 'up{job="hl-smi",instance="r0001-n2:9500"' in page
    assert "dcgm-exporter" not in page


def test_the_command_line_has_an_extension_for_one_command() -> None:
    """With --extension or TWIN_EXTENSIONS; the next command knows nothing of it."""
    run = CliRunner().invoke
    by_option = run(app, ["--extension", str(EXAMPLE), "metrics", "rear_door", "--json"])
    by_environment = run(
        app, ["metrics", "rear_door", "--json"], env={"TWIN_EXTENSIONS": str(EXAMPLE)}
    )
    assert [row["metric"] for row in orjson.loads(by_option.stdout)] == [
        "rear_door_fan_speed_ratio",
        AIR,
        "rear_door_pressure_pascals",
    ]
    assert by_environment.stdout == by_option.stdout
    without = run(app, ["metrics", "rear_door"])
    assert isinstance(without.exception, TwinError)


def test_nothing_is_left_when_the_context_ends(example: Extension) -> None:
    """Tables are what they were, also after an error."""
    tables = (DEVICES, ROLLUPS, FAULTS, ALERTS, PROOFS)
    before = [list(table) for table in tables]
    with suppress(ZeroDivisionError), example.installed():
        assert device_class("rear_door") in DEVICES
        raise ZeroDivisionError
    assert [list(table) for table in tables] == before


def test_a_name_that_is_taken_is_refused(example: Extension) -> None:
    """Nothing is installed of an extension that would hide what is there."""
    with ExitStack() as stack:
        stack.enter_context(example.installed())
        with pytest.raises(ConfigError, match="'rear_door' already exists"):
            stack.enter_context(example.installed())
    with (
        ExitStack() as stack,
        pytest.raises(ConfigError, match="'rear-door-blocked' already exists"),
    ):
        stack.enter_context(Extension(faults=example.faults * 2).installed())
    flows = replace(CDU, name="other_cdu")
    with (
        ExitStack() as stack,
        pytest.raises(ConfigError, match="floor value 'temperature' already exists"),
    ):
        stack.enter_context(Extension(devices=(flows,)).installed())
    pumps = replace(PUMP, name="other_pump")
    with (
        ExitStack() as stack,
        pytest.raises(ConfigError, match="address 'rack/pump' already exists"),
    ):
        stack.enter_context(Extension(devices=(pumps,)).installed())


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("none.py", None, "is no Python file"),
        ("words.md", "EXTENSION = 1", "is no Python file"),
        ("empty.py", "", "defines no EXTENSION"),
        ("wrong.py", "EXTENSION = 1", "defines no EXTENSION"),
        ("broken.py", "1 / 0", "ZeroDivisionError: division by zero"),
        ("syntax.py", "def", "SyntaxError"),
    ],
)
def test_a_file_that_is_no_extension_is_refused(
    name: str, text: str | None, sentence: str, tmp_path: Path
) -> None:
    """One sentence names the file and what is wrong with it."""
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence) as caught:
        load_extension(path)
    assert str(path) in str(caught.value)
