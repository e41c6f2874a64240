"""The emulator: a plant, what is said of it over the bus, and the process that runs both."""

from twin.emulator.commands import Commands
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.emulator.pacer import Pacer
from twin.emulator.service import Emulator

__all__ = ["Commands", "Emulator", "EmulatorConfig", "EmulatorCore", "Pacer"]
