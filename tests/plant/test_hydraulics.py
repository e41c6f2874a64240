"""Pump curves and the loops they drive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.parameters import CoolingParameters
from twin.plant.hydraulics import PumpCurve, pump_flows

COOLING = CoolingParameters()
CURVE = PumpCurve.of(COOLING)


def test_nominal_point() -> None:
    """Both pumps at nominal speed give the nominal flow and pressure drop."""
    flows, head = pump_flows(np.full((1, 2), COOLING.pump_nominal_ratio), CURVE)
    assert flows.sum() == pytest.approx(COOLING.flow_liters_per_minute, rel=1e-4)
    assert head[0] == pytest.approx(COOLING.loop_pressure_pascals, rel=1e-3)


@given(st.floats(0.2, 1.0), st.floats(0.3, 0.99))
def test_affinity_laws(speed: float, factor: float) -> None:
    """Flow goes with speed and head with its square."""
    flows, head = pump_flows(np.full((1, 2), speed), CURVE)
    slower, lower = pump_flows(np.full((1, 2), speed * factor), CURVE)
    assert slower.sum() == pytest.approx(flows.sum() * factor, rel=1e-3)
    assert lower[0] == pytest.approx(head[0] * factor**2, rel=1e-3)


@given(
    speeds=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    wear=st.tuples(st.floats(0.2, 1.0), st.floats(0.2, 1.0)),
    clogging=st.floats(1.0, 50.0),
)
def test_pumps_share_one_head(
    speeds: tuple[float, float], wear: tuple[float, float], clogging: float
) -> None:
    """The flows of unequal pumps add up to what the loop lets through at their common head."""
    loop = np.array([CURVE.loop * clogging])
    flows, head = pump_flows(np.array([speeds]), CURVE, loop, np.array([wear]))
    assert flows.sum() == pytest.approx(np.sqrt(head[0] / loop[0]), abs=0.05)
    assert (flows >= 0).all()
