"""Calibration of a site file: parameters fitted to what a real fleet has measured."""

from __future__ import annotations

from twin.fleet.calibration.estimates import Fitted, UntoldParameter
from twin.fleet.calibration.fitting import CalibratedSite, calibrate
from twin.fleet.calibration.lags import SensorLag
from twin.fleet.calibration.past import FleetPast, read_past
from twin.fleet.calibration.report import calibration_html

__all__ = [
    "CalibratedSite",
    "Fitted",
    "FleetPast",
    "SensorLag",
    "UntoldParameter",
    "calibrate",
    "calibration_html",
    "read_past",
]
