"""The asyncio shell around the plant: paces it, publishes frames, takes commands."""

from twin.emulator.commands import Commands
from twin.emulator.config import EmulatorConfig
from twin.emulator.emulator import Emulator
from twin.emulator.pacer import Pacer

__all__ = ["Commands", "Emulator", "EmulatorConfig", "Pacer"]
