"""All GPUs of the site, by roll-ups."""

from __future__ import annotations

from functools import partial

from twin.catalog import Level
from twin.grafana.units import COUNT
from twin.grafana.values import buckets, rolled

_LISTED_RACKS = 8
_BY_RACK = ("array", "rack")

_site = partial(rolled, Level.SITE)
_rack = partial(rolled, Level.RACK)

REPORTING = _site("gpus_reporting").in_unit(COUNT)
MISSING = _site("gpus_missing").in_unit(COUNT)
TEMPERATURE_HIGHEST = _site("gpu_temperature_max_celsius")
TEMPERATURE_MEAN = _site("gpu_temperature_mean_celsius")
TEMPERATURES = buckets(Level.SITE, "gpu_temperature_distribution_celsius")
MEMORY_TEMPERATURE = _site("gpu_memory_temperature_max_celsius")
UTILISATION = _site("gpu_utilization_mean_percent")
TENSOR = _site("gpu_tensor_active_mean_ratio")
CLOCK = _site("gpu_sm_clock_mean_megahertz")
POWER = _site("gpu_power_mean_watts")
SLOWED_BY_HEAT = _site("gpu_thermal_throttling_seconds_total").rate().in_unit("none")
SLOWED_BY_POWER = _site("gpu_power_throttling_seconds_total").rate().in_unit("none")

HOTTEST_TEMPERATURE = _rack("gpu_temperature_max_celsius").max(*_BY_RACK).top(_LISTED_RACKS)
HOTTEST_POWER = _rack("it_power_watts").sum(*_BY_RACK).kept_by(HOTTEST_TEMPERATURE)
HOTTEST_GPUS = _rack("gpus_reporting").sum(*_BY_RACK).kept_by(HOTTEST_TEMPERATURE)
