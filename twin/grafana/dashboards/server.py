"""One host and its GPUs; works with the data of the real exporters as they are."""

from __future__ import annotations

from twin.alerts import thresholds as limit
from twin.grafana import colors
from twin.grafana.assemble import Row
from twin.grafana.colors import HEAT
from twin.grafana.dashboards.server_host import operating_system
from twin.grafana.panel_parts import Query, TableColumn
from twin.grafana.panels import cells, listing, numbers, timeline
from twin.grafana.queries import server as q

__all__ = ["rows"]

_GPU = "GPU {{gpu}}"
_NO_NODE = "No node_exporter of this host is scraped"
_NO_IPMI = "No ipmi_exporter of this host is scraped"


def rows() -> list[Row]:
    """Return the rows."""
    return [
        _now(),
        _states(),
        _heat(),
        _work(),
        _traffic(),
        _errors(),
        operating_system(),
        _host(),
    ]


def _now() -> Row:
    return "$host", [
        numbers(
            "GPUs",
            "GPUs of the host that report now, out of those that reported within a day.",
            [Query(q.GPUS, "{{here}} of {{ever}}", steps=colors.NONE_IS_GOOD)],
            width=3,
            names_only=True,
        ),
        listing(
            "Model",
            "GPU model and driver version from dcgm-exporter.",
            [Query(q.MODEL)],
            [
                TableColumn("modelName", "GPU"),
                TableColumn("DCGM_FI_DRIVER_VERSION", "Driver", width=120),
                TableColumn("Value", "GPUs", width=70),
            ],
            width=8,
            height=4,
            nothing="No GPU reports",
        ),
        numbers(
            "Hottest GPU", "The hottest GPU chosen.", [Query(q.HEAT_HIGHEST)], width=3, steps=HEAT
        ),
        numbers(
            "GPU power",
            "Power of the GPUs chosen.",
            [Query(q.GPU_POWER_TOTAL)],
            width=3,
            decimals=2,
        ),
        numbers(
            "Memory used",
            "Framebuffer that is used on the GPUs chosen.",
            [Query(q.MEMORY_USED_TOTAL)],
            width=4,
            decimals=1,
        ),
        numbers(
            "GPUs with an XID",
            "GPUs whose last XID is not zero; the value stays until the driver is reloaded.",
            [Query(q.XID_COUNT)],
            width=3,
            steps=colors.NONE_IS_GOOD,
        ),
    ]


def _heat() -> Row:
    return "Heat and power", [
        cells(
            "GPUs",
            "Temperature of every GPU that has answered within a day. One that does not answer "
            "keeps its place and is red.",
            Query(q.TILES, _GPU),
            width=24,
            height=4,
            steps=HEAT,
            words={q.LOST: ("lost", colors.GONE)},
        ),
        timeline(
            "GPU temperature",
            "Temperature of each die; the dashed line is the limit of the alert rule.",
            [Query(q.HEAT, _GPU)],
            width=6,
            least=30,
            limit=limit.GPU_HOT.value,
        ),
        timeline(
            "Memory temperature",
            "Temperature of each GPU's memory; the dashed line is the limit of the alert rule.",
            [Query(q.MEMORY_HEAT, _GPU)],
            width=6,
            least=30,
            limit=limit.GPU_MEMORY_HOT.value,
        ),
        timeline("Power", "Power of each GPU.", [Query(q.POWER, _GPU)], width=6, least=0),
        timeline(
            "SM clock",
            "SM clock of each GPU. It falls under heat, at the power limit and with the power "
            "brake.",
            [Query(q.SM_CLOCK, _GPU)],
            width=6,
            least=0,
        ),
    ]


def _work() -> Row:
    return "Work", [
        timeline(
            "GPU utilisation",
            "Share of time with a kernel on the GPU. It is not a measure of work: a GPU that "
            "waits in a collective shows 100 %.",
            [Query(q.UTILISATION, _GPU)],
            width=6,
            least=0,
            most=100,
        ),
        timeline(
            "Tensor cores active",
            "Share of cycles in which the tensor pipe is active: the measure of real work.",
            [Query(q.TENSOR, _GPU)],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Memory interface active",
            "Share of cycles in which the memory interface moves data.",
            [Query(q.DRAM, _GPU)],
            width=6,
            least=0,
            most=1,
        ),
        timeline(
            "Memory used",
            "Used share of the framebuffer.",
            [Query(q.MEMORY_SHARE, _GPU)],
            width=6,
            least=0,
            most=1,
        ),
    ]


def _traffic() -> Row:
    return "NVLink, PCIe, network", [
        timeline(
            "NVLink",
            "Traffic of each GPU's NVLinks, as dcgm-exporter reports it.",
            [Query(q.NVLINK, _GPU)],
            width=8,
            least=0,
        ),
        timeline(
            "PCIe",
            "Bytes a second over PCIe, headers included.",
            [Query(q.PCIE_SENT, f"{_GPU} sent"), Query(q.PCIE_RECEIVED, f"{_GPU} received")],
            width=8,
            least=0,
        ),
        timeline(
            "NIC ports",
            "Bits a second that each RDMA port sends.",
            [Query(q.SENT, "{{device}}")],
            width=8,
            least=0,
            nothing=_NO_NODE,
        ),
    ]


def _errors() -> Row:
    return "Errors", [
        cells(
            "Last XID",
            "The last XID of each GPU. It stays until the driver is reloaded; 79 is a GPU that "
            "fell off the bus, whose series end: after that it is lost.",
            Query(q.XID, _GPU),
            width=8,
            height=8,
            steps=colors.NONE_IS_GOOD,
            words={q.LOST: ("lost", colors.GONE)},
        ),
        timeline(
            "ECC errors",
            "Memory errors since the driver was loaded: single-bit errors were corrected, "
            "double-bit errors were not. dcgm-exporter has these counters off by default.",
            [
                Query(q.ECC_SINGLE, f"{_GPU} single-bit"),
                Query(q.ECC_DOUBLE, f"{_GPU} double-bit"),
            ],
            width=8,
            least=0,
            most=4,
            whole=True,
        ),
        timeline(
            "Remapped rows",
            "Memory rows remapped after errors, and whether remapping has failed; if so, replace "
            "the GPU.",
            [
                Query(q.ROWS_CORRECTABLE, f"{_GPU} correctable"),
                Query(q.ROWS_UNCORRECTABLE, f"{_GPU} uncorrectable"),
                Query(q.ROW_REMAP_FAILURE, f"{_GPU} remapping failed"),
            ],
            width=8,
            least=0,
            most=4,
            whole=True,
        ),
        timeline(
            "NVLink errors",
            "Checksum errors, retries and recoveries a second; none on a healthy link. "
            "dcgm-exporter has these counters off by default.",
            [
                Query(q.NVLINK_CRC, f"{_GPU} checksum"),
                Query(q.NVLINK_REPLAYS, f"{_GPU} retries"),
                Query(q.NVLINK_RECOVERIES, f"{_GPU} recoveries"),
            ],
            width=8,
            least=0,
            most=1,
        ),
        timeline(
            "PCIe replays",
            "PCIe packets resent a second; zero on a healthy link.",
            [Query(q.PCIE_REPLAYS, _GPU)],
            width=8,
            least=0,
            most=1,
        ),
        timeline(
            "Clock events",
            "Share of time in which a reason held each GPU's clock down: heat or the power limit. "
            "dcgm-exporter has these counters off by default.",
            [
                Query(q.THROTTLED_BY_HEAT, f"{_GPU} heat"),
                Query(q.THROTTLED_BY_POWER, f"{_GPU} power limit"),
            ],
            width=8,
            least=0,
            most=0.1,
        ),
    ]


def _states() -> Row:
    return "State of the host", [
        cells(
            "Exporters",
            "Whether the exporters of the host could be scraped.",
            Query(q.EXPORTERS, "{{job}}"),
            width=5,
            height=5,
            steps=colors.NONE_IS_BAD,
            nothing="No exporter of this host is scraped",
        ),
        cells(
            "Port state",
            "State of each RDMA port.",
            Query(q.PORT_STATE, "{{device}}"),
            width=8,
            height=5,
            steps=colors.falling(2, 4),
            nothing=_NO_NODE,
        ),
        cells(
            "Power supplies",
            "State of each power supply's input, from the management controller.",
            Query(q.PSU_STATE, "{{name}}"),
            width=8,
            height=5,
            steps=colors.rising(2, 1),
            nothing=_NO_IPMI,
        ),
        cells(
            "Inlet",
            "State of the inlet air temperature, from the management controller.",
            Query(q.INLET_STATE, "{{name}}"),
            width=3,
            height=5,
            steps=colors.rising(2, 1),
            nothing=_NO_IPMI,
        ),
    ]


def _host() -> Row:
    return "Power and air of the host", [
        timeline(
            "Host power",
            "Power at the inlet of the host, from its management controller.",
            [Query(q.HOST_POWER, "power")],
            width=8,
            least=0,
            nothing=_NO_IPMI,
        ),
        timeline(
            "Power of the supplies",
            "Power into and out of each supply, from its management controller.",
            [Query(q.PSU_OUTPUT, "{{name}}")],
            width=8,
            least=0,
            nothing=_NO_IPMI,
        ),
        timeline(
            "Temperatures",
            "Temperatures from the management controller, the inlet air first.",
            [Query(q.INLET, "{{name}}")],
            width=8,
            nothing=_NO_IPMI,
        ),
    ]
