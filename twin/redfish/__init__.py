"""Redfish: the controllers of a site's racks, over the values that come from the bus."""

from __future__ import annotations

from twin.redfish.core import RedfishCore
from twin.redfish.destinations import Destinations
from twin.redfish.kinds import BMC_KINDS
from twin.redfish.service import RedfishConfig, RedfishService
from twin.redfish.sessions import Login

__all__ = ["BMC_KINDS", "Destinations", "Login", "RedfishConfig", "RedfishCore", "RedfishService"]
