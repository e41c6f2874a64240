"""Power smoothing of GPUs: DCGM's fields 1425 to 1438.

Names, units and what they mean are those of NVIDIA/DCGM, ``dcgmlib/dcgm_fields.h``; dcgm-exporter
has none of them on by default. DCGM shows them only where the host's privilege over power smoothing
has been set to 1 or 2 through Redfish. Overrides of the profile (fields 1439 to 1442) are left out:
as shipped none is set, and then they are blank.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from twin.catalog.model import Exporter, MetricType, Signal, Unit

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["smoothing_fields"]

_PREFIX = "DCGM_FI_DEV_PWR_SMOOTHING_"
_ON = {0: "off", 1: "on"}


def _readable(site: Site) -> bool:
    return site.smoothing.in_band_level > 0


def smoothing_fields(family: Exporter) -> tuple[Signal, ...]:
    """Return the fields, as signals of dcgm-exporter."""
    gauge = partial(Signal, family=family, kind=MetricType.GAUGE, extra=True, needs=_readable)
    plain = partial(gauge, unit=Unit.NONE)
    watts = partial(gauge, unit=Unit.WATTS, decimals=1, high=5000)
    percent = partial(gauge, unit=Unit.PERCENT, decimals=2, high=100)
    return (
        plain("smoothing_enabled", f"{_PREFIX}ENABLED", high=1, codes=_ON,
              help="Enablement (0/DISABLED or 1/ENABLED)"),
        plain("smoothing_privilege", f"{_PREFIX}PRIV_LVL", high=2, help="Current privilege level"),
        plain("smoothing_immediate", f"{_PREFIX}IMM_RAMP_DOWN_ENABLED", high=1, codes=_ON,
              help="Immediate ramp down enablement (0/DISABLED or 1/ENABLED)"),
        watts("smoothing_ceiling", f"{_PREFIX}APPLIED_TMP_CEIL",
              help="Applied TMP ceiling value in Watts"),
        watts("smoothing_floor", f"{_PREFIX}APPLIED_TMP_FLOOR",
              help="Applied TMP floor value in Watts"),
        percent("smoothing_floor_most", f"{_PREFIX}MAX_PERCENT_TMP_FLOOR_SETTING",
                help="Max % TMP Floor value"),
        percent("smoothing_floor_least", f"{_PREFIX}MIN_PERCENT_TMP_FLOOR_SETTING",
                help="Min % TMP Floor value"),
        percent("smoothing_lifetime", f"{_PREFIX}HW_CIRCUITRY_PERCENT_LIFETIME_REMAINING",
                help="HW Circuitry % lifetime remaining"),
        plain("smoothing_presets", f"{_PREFIX}MAX_NUM_PRESET_PROFILES",
              help="Max number of preset profiles"),
        percent("smoothing_floor_percent", f"{_PREFIX}PROFILE_PERCENT_TMP_FLOOR",
                help="% TMP floor for a given profile"),
        plain("smoothing_ramp_up", f"{_PREFIX}PROFILE_RAMP_UP_RATE",
              help="Ramp up rate in mW/s for a given profile"),
        plain("smoothing_ramp_down", f"{_PREFIX}PROFILE_RAMP_DOWN_RATE",
              help="Ramp down rate in mW/s for a given profile"),
        plain("smoothing_hysteresis", f"{_PREFIX}PROFILE_RAMP_DOWN_HYST_VAL",
              help="Ramp down hysteresis value in ms for a given profile"),
        plain("smoothing_preset", f"{_PREFIX}ACTIVE_PRESET_PROFILE", high=4,
              help="Active preset profile number"),
    )  # fmt: skip
