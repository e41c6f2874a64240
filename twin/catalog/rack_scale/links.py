"""NVLinks one by one, as NMX-T of the rack's switch trays shows them.

NMX-T is the telemetry of an NVLink domain, Prometheus text at
``:9352/xcset/nvlink_domain_telemetry``. Names and labels are those of a live GB200 rack, of which
``collectors/nmxt.rs`` of dsx-ai-factory/infra-controller at 03c8839 has a sample. The twin shows
each link at its GPU: 72 times 18 of an NVL72. Labels that change with the link's state are left out
(``Status_Message``, ``down_blame``, reasons).

A bit error rate of 1.5e-254 means that no error has been seen.

Where a site asks for it, NICo also shows what NVOS tells of each access port by gNMI: its raw bit
error rate, and how many codewords had how many wrong symbols (names of ``crates/health``,
``nvue/gnmi/sample_processor.rs`` of dsx-ai-factory/infra-controller; ``acp1`` and so on are NVOS'
names of access ports). Of a switch tray, ports of its first chip come first, GPU by GPU.
"""

from __future__ import annotations

from functools import partial
from hashlib import blake2s
from typing import TYPE_CHECKING

from twin.catalog.device import DeviceClass
from twin.catalog.model import Exporter, MetricType, Signal, Unit
from twin.catalog.place import Hosts, Place, UnitKind, one
from twin.catalog.rack_scale.nico import controller_address, endpoint, nico_gauge
from twin.catalog.rollup import Operation, Rollup

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["FEC_BINS", "NO_ERRORS", "NVLINK", "link_place"]

FEC_BINS = 16
"""Bins of the histogram: codewords with 0 to 15 wrong symbols."""

NO_ERRORS = 1.5e-254
"""Bit error rate of a link on which no error has been seen."""
_DIGITS = 255
"""Decimals of a bit error rate."""
_FIRST_SLOT = 10
"""Slot of the first compute tray (nvidia-smi: tray 4 is in slot 14, tray 15 in slot 25)."""


def link_place(place: Place) -> tuple[int, int, int]:
    """Return tray, GPU of the tray, and link of the GPU of a device of the class."""
    gpu, link = divmod(place.index, place.site.nvlink.links)
    tray, own = divmod(gpu, place.site.server.gpus)
    return tray, own, link


def _guid(*parts: object) -> str:
    return "0x" + blake2s("/".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def _identify(place: Place) -> tuple[str, ...]:
    """Return what NMX-T calls the port of a GPU, and the switch chip at its other end."""
    tray, own, link = link_place(place)
    switch, chip = divmod(link, place.site.nvlink.chips_per_tray)
    rack = (place.site.name, place.unit)
    return (
        _guid(*rack, "gpu", tray, own),
        str(link + 1),
        f"GPUP{link}",
        str(tray + _FIRST_SLOT),
        str(tray),
        str(own + 1),
        "Int_KP4_FEC_PLR",
        f"MF0;{place.unit_name}-sw{switch + 1}:N5400_LD/U{chip + 1}",
        _guid(*rack, "switch", switch, chip),
        str(place.index // place.site.nvlink.links + 1),
    )


_PORT = Exporter(
    key="nmx_t",
    job="nmx-telemetry",
    port=9352,
    labels=("Node_GUID", "Port_Number", "port_label", "chassis_slot_index", "tray_index",
            "device_num_on_tray", "Active_FEC", "link_partner_description",
            "link_partner_node_guid", "link_partner_port_num"),
    source="dsx-ai-factory/infra-controller, collectors/nmxt.rs at 03c8839",
    identify=_identify,
)  # fmt: skip
_gauge = partial(Signal, family=_PORT, kind=MetricType.GAUGE, unit=Unit.NONE)


def _port(place: Place) -> tuple[str, ...]:
    """Return what NICo calls the switch's end of a link."""
    gpu, link = divmod(place.index, place.site.nvlink.links)
    switch, chip = divmod(link, place.site.nvlink.chips_per_tray)
    return (
        controller_address(place, "switch", switch),
        place.unit_name,
        str(switch),
        f"acp{chip * place.site.gpus_per_rack + gpu + 1}",
    )


def _fec(site: Site) -> bool:
    return site.nvlink.fec


_ACCESS_PORT = endpoint(
    key="switch_port",
    labels=("endpoint_key", "rack_id", "switch_tray_index", "interface_name"),
    identify=_port,
)

NVLINK = DeviceClass(
    name="nvlink",
    frame=UnitKind.RACK,
    title="NVLink of a GPU",
    hosts=Hosts(one, lambda place: f"{place.unit_name}-sw1"),
    per_host=lambda site: (
        site.nvlink.links * site.gpus_per_rack * site.telemetry.extra_signals
    ),
    rollups=(
        Rollup("nvlinks_down", "opcode", Operation.COUNT, Unit.NONE,
               "NVLinks of the {level} that are down.", excluding=(0.0,)),
    ),
    signals=(
        _gauge("effective_ber", "Effective_BER", decimals=_DIGITS, high=1,
               help="Effective bit error rate"),
        _gauge("symbol_errors", "Symbol_Errors", help="Symbol errors after FEC"),
        _gauge("link_down", "Link_Down", help="Times that the link went down"),
        _gauge("recoveries", "total_successful_recovery_events",
               help="Successful recoveries of the link"),
        _gauge("opcode", "Advanced_Status_Opcode", help="State of the link, 0 for no issue",
               high=65_535),
        nico_gauge("raw_ber", "nvue_gnmi_interface_raw_ber_ratio", _ACCESS_PORT, unit=Unit.RATIO,
                   decimals=12, high=1, needs=_fec),
        *(
            nico_gauge(f"fec_{number}", f"nvue_gnmi_interface_fec_hist_{number}_count",
                       _ACCESS_PORT, unit=Unit.NONE, needs=_fec)
            for number in range(FEC_BINS)
        ),
    ),
)  # fmt: skip
