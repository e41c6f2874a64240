"""The Gymnasium environment: its contract, and that actions matter."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import twin
from twin.library import gym
from twin.library.gym import OBSERVED, TwinEnv


def test_contract_of_gymnasium_holds(site: twin.Site) -> None:
    """Gymnasium's own checker finds nothing: spaces, seeds, types of what is returned."""
    check_env(TwinEnv(site, duration=20, every=5), skip_render_check=True)


def test_order_of_an_observation_is_this() -> None:
    """A trained agent finds each number where it was: the order is changed by decision only."""
    assert list(OBSERVED) == [
        "facility_watts", "it_watts", "cooling_watts", "grid_watts", "unserved_watts",
        "shed_racks", "water_celsius", "hottest_gpu_celsius", "coolant_celsius",
        "coolant_liters_per_minute", "megapack_watts", "state_of_charge", "job_pace",
    ]  # fmt: skip
    assert gym.__all__ == ["OBSERVED", "TwinEnv", "running_cost"]


def test_episode_ends_and_actions_matter(site: twin.Site) -> None:
    """An episode takes its duration, and a cap on power lowers what the site draws."""
    env = TwinEnv(site, duration=60, every=30, faults=[twin.Fault("pump-failure", at=5)])
    assert [point.name for point in env.set_points] == [
        "supply_celsius", "flow_ratio", "server_watts", "megapack_watts",
    ]  # fmt: skip
    drawn = []
    for share in (1.0, -0.4):
        env.reset(seed=3)
        action = np.array([-0.4, 0.0, share, 0.0], np.float32)
        _, _, ended, over, _ = env.step(action)
        assert (ended, over) == (False, False)
        seen, reward, _, over, told = env.step(action)
        assert over
        assert np.isfinite(seen).all()
        assert np.isfinite(reward)
        assert told["events"][0].kind == "pump-failure"
        drawn.append(float(seen[list(OBSERVED).index("it_watts")]))
    assert drawn[1] < 0.9 * drawn[0]


def test_wrong_use_is_told(site: twin.Site) -> None:
    """An action of another shape, or before the first reset, is refused with what is wanted."""
    env = TwinEnv(site)
    with pytest.raises(twin.ConfigError, match=r"call reset\(\) first"):
        env.step(np.zeros(4, np.float32))
    env.reset(seed=1)
    with pytest.raises(twin.ConfigError, match="one number each for supply_celsius"):
        env.step(np.zeros(3, np.float32))
    with pytest.raises(twin.ConfigError, match="longer than an episode"):
        TwinEnv(site, duration=5, every=30)
