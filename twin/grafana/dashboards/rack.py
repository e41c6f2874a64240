"""One rack: its GPUs, servers, NIC ports, pumps, power supplies and PDUs."""

from __future__ import annotations

from collections.abc import Iterator

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard

from twin.alerts import thresholds as limit
from twin.catalog import DEVICES, PDU, DeviceClass, UnitKind
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import BLUE, HEAT, ORANGE, RED
from twin.grafana.dashboard_links import drill_down
from twin.grafana.pages import SERVER
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import cells, density, listing, numbers, timeline
from twin.grafana.queries import rack as q
from twin.grafana.values import IN_RACK, of

__all__ = ["rows"]

_NO_NUMBER = "not scraped"
_EMPTY = "None of them answers, or only the roll-ups of this rack are scraped"


def rows() -> list[Row]:
    """Return the rows."""
    return [_now(), _gpus(), _pace(), _network(), _cooling(), _power(), *_others()]


def _now() -> Row:
    return "Rack $rack", [
        numbers(
            "GPUs",
            "GPUs of the rack that report, and GPUs that do not.",
            [
                Query(q.GPUS, "reporting"),
                Query(q.GPUS_MISSING, "missing", steps=colors.SOME_IS_BAD),
            ],
            width=4,
        ),
        numbers(
            "Hottest GPU", "The hottest GPU of the rack.", [Query(q.HEAT)], width=4, steps=HEAT
        ),
        numbers(
            "IT power",
            "Power of the rack's servers, at their inlets.",
            [Query(q.POWER)],
            width=4,
            decimals=1,
        ),
        numbers(
            "NIC ports",
            "Ports of the rack's servers with link up, and with link down.",
            [Query(q.NICS, "up"), Query(q.NICS_DOWN, "down", steps=colors.SOME_IS_BAD)],
            width=4,
        ),
        numbers(
            "Coolant flow",
            "Coolant flow in the rack's loop.",
            [Query(q.FLOW)],
            width=4,
            steps=colors.NONE_IS_BAD,
            decimals=1,
            nothing=_NO_NUMBER,
        ),
        numbers(
            "Pumps running",
            "Coolant pumps that run. One is enough, but leaves no redundancy.",
            [Query(q.PUMPS_RUNNING)],
            width=4,
            steps=((None, RED), (1, colors.YELLOW), (2, colors.GREEN)),
            nothing=_NO_NUMBER,
        ),
    ]


def _gpus() -> Row:
    return "GPUs", [
        cells(
            "GPU temperature",
            "Every GPU of the rack now: server and number of the GPU. One that does not answer "
            "keeps its place and is red. A click opens the server.",
            Query(q.GPU_TILES, "{{node}} {{gpu}}"),
            width=14,
            height=10,
            steps=HEAT,
            link=drill_down(SERVER, array="array", rack="rack", host="Hostname"),
            words={q.LOST: ("lost", colors.GONE)},
            nothing=_EMPTY,
        ),
        density(
            "GPUs by power",
            "Number of GPUs of the rack by power. In training all move together; the job waits "
            "for a GPU that leaves the band.",
            Query(q.GPU_POWER, "{{Hostname}} {{gpu}}"),
            width=5,
            height=10,
            bucket=25,
        ),
        listing(
            "XID errors",
            "The last XID of each GPU that had one, with the driver's text.",
            [Query(q.XID)],
            [
                TableColumn("Hostname", "Server", width=90),
                TableColumn("gpu", "GPU", width=50),
                TableColumn("err_code", "XID", width=50),
                TableColumn("err_msg", "Meaning"),
            ],
            width=5,
            height=10,
            nothing="No GPU had an XID",
        ),
    ]


def _pace() -> Row:
    return "Servers", [
        timeline(
            "Hottest GPU of each server",
            "The hottest of each server's eight GPUs.",
            [Query(q.HOST_HEAT, "{{Hostname}}")],
            width=12,
            least=30,
            limit=limit.GPU_HOT.value,
            nothing=_EMPTY,
        ),
        timeline(
            "SM clock",
            "Mean SM clock of each server's GPUs. All GPUs of a server at half clock is the power "
            "brake.",
            [Query(q.HOST_CLOCK, "{{Hostname}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Throttling",
            "Mean share of time in which heat and the power limit throttle a server's GPUs. Heat "
            "means too little coolant; dense training is at the power limit most of the time.",
            [
                Query(q.THROTTLED_BY_HEAT, "{{Hostname}} heat"),
                Query(q.THROTTLED_BY_POWER, "{{Hostname}} power limit"),
            ],
            width=12,
            least=0,
            most=0.1,
            nothing="The exporter does not count throttling",
        ),
        timeline(
            "Server power",
            "Power at the inlet of each server.",
            [Query(q.SERVER_POWER, "{{instance}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
    ]


def _network() -> Row:
    return "Network", [
        timeline(
            "Sent",
            "Bits a second sent by the ports of each server: bursts at the end of each step.",
            [Query(q.SENT, "{{instance}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "ECN marks received",
            "Packets a second received with a congestion mark, by server.",
            [Query(q.MARKED, "{{instance}}")],
            width=12,
            least=0,
            nothing=_EMPTY,
        ),
        listing(
            "Ports down",
            "Ports whose link is down now.",
            [Query(q.PORTS_DOWN)],
            [TableColumn("instance", "Server"), TableColumn("device", "Port")],
            width=12,
            nothing="All links are up",
        ),
        timeline(
            "Links lost",
            "Links that each server lost in the last 15 minutes.",
            [Query(q.LINKS_LOST, "{{instance}}")],
            width=12,
            least=0,
            most=4,
            whole=True,
            nothing=_EMPTY,
        ),
    ]


def _cooling() -> Row:
    return "Coolant", [
        timeline(
            "Temperatures",
            "Supply and return temperature.",
            [Query(q.RETURN, "return", ORANGE), Query(q.SUPPLY, "supply", BLUE)],
            width=6,
            nothing=_EMPTY,
        ),
        timeline(
            "Flow",
            "Flow in the rack's loop, and through each pump.",
            [
                Query(q.FLOW, "loop", BLUE, bold=True),
                Query(q.PUMP_FLOW, "pump {{pump}}"),
            ],
            width=6,
            least=0,
            nothing=_EMPTY,
        ),
        timeline(
            "Pump speed",
            "Speed of each pump as a share of its rated speed. When one fails the other runs at "
            "about 95 %.",
            [Query(q.PUMP_SPEED, "pump {{pump}}")],
            width=6,
            least=0,
            most=1,
            nothing=_EMPTY,
        ),
        timeline(
            "Pump power",
            "Electrical power of each pump.",
            [Query(q.PUMP_POWER, "pump {{pump}}")],
            width=6,
            least=0,
            nothing=_EMPTY,
        ),
    ]


def _power() -> Row:
    return "Power", [
        *_charts(PDU, width=8),
        cells(
            "Power supplies",
            "Worst power supply state of every server, from its management controller.",
            Query(q.PSU_STATE, "{{instance}}"),
            width=8,
            height=8,
            steps=colors.rising(2, 1),
            nothing=_EMPTY,
        ),
    ]


def _others() -> Iterator[Row]:
    """Yield a row for every other device class of a rack that has charts."""
    for device in DEVICES:
        if device.charts and device is not PDU and device.frame is UnitKind.RACK:
            width = max(6, 24 // len(device.charts))
            yield device.title.capitalize(), list(_charts(device, width))


def _charts(device: DeviceClass, width: int) -> Iterator[Builder[dashboard.Panel]]:
    """Yield the panels that a device class has of its own."""
    for chart in device.charts:
        query = Query(of(device, chart.signal, within=IN_RACK), chart.legend)
        yield timeline(
            chart.title, chart.help, [query], width=width, least=chart.least, nothing=_EMPTY
        )
