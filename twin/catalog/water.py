"""The facility water plant: chillers, their water and the weather.

Building management has no common Prometheus exporter, so names follow the Prometheus
naming rules; points are those that BACnet controllers of such plants usually have.
"""

from __future__ import annotations

from functools import partial

from twin.catalog.device import DeviceClass
from twin.catalog.model import Exporter, MetricType, Signal, Unit
from twin.catalog.place import Hosts, UnitKind
from twin.catalog.power import SITE_METERS

__all__ = ["CHILLER", "CHILLER_STATES", "WATER"]

_SOURCE = "Prometheus naming"
_CHILLER = Exporter("chiller", "chiller", 47808, ("chiller",), _SOURCE,
                    lambda place: (str(place.host + 1),))  # fmt: skip
_WATER = Exporter("water", "water", 47808, (), _SOURCE)

CHILLER_STATES = {0: "standby", 1: "starting", 2: "running", 3: "failed", 4: "unpowered"}

_chiller = partial(Signal, family=_CHILLER, kind=MetricType.GAUGE)
_water = partial(Signal, family=_WATER, kind=MetricType.GAUGE)
_celsius = partial(_water, unit=Unit.CELSIUS, decimals=2, low=-60, high=120)

CHILLER = DeviceClass(
    name="chiller",
    frame=UnitKind.GRID,
    title="chiller",
    hosts=Hosts(lambda site: site.chillers, lambda place: f"chiller{place.host + 1}"),
    signals=(
        _chiller("power", "chiller_power_watts", unit=Unit.WATTS,
                 help="Electrical power of the chiller with its tower and pumps."),
        _chiller("heat_removed", "chiller_heat_removed_watts", unit=Unit.WATTS,
                 help="Heat that the chiller carries off."),
        _chiller("capacity", "chiller_cooling_capacity_watts", unit=Unit.WATTS,
                 help="Heat that the chiller could carry off at the present outdoor temperature; "
                      "0 when it has failed or has no power."),
        _chiller("running_seconds", "chiller_running_seconds_total", unit=Unit.SECONDS,
                 kind=MetricType.COUNTER, help="Time the chiller has run in its life."),
        _chiller("starts", "chiller_starts_total", unit=Unit.NONE, kind=MetricType.COUNTER,
                 help="Starts of the chiller."),
        _chiller("state", "chiller_state", unit=Unit.NONE, states=CHILLER_STATES, high=4,
                 help="State of the chiller: 1 for the state it is in, 0 for the others."),
    ),
)  # fmt: skip

WATER = DeviceClass(
    name="water",
    frame=UnitKind.GRID,
    title="facility water",
    hosts=SITE_METERS,
    signals=(
        _celsius("return_temperature", "facility_water_return_temperature_celsius",
                 help="Facility water temperature back to the chillers."),
        _water("flow", "facility_water_flow_liters_per_minute", unit=Unit.LITERS_PER_MINUTE,
               decimals=1, help="Facility water through coolant units and air handlers."),
        _water("heat", "facility_water_heat_watts", unit=Unit.WATTS, low=None,
               help="Heat that the facility water takes up."),
        _water("capacity", "facility_cooling_capacity_watts", unit=Unit.WATTS,
               help="Heat that the running chillers can carry off."),
        _water("performance", "facility_cooling_performance_ratio", unit=Unit.RATIO, decimals=3,
               high=100, help="Heat carried off over the electrical power it takes."),
        _celsius("outdoor_temperature", "facility_outdoor_temperature_celsius",
                 help="Outdoor temperature."),
        _celsius("outdoor_dew_point", "facility_outdoor_dew_point_celsius",
                 help="Outdoor dew point."),
        _water("outdoor_humidity", "facility_outdoor_relative_humidity_ratio", unit=Unit.RATIO,
               decimals=4, high=1, help="Outdoor relative humidity."),
        _celsius("room_dew_point", "facility_room_dew_point_celsius",
                 help="Dew point of the air in the data halls."),
        _celsius("room_temperature", "facility_room_air_supply_temperature_celsius",
                 help="Air that the air handlers supply to the servers."),
        _celsius("hot_aisle", "facility_hot_aisle_temperature_celsius",
                 needs=lambda site: site.has_air,
                 help="Air out of the air-cooled servers, back to the air handlers."),
    ),
)  # fmt: skip
