"""Cooling of dies: what a coolant's flow and a clean or bad contact make of it."""

from __future__ import annotations

from twin.plant.gpu_model import Cooling, ModelValues, cooling_of, plate_conductance
from twin.plant.units import Floats, Unchanged, frozen

__all__ = ["DieCooling"]


class DieCooling:
    """Works out how all dies are cooled, anew only where something of it has changed.

    It is called as a function is, so the state of a plant leaves it out.
    """

    def __init__(self, model: ModelValues) -> None:
        self._model = model
        self._unchanged = Unchanged()
        self._last: Cooling

    def __call__(
        self, clean: Floats, flow_ratio: Floats, resistance: Floats | None, dt: float
    ) -> Cooling:
        """Return the cooling of all dies.

        Args:
            clean: conductance of each at nominal flow in W/K, (racks, GPUs a rack).
            flow_ratio: flow over nominal, broadcastable.
            resistance: thermal resistance of each over normal, None where all are well.
            dt: step in s.
        """
        if not self._unchanged(frozen(clean), flow_ratio, resistance, dt):
            conductance = plate_conductance(clean, flow_ratio, self._model)
            if resistance is not None:
                conductance = conductance / resistance
            capacity = self._model.heat_capacity_joules_per_kelvin
            self._last = cooling_of(conductance, capacity, dt)
        return self._last
