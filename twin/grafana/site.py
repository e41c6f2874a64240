"""The site overview: what a person on watch looks at first.

Top down: is everything there, what does it draw and what is wrong; then one row each
for GPUs, cooling, storage and grid, network, and the telemetry itself.
"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard, units

from twin.grafana import queries as q
from twin.grafana.assemble import Row, assemble
from twin.grafana.panels import cells, density, listing, numbers, timeline
from twin.grafana.parts import Column, Query, Steps

__all__ = ["site_overview"]

_GREEN, _YELLOW, _ORANGE, _RED, _BLUE = "green", "yellow", "orange", "red", "blue"
_PURPLE, _GREY = "purple", "#8e8e8e"

_GPU_HEAT: Steps = (
    (None, "#37872D"),
    (60, "#56A64B"),
    (70, "#E0B400"),
    (80, "#FA6400"),
    (85, "#C4162A"),
)
"""An H100 in training is at 50 to 60 °C and slows down at 87 °C."""
_SITE_STEP = "1s"
"""The site's own series are scraped this often, so that a training step can be seen."""
_NONE_IS_GOOD: Steps = ((None, _GREEN), (1, _RED))
_SEVERITIES = {"critical": _RED, "warning": _ORANGE}


def site_overview() -> dashboard.Dashboard:
    """Return the dashboard."""
    return assemble(
        "Site overview",
        "twin-site",
        "One site: GPUs, power, cooling, network and what is wrong with them.",
        [_now(), _power(), _gpus(), _cooling(), _storage(), _network(), _health()],
    )


def _now() -> Row:
    return "Now", [
        numbers(
            "GPUs",
            "GPUs that report, and GPUs that the training job holds. They differ when a GPU is "
            "lost or a rack is silent.",
            [Query(q.GPUS_REPORTING, "reporting"), Query(q.GPUS_OF_JOB, "in the job")],
            units.LocaleFormat,
            width=4,
        ),
        numbers(
            "Racks",
            "Racks whose frames arrive, and racks that the site has.",
            [Query(q.RACKS_REPORTING, "reporting"), Query(q.RACKS, "installed")],
            units.LocaleFormat,
            width=4,
        ),
        numbers(
            "Job",
            "State of the training job: training, evaluation and checkpoint are normal; stalled "
            "means that it waits for a device that does not answer.",
            [Query(q.JOB_STATE, "{{state}}")],
            units.String,
            width=3,
            names_only=True,
        ),
        numbers(
            "Progress",
            "Optimizer steps a minute over the last five, and the share of all time that went "
            "into steps which were kept.",
            [
                Query(q.STEPS_PER_MINUTE, "steps a minute"),
                Query(q.GOODPUT, "goodput", unit=units.PercentUnit),
            ],
            units.Number,
            width=4,
            decimals=1,
        ),
        numbers(
            "Power",
            "Power of the IT equipment at its inlets, and of the whole facility.",
            [Query(q.IT_POWER, "IT"), Query(q.FACILITY_POWER, "facility")],
            units.Watt,
            width=4,
            decimals=2,
        ),
        numbers(
            "PUE",
            "Power usage effectiveness: facility power over IT power (ISO/IEC 30134-2).",
            [Query(q.PUE, "PUE")],
            units.Number,
            width=2,
            decimals=3,
        ),
        numbers(
            "Firing alerts",
            "Alerts that fire at this moment; the table below names them.",
            [Query(q.FIRING_COUNT, "firing")],
            units.Number,
            width=3,
            steps=_NONE_IS_GOOD,
        ),
    ]


def _power() -> Row:
    return "Power and alerts", [
        timeline(
            "Power",
            "What the facility draws and what carries it. The load swings with every training "
            "step; the Megapacks take the swing (positive: discharging), the grid carries the "
            "mean.",
            [
                Query(q.FACILITY_POWER, "facility", _ORANGE),
                Query(q.IT_POWER, "IT", _YELLOW),
                Query(q.MEGAPACK_POWER, "Megapacks", _GREEN),
                Query(q.GENSET_POWER, "generators", _PURPLE),
                Query(q.GRID_IMPORT, "grid import", _BLUE, bold=True),
            ],
            units.Watt,
            width=16,
            height=9,
            table=True,
            every=_SITE_STEP,
        ),
        listing(
            "Firing alerts",
            "Alerts that fire, worst first, by the rack or the device that they name, and on how "
            "many devices each fires there.",
            [Query(q.FIRING_BY_PLACE, "")],
            [
                Column("severity", "Severity", width=84, colors=_SEVERITIES),
                Column("alertname", "Alert"),
                Column("place", "Where", width=140),
                Column("Value", "Devices", units.Number, width=80),
            ],
            width=8,
            height=9,
            nothing="Nothing fires",
            sort="Severity",
        ),
    ]


def _gpus() -> Row:
    return "GPUs", [
        timeline(
            "GPU temperature",
            "Hottest and mean GPU, and the hottest GPU memory. An H100 slows down at 87 °C and "
            "switches off at 95 °C.",
            [
                Query(q.GPU_MEMORY_TEMPERATURE_MAX, "hottest memory", _PURPLE),
                Query(q.GPU_TEMPERATURE_MAX, "hottest GPU", _RED),
                Query(q.GPU_TEMPERATURE_MEAN, "mean GPU", _ORANGE),
            ],
            units.Celsius,
            width=6,
            least=30,
            most=70,
        ),
        timeline(
            "GPU power and clock",
            "Mean power of a GPU (left) and mean SM clock (right): the saw of the training steps. "
            "Stalled GPUs spin at about 157 W.",
            [
                Query(q.GPU_POWER, "power", _ORANGE),
                Query(q.GPU_CLOCK, "SM clock", _BLUE, unit=units.Hertz),
            ],
            units.Watt,
            width=6,
            least=0,
            every=_SITE_STEP,
        ),
        timeline(
            "Throttled GPUs",
            "GPUs that heat or the power limit slowed in the last minute. One slow GPU slows the "
            "whole synchronous job.",
            [
                Query(q.THERMAL_THROTTLED, "by heat", _RED),
                Query(q.POWER_THROTTLED, "by power limit", _YELLOW),
            ],
            units.Number,
            width=6,
            least=0,
            most=8,
            decimals=0,
        ),
        density(
            "Racks by temperature",
            "How many racks have their hottest GPU at which temperature. One rack that leaves the "
            "band stands out at any size of site.",
            Query(q.RACK_TEMPERATURES, "{{rack}}"),
            units.Celsius,
            width=6,
            bucket=1,
        ),
        cells(
            "Hottest GPU of each rack",
            "The hottest GPU of every rack now, hottest rack first; a large site shows its 64 "
            "hottest racks.",
            Query(q.RACK_HEAT, "{{rack}}"),
            units.Celsius,
            width=12,
            height=10,
            steps=_GPU_HEAT,
        ),
        listing(
            "Hottest racks",
            "The eight hottest racks now, with what explains the heat: power, flow, and how "
            "many GPUs still report.",
            [
                Query(q.HOTTEST_TEMPERATURE, ""),
                Query(q.HOTTEST_POWER, ""),
                Query(q.HOTTEST_FLOW, ""),
                Query(q.HOTTEST_GPUS, ""),
            ],
            [
                Column("rack", "Rack"),
                Column("Value #A", "Hottest GPU", units.Celsius, _GPU_HEAT),
                Column("Value #B", "IT power", units.Watt),
                Column("Value #C", "Coolant flow", units.LitrePerMinute),
                Column("Value #D", "GPUs", units.Number),
            ],
            width=12,
            height=10,
            nothing="No rack reports",
        ),
    ]


def _cooling() -> Row:
    return "Cooling", [
        timeline(
            "Coolant flow of a rack",
            "Mean and lowest flow of all racks. After a pump failure the flow dips for some "
            "seconds, until the other pump has taken over.",
            [Query(q.FLOW_MEAN, "mean", _BLUE), Query(q.FLOW_LOWEST, "lowest", _ORANGE)],
            units.LitrePerMinute,
            width=6,
            least=0,
        ),
        timeline(
            "Coolant temperature",
            "To the servers, from them, and the facility water from the chillers.",
            [
                Query(q.RETURN_HIGHEST, "hottest return", _RED),
                Query(q.RETURN_MEAN, "mean return", _ORANGE),
                Query(q.SUPPLY_MEAN, "mean supply", _BLUE),
                Query(q.WATER_SUPPLY, "facility water", _GREY),
            ],
            units.Celsius,
            width=6,
        ),
        timeline(
            "Heat removed",
            "Heat that the coolant carries off, beside the power of the IT equipment: the rest "
            "goes into the air, and what lags behind warms the loop.",
            [Query(q.IT_POWER, "IT power", _YELLOW), Query(q.HEAT_REMOVED, "removed", _BLUE)],
            units.Watt,
            width=6,
            least=0,
        ),
        timeline(
            "Pumps",
            "Coolant pumps by state. Every rack has two, of which one is enough.",
            [Query(q.PUMP_STATES, "{{state}}")],
            units.Number,
            width=6,
            colors={"running": _GREEN, "failed": _RED, "stopped": _GREY},
            least=0,
            stacked=True,
            decimals=0,
        ),
    ]


def _storage() -> Row:
    return "Storage and grid", [
        timeline(
            "Swing within a minute",
            "Highest minus lowest power of the last minute: what the load does and what is left of "
            "it for the grid after the Megapacks.",
            [
                Query(q.FACILITY_SWING, "facility", _ORANGE),
                Query(q.GRID_SWING, "grid", _BLUE, bold=True),
            ],
            units.Watt,
            width=6,
            least=0,
            every=_SITE_STEP,
        ),
        timeline(
            "Megapack charge",
            "State of charge of the Megapacks. The controller keeps it near its target; below 10 % "
            "a unit stops discharging.",
            [
                Query(q.SOC_HIGHEST, "highest", _GREY),
                Query(q.SOC_MEAN, "mean", _GREEN),
                Query(q.SOC_LOWEST, "lowest", _ORANGE),
            ],
            units.PercentUnit,
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Megapacks by state",
            "Megapacks by the state of their inverter.",
            [Query(q.MEGAPACK_STATES, "{{state}}")],
            units.Number,
            width=6,
            colors={
                "RUNNING": _GREEN,
                "STANDBY": _BLUE,
                "STARTING": _YELLOW,
                "FAULT": _RED,
                "OFF": _GREY,
            },
            least=0,
            stacked=True,
            decimals=0,
        ),
        timeline(
            "Use of the grid",
            "Import as a share of the contracted limit.",
            [Query(q.GRID_USE, "import", _BLUE)],
            units.PercentUnit,
            width=6,
            least=0,
            most=1,
        ),
    ]


def _network() -> Row:
    return "Network", [
        timeline(
            "NIC ports",
            "Ports whose link is up, and all ports that report. One port down stalls the job.",
            [
                Query(q.PORTS, "reporting", _GREY, dashed=True),
                Query(q.PORTS_UP, "up", _GREEN),
            ],
            units.LocaleFormat,
            width=6,
            least=0,
            decimals=0,
        ),
        timeline(
            "Throughput",
            "Bytes a second that all RDMA ports send and receive: quiet in the step, at line rate "
            "at its end, when gradients are exchanged.",
            [Query(q.TRANSMITTED, "sent", _BLUE), Query(q.RECEIVED, "received", _GREEN)],
            units.BytesPerSecondSI,
            width=6,
            least=0,
        ),
        timeline(
            "Congestion",
            "Packets a second that switches marked, and congestion notifications sent. Both rise "
            "only in the bursts at the end of a step.",
            [Query(q.ECN_MARKED, "ECN marked", _ORANGE), Query(q.CNP_SENT, "CNP sent", _YELLOW)],
            units.PacketsPerSecond,
            width=6,
            least=0,
        ),
        timeline(
            "Trouble",
            "Adaptive retransmissions a second, and links that were lost in the last five minutes. "
            "Both are near zero on a healthy fabric.",
            [
                Query(q.RETRANSMITS, "retransmissions a second", _YELLOW),
                Query(q.LINKS_LOST, "links lost", _RED),
            ],
            units.Number,
            width=6,
            least=0,
            most=4,
        ),
    ]


def _health() -> Row:
    return "Telemetry", [
        listing(
            "Faults in force",
            "Faults that somebody injected and that have not ended; they are also marked in every "
            "chart.",
            [Query(q.FAULTS_TABLE, "")],
            [Column("fault", "Fault"), Column("target", "Target")],
            width=6,
            nothing="No fault is in force",
        ),
        listing(
            "Missing units",
            "Units that do not report, by kind and by why.",
            [Query(q.MISSING, "")],
            [
                Column("kind", "Kind"),
                Column("reason", "Reason"),
                Column("Value", "Units", units.Number, width=70),
            ],
            width=6,
            nothing="Every unit reports",
        ),
        timeline(
            "Frames",
            "Frames a second that the aggregator takes over, by kind of unit.",
            [Query(q.FRAMES, "{{kind}}")],
            units.CountsPerSecond,
            width=6,
            least=0,
        ),
        timeline(
            "Lag and losses",
            "Time from the moment that a frame describes to its arrival (left); frames lost and "
            "messages refused in the last five minutes (right).",
            [
                Query(q.LAG_HIGH, "lag, 99 %", _ORANGE),
                Query(q.LAG_MEDIAN, "lag, median", _YELLOW),
                Query(q.LOST, "lost", _RED, unit=units.Number),
                Query(q.REFUSED, "refused", _PURPLE, unit=units.Number),
            ],
            units.Seconds,
            width=6,
            least=0,
        ),
    ]
