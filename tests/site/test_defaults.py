"""The defaults of a site: a change of one is a decision, not an accident."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from twin.site import parse_site

DEFAULTS = {
    "site": {
        "title": "",
        "description": "",
        "sources": (),
        "halls": 1,
        "racks_per_array": 8,
        "servers_per_rack": 8,
        "pdus_per_rack": 2,
        "blocks": (),
    },
    "gpu": {
        "key": "h100-sxm",
        "name": "NVIDIA H100 80GB HBM3",
        "framebuffer_mib": 81559,
        "framebuffer_reserved_mib": 454,
        "sm_clock_idle_mhz": 345.0,
        "sm_clock_max_mhz": 1980.0,
        "mem_clock_mhz": 2619.0,
        "power_limit_watts": 700.0,
        "power_idle_watts": 73.0,
        "power_context_watts": 120.0,
        "power_wait_watts": 157.0,
        "power_training_watts": 625.0,
        "power_clock_exponent": 2.2,
        "power_spread_ratio": 0.012,
        "power_noise_watts": 10.0,
        "power_noise_correlation": 0.77,
        "temperature_max_operating_celsius": 87.0,
        "temperature_slowdown_celsius": 89.0,
        "temperature_shutdown_celsius": 95.0,
        "thermal_resistance_kelvin_per_watt": 0.035,
        "thermal_resistance_spread_ratio": 0.06,
        "thermal_flow_exponent": 0.6,
        "heat_capacity_joules_per_kelvin": 250.0,
        "memory_offset_kelvin": 9.0,
        "nvlink_bytes_per_second": 900000000000.0,
    },
    "server": {
        "gpus": 8,
        "nics": 9,
        "psus": 4,
        "base_power_watts": 1600.0,
        "base_power_per_gpu_watt": 0.08,
        "psu_rating_watts": 3000.0,
        "psu_loss_idle_watts": 45.0,
        "psu_loss_ratio": 0.001,
        "psu_loss_quadratic": 0.001,
        "driver_version": "570.124.06",
    },
    "network": {
        "bytes_per_second": 50000000000.0,
        "hca_type": "MT4129",
        "board_id": "MT_0000000838",
        "firmware_version": "28.43.2026",
        "packet_bytes": 4170.0,
        "mark_threshold_ratio": 0.85,
        "mark_ratio": 0.0002,
        "optic_temperature_celsius": 42.0,
        "optic_temperature_rise_kelvin": 11.0,
    },
    "cooling": {
        "pumps": 2,
        "flow_liters_per_minute": 75.0,
        "pump_nominal_ratio": 0.6,
        "pump_rated_rpm": 6000.0,
        "pump_head_pascals": 840000.0,
        "loop_pressure_pascals": 150000.0,
        "pump_power_watts": 1850.0,
        "pump_slew_per_second": 0.06,
        "static_pressure_pascals": 200000.0,
        "control_power_watts": 60.0,
        "coolant_joules_per_liter_kelvin": 4010.0,
        "supply_celsius": 32.0,
        "facility_supply_celsius": 24.0,
        "facility_flow_liters_per_minute": 110.0,
        "approach_kelvin": 4.0,
        "nominal_heat_watts": 60000.0,
        "loop_seconds": 60.0,
        "supply_seconds": 25.0,
        "liquid_ratio": 0.87,
    },
    "megapacks": {
        "count": 0,
        "energy_joules": 14040000000.0,
        "power_watts": 720000.0,
        "round_trip_ratio": 0.937,
        "response_seconds": 0.1,
        "smoothing_seconds": 60.0,
        "soc_target_ratio": 0.6,
        "soc_min_ratio": 0.1,
        "soc_max_ratio": 0.9,
        "soc_restore_seconds": 3600.0,
        "voltage": 480.0,
    },
    "gensets": {
        "count": 0,
        "power_watts": 2500000.0,
        "start_seconds": 10.0,
        "ramp_per_second": 0.05,
        "fuel_liters": 15000.0,
        "fuel_liters_per_joule": 7.361111111111111e-08,
        "voltage": 4160.0,
        "rpm": 1800.0,
    },
    "grid": {
        "limit_watts": 2000000.0,
        "voltage": 13800.0,
        "frequency_hertz": 60.0,
        "voltage_drop_ratio": 0.015,
    },
    "facility": {
        "chiller_ratio": 0.12,
        "loss_ratio": 0.02,
        "fixed_power_watts": 20000.0,
        "air_celsius": 24.0,
    },
    "training": {
        "step_seconds": 10.64,
        "step_jitter_seconds": 0.05,
        "eval_every_seconds": 142.0,
        "eval_seconds": 13.0,
        "checkpoint_every_seconds": 900.0,
        "checkpoint_seconds": 16.0,
        "startup_seconds": 358.0,
        "restart_delay_seconds": 120.0,
        "framebuffer_ratio": 0.86,
    },
    "telemetry": {"interval_seconds": 1.0, "extra_signals": True, "hostname_label": "Hostname"},
}


@pytest.mark.parametrize("section", DEFAULTS)
def test_defaults_are_pinned(section: str) -> None:
    """A site that gives only its name and its size has these values."""
    site = parse_site("name: mine\nracks: 1", "mine.yaml")
    if section == "site":
        values = {
            key: value
            for key, value in site
            if not isinstance(value, BaseModel) and key not in {"name", "racks"}
        }
    else:
        values = getattr(site, section).model_dump()
    assert values == DEFAULTS[section]


def test_every_section_is_pinned() -> None:
    """A new section is not forgotten here."""
    site = parse_site("name: mine\nracks: 1", "mine.yaml")
    sections = {key for key, value in site if isinstance(value, BaseModel)}
    assert sections | {"site"} == set(DEFAULTS)
