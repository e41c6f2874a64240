"""Power smoothing: what keeps a rack's power steady at its power shelves and in its GPUs.

Where a description names *Redfish*, it is the board controller of an idle GB300 tray in
spyroot/redfish_ctl (July 2026); *NVIDIA's blog* is "How New GB300 NVL72 Features Provide Steady
Power for AI" (July 2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from twin.parameters.section import Amount, Fraction, Positive, Section

if TYPE_CHECKING:
    from twin.parameters.gpu import GpuModel

__all__ = ["SmoothingParameters", "SmoothingProfile"]

_PRESETS = 5
_PERCENT = 100.0


class SmoothingProfile(Section):
    """A preset profile of a GPU's power smoothing; defaults are those of all five as shipped."""

    floor_percent: Annotated[float, Field(ge=0, le=100)] = 89.99
    """Power that a GPU at work is held above, in percent of its `smoothing_tmp_watts` (Redfish)."""
    ramp_up_watts_per_second: Positive = 20.0
    """Rate at which the power that a GPU may draw rises from idle, in W/s (Redfish)."""
    ramp_down_watts_per_second: Positive = 20.0
    """Rate at which its floor falls once it has no more work, in W/s (Redfish)."""
    hysteresis_seconds: Amount = 10.0
    """Time without work after which the floor begins to fall (Redfish)."""


class SmoothingParameters(Section):
    """Power smoothing of GB300, off as shipped, and a burner in software beside it."""

    enabled: bool = False
    """Whether the GPUs hold floor and ramps and the power shelves' storage acts."""
    preset: Annotated[int, Field(ge=0, le=_PRESETS - 1)] = 0
    """Number of the active preset profile."""
    presets: Annotated[tuple[SmoothingProfile, ...], Field(min_length=1, max_length=_PRESETS)] = (
        SmoothingProfile(),
    ) * _PRESETS
    """The preset profiles, at most five (NVML)."""
    immediate_ramp_down: bool = False
    """Whether the floor is dropped at once when the work ends."""
    in_band_level: Annotated[int, Field(ge=0, le=2)] = 0
    """Privilege of the host over power smoothing, set through Redfish: without any, DCGM and
    nvidia-smi show nothing of it (nvidia-smi of a tray as shipped: insufficient permissions)."""
    lifetime_percent: Annotated[float, Field(ge=0, le=100)] = 100.0
    """Lifetime that is left to the GPUs' smoothing circuitry in percent (Redfish)."""
    storage_joules_per_gpu: Amount = 65.0
    """Energy that the capacitors of the power supplies hold for each GPU (NVIDIA's blog)."""
    storage_seconds: Positive = 0.5
    """Time constant with which the supplies' input follows the bus, est."""
    storage_round_trip_ratio: Fraction = 0.95
    """Energy out of the capacitors over what went into them, est."""
    burn_watts: Amount = 0.0
    """Power that software keeps each GPU at while a job's processes run, by computing for nothing
    whenever the job waits, in W; 0 for none. It needs no GB300, and ends with its job."""

    @model_validator(mode="after")
    def _preset_is_given(self) -> SmoothingParameters:
        if self.preset >= len(self.presets):
            raise ValueError(
                f"preset is {self.preset}, but presets has only {len(self.presets)}; number them "
                "from 0 on"
            )
        return self

    @property
    def profile(self) -> SmoothingProfile:
        """The active profile."""
        return self.presets[self.preset]

    @property
    def acts(self) -> bool:
        """Whether anything changes the power of the GPUs."""
        return self.enabled or self.burn_watts > 0.0

    def floor_watts(self, model: GpuModel) -> float:
        """Return the power that a GPU at work is held above, in W; 0 for none."""
        own = model.smoothing_tmp_watts * self.profile.floor_percent / _PERCENT
        return max(own if self.enabled else 0.0, min(self.burn_watts, model.power_limit_watts))
