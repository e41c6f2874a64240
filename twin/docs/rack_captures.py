"""Comparison of an NVL72 rack with captures of real ones, idle and at work."""

from __future__ import annotations

from functools import cache

import numpy as np

from twin.docs.measurement import Comparison
from twin.plant import Conditions, Plant
from twin.site import Layout, load_site, parse_site

__all__ = ["rack_comparisons"]

_SMI, _REDFISH = "nvidia-smi -q -x, August 2026", "Redfish of a GB300 tray, July 2026"
_POD, _SELLERS = "GB200 pod, DSX Exchange, August 2026", "sellers' figures"
_IDLE_SECONDS, _WORK_SECONDS = 30, 300


def _run(site: str, workload: str, seconds: int) -> Plant:
    layout = Layout(parse_site(site, "rack") if site.startswith("{") else load_site(site))
    plant, conditions = Plant(layout, workload=workload), Conditions.healthy(layout)
    for _ in range(seconds):
        plant.step(1.0, conditions)
    return plant


def _mean(plant: Plant, device: str, signal: str) -> float:
    return float(np.nanmean(plant.outputs()[device][signal]))


@cache
def rack_comparisons() -> tuple[Comparison, ...]:
    """Run a rack of GB300 and one of GB200, and return what they show beside the captures."""
    idle = _run("nvl72-rack", "idle", _IDLE_SECONDS)
    older = _run("{name: rack, racks: 1, rack: nvl72, gpu: gb200}", "idle", _IDLE_SECONDS)
    work = _run("nvl72-rack", "training", _WORK_SECONDS)
    site = load_site("nvl72-rack")
    # The tray of the Redfish capture had GPUs of 239 W and not of 178 W.
    further = 4 * (239.0 - 178.0) * (1.0 + site.server.base_power_per_gpu_watt)
    liquid = float(work.cdus.absorbed.sum() / work.servers.rack_power.sum())
    kilowatts = float(work.servers.rack_power.sum()) / 1e3
    tray = site.server.output_watts(site.gpu.power_limit_watts)
    flow = float(work.cdus.outputs()["flow"].sum())
    return (
        Comparison("gpu-idle", "GB300, idle", "W", 178, _mean(idle, "gpu", "power_usage"), 0.03,
                   _SMI),
        Comparison("module-idle", "Superchip of GB300, idle", "W", 493,
                   _mean(idle, "grace", "module_power"), 0.02, _SMI),
        Comparison("gpu-idle-gb200", "GB200, idle", "W", 165,
                   _mean(older, "gpu", "power_usage"), 0.03, _SMI),
        Comparison("module-idle-gb200", "Superchip of GB200, idle", "W", 460,
                   _mean(older, "grace", "module_power"), 0.03, _SMI, validated=True),
        Comparison("cpu-idle", "Grace CPU, idle", "W", 88.5, _mean(idle, "grace", "power"), 0.03,
                   _REDFISH),
        Comparison("tray-idle", "Compute tray with GPUs of 239 W", "W", 1355,
                   _mean(idle, "server", "power") + further, 0.02, _REDFISH),
        Comparison("bus-idle", "Voltage at an idle tray", "V", 49.90,
                   _mean(idle, "hot_swap", "voltage"), 0.001, _REDFISH),
        Comparison("leak-dry", "Dry leak detector", "V", 1.728,
                   _mean(idle, "leak_detector", "voltage"), 0.005, _REDFISH),
        Comparison("gpu-die-idle", "GB300, idle, die", "°C", 38.5,
                   _mean(idle, "gpu", "gpu_temp"), None, _SMI),
        Comparison("liquid", "Share of the rack's power into liquid", "", 0.965, liquid, None,
                   _POD),
        Comparison("flow", "Coolant for each kilowatt", "L/min", 1.25, flow / kilowatts, None,
                   _POD),
        Comparison("tray-full", "Compute tray with GPUs at their limit", "W", 6500, tray, None,
                   _SELLERS),
        Comparison("rack", "Rack of GB300 while training, AC", "kW", 132, kilowatts, None,
                   _SELLERS),
    )  # fmt: skip
