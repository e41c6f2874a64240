"""The site at a glance: what a person on watch looks at first.

Top down: is everything there, where is it hot, what carries the load and what is wrong.
Everything below that is a line or two and leads to a dashboard of its own.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import table

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, GREEN, GREY, HEAT, ORANGE, PURPLE, RED, YELLOW
from twin.grafana.dashboard_links import drill_down, drill_down_by_row
from twin.grafana.pages import RACK
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import density, listing, numbers, rack_map, timeline
from twin.grafana.place_columns import array_column, rack_column
from twin.grafana.queries import alerts, cooling, energy, gpus, job, network, pipeline, racks
from twin.grafana.units import COUNT

__all__ = ["alert_columns", "firing", "rows"]

SECOND = "1s"
"""The site's own series are scraped this often, so that a training step can be seen."""


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _racks(), _power(), _systems()]


def alert_columns() -> list[TableColumn]:
    """Return the columns that name an alert; its place links to its dashboard."""
    link = drill_down_by_row("Open the place", "Board", array="row.Array", rack="row.Rack")
    return [
        TableColumn("severity", "Severity", width=84, colors=colors.SEVERITIES),
        TableColumn("alertname", "Alert"),
        TableColumn("place", "Where", width=140, link=link),
        *(TableColumn(name, name.title(), hidden=True) for name in ("board", "array", "rack")),
    ]


def firing(width: int, height: int) -> table.Panel:
    """Return the table of what fires."""
    return listing(
        "Firing alerts",
        "Firing alerts, worst first, by the rack or device that they name, with the number of "
        "devices. A click opens the place.",
        [Query(alerts.BY_PLACE)],
        [*alert_columns(), TableColumn("Value", "Devices", width=80)],
        width=width,
        height=height,
        nothing="Nothing fires",
        sort="Severity",
    )


def _now() -> Row:
    return "Now", [
        numbers(
            "GPUs",
            "GPUs that report, GPUs that do not although their rack does, and GPUs that jobs hold.",
            [
                Query(gpus.REPORTING, "reporting"),
                Query(gpus.MISSING, "missing", steps=colors.SOME_IS_BAD),
                Query(job.GPUS.sum(), "in jobs"),
            ],
            unit=COUNT,
            width=4,
        ),
        numbers(
            "Racks",
            "Racks that report, racks that are silent, and all racks of the site.",
            [
                Query(racks.REPORTING, "reporting"),
                Query(racks.SILENT_COUNT, "silent", steps=colors.SOME_IS_BAD),
                Query(racks.INSTALLED, "installed"),
            ],
            unit=COUNT,
            width=4,
        ),
        numbers(
            "Job",
            "State of the training job: training, evaluation and checkpoint are normal; stalled "
            "means that it waits for a device that does not answer. A job that serves takes "
            "no steps.",
            [Query(job.STATE_OR_NONE, "{{training_job}} {{state}}")],
            width=3,
            names_only=True,
        ),
        numbers(
            "Progress",
            "Duration of the last optimizer step, and goodput: the share of all time spent on "
            "steps that were kept.",
            [Query(job.STEP_SECONDS, "step"), Query(job.GOODPUT, "goodput")],
            width=4,
            decimals=1,
        ),
        numbers(
            "Power",
            "Power of the IT equipment at its inlets, and of the whole facility.",
            [Query(energy.IT_POWER, "IT"), Query(energy.FACILITY_POWER, "facility")],
            width=4,
            decimals=2,
        ),
        numbers(
            "PUE",
            "Power usage effectiveness: facility power over IT power (ISO/IEC 30134-2), of the "
            "last half hour.",
            [Query(energy.PUE, "PUE")],
            unit="none",
            width=2,
            decimals=3,
        ),
        numbers(
            "Firing alerts",
            "Alerts that are firing now; the table below names them.",
            [Query(alerts.FIRING_COUNT, "firing")],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
    ]


def _racks() -> Row:
    choices: list[tuple[str, colors.Steps]] = [
        ("Hottest GPU", HEAT),
        ("IT power", ((None, "#1F60C4"), (20_000, "#37872D"), (60_000, "#E0B400"), (75_000, RED))),
        ("GPU utilisation", ((None, GREY), (50, "#E0B400"), (90, "#37872D"))),
        ("GPUs missing", colors.LOST),
        ("NIC ports down", colors.LOST),
        ("Coolant supply", ((None, "#37872D"), (36, "#E0B400"), (limit.COOLANT_HOT.value, RED))),
    ]
    link = drill_down(RACK, rack="rack", array="array")
    return "Racks", [
        rack_map(
            "Every rack",
            "One cell for each rack, coloured by the choice at “Map shows” above. A rack whose "
            "devices do not answer is “gone”, a rack that does not report at all is “silent”; "
            "each keeps its place. A click opens the rack.",
            [(Query(racks.map_of(title), "{{rack}}"), steps) for title, steps in choices],
            racks.WORDS,
            width=24,
            height=13,
            link=link,
        ),
    ]


def _power() -> Row:
    return "Power and alerts", [
        timeline(
            "Power",
            "Load of the facility and its sources. The load swings with every training step; the "
            "Megapacks absorb the swing (positive: discharging), the grid supplies the mean.",
            [
                Query(energy.FACILITY_POWER, "facility", ORANGE),
                Query(energy.IT_POWER, "IT", YELLOW),
                Query(energy.MEGAPACK_POWER, "Megapacks", GREEN),
                Query(energy.GENSET_POWER, "generators", PURPLE),
                Query(energy.GRID_IMPORT, "grid import", BLUE, bold=True),
                Query(energy.GRID_LIMIT, "grid limit", GREY, dashed=True),
            ],
            width=16,
            height=9,
            table=True,
            every=SECOND,
        ),
        firing(8, 9),
    ]


def _systems() -> Row:
    return "Systems", [
        timeline(
            "GPU temperature",
            "Hottest and mean GPU, and the hottest GPU memory. An H100 slows down at 87 °C and "
            "switches off at 95 °C.",
            [
                Query(gpus.MEMORY_TEMPERATURE, "hottest memory", PURPLE),
                Query(gpus.TEMPERATURE_HIGHEST, "hottest GPU", RED),
                Query(gpus.TEMPERATURE_MEAN, "mean GPU", ORANGE),
            ],
            width=6,
            least=30,
            most=70,
        ),
        timeline(
            "GPU power and clock",
            "Mean power of a GPU (left) and mean SM clock (right): the sawtooth of the training "
            "steps. Stalled GPUs draw about 157 W.",
            [
                Query(gpus.POWER, "power", ORANGE),
                Query(gpus.CLOCK, "SM clock", BLUE, right=True),
            ],
            width=6,
            least=0,
            every=SECOND,
        ),
        density(
            "GPUs by temperature",
            "Number of GPUs by temperature. A few outliers stand out at any size of site.",
            Query(gpus.TEMPERATURES, "{{le}}"),
            width=6,
        ),
        timeline(
            "Throttled GPUs",
            "GPUs held back by heat or by the power limit. Heat on one slows the whole job; "
            "the power limit holds healthy GPUs in dense training most of the time.",
            [
                Query(gpus.SLOWED_BY_HEAT, "by heat", RED),
                Query(gpus.SLOWED_BY_POWER, "by power limit", YELLOW),
            ],
            width=6,
            least=0,
            most=8,
        ),
        listing(
            "Hottest racks",
            "The eight hottest racks now, and likely causes. A click opens the rack.",
            [
                Query(gpus.HOTTEST_TEMPERATURE),
                Query(gpus.HOTTEST_POWER),
                Query(gpus.HOTTEST_GPUS),
            ],
            [
                array_column(60),
                rack_column(65),
                TableColumn("Value #A", "Hottest", steps=HEAT, width=75),
                TableColumn("Value #B", "IT power", width=85),
                TableColumn("Value #C", "GPUs"),
            ],
            width=6,
            nothing="No rack reports",
            sort="Hottest",
            descending=True,
        ),
        timeline(
            "Coolant",
            "Highest supply and return temperature (left) and lowest flow (right) of any rack.",
            [
                Query(cooling.RETURN_HIGHEST, "warmest return", RED),
                Query(cooling.SUPPLY_HIGHEST, "warmest supply", ORANGE),
                Query(cooling.FLOW_LOWEST, "lowest flow", BLUE, right=True),
            ],
            width=6,
            least=20,
        ),
        timeline(
            "Swing within a minute",
            "Peak to peak of the last minute: the swing of the load, and the rest of it that "
            "reaches the grid after the Megapacks.",
            [
                Query(energy.FACILITY_SWING, "facility", ORANGE),
                Query(energy.GRID_SWING, "grid", BLUE, bold=True),
            ],
            width=6,
            least=0,
            every=SECOND,
        ),
        timeline(
            "Megapack charge",
            "State of charge of the Megapacks. The controller keeps it near its target; below 10 % "
            "a unit stops discharging.",
            [
                Query(energy.SOC_HIGHEST, "highest", GREY),
                Query(energy.SOC_MEAN, "mean", GREEN),
                Query(energy.SOC_LOWEST, "lowest", ORANGE),
            ],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "NIC ports",
            "Server ports with link up. One port down stalls the job.",
            [
                Query(network.PORTS_UP, "up", GREEN),
                Query(network.PORTS_DOWN_ALL, "down", RED, right=True),
            ],
            width=6,
            whole=True,
        ),
        timeline(
            "Throughput",
            "Bits a second sent by all RDMA ports: quiet in the step, at line rate at its end, "
            "when gradients are exchanged.",
            [Query(network.TRANSMITTED, "sent", BLUE)],
            width=6,
            least=0,
        ),
        timeline(
            "Step time",
            "Duration of the last optimizer step of each job. Steps differ by 1 %.",
            [Query(job.STEP_SECONDS, "{{training_job}}")],
            width=6,
            nothing="No job takes steps at present",
        ),
        timeline(
            "Telemetry",
            "Time from a frame's timestamp to its arrival (left); frames lost in the last five "
            "minutes (right).",
            [
                Query(pipeline.LAG_HIGH, "lag, 99 %", ORANGE),
                Query(pipeline.LAG_MEDIAN, "lag, median", YELLOW),
                Query(pipeline.LOST, "lost", RED, right=True),
            ],
            width=6,
            least=0,
        ),
    ]
