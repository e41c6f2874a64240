"""Instances of partitioned GPUs: places and numbers as the driver gives them."""

from __future__ import annotations

import pytest

from twin.catalog import partition
from twin.parameters import GpuModel
from twin.site import load_gpu_model

H100 = ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (("7g.80gb",), (0,)),
        (("3g.40gb", "3g.40gb"), (1, 2)),
        # Only 3g can begin in the middle beside two of 2g.
        (("3g.40gb", "2g.20gb", "2g.20gb"), (2, 3, 4)),
        # As in NVIDIA's user guide: 4g gets 1, 2g gets 5 and 1g gets 13.
        (("1g.10gb", "2g.20gb", "4g.40gb"), (1, 5, 13)),
        (("1g.10gb",) * 7, (7, 8, 9, 10, 11, 12, 13)),
        (("1g.20gb",) * 4, (3, 4, 5, 6)),
    ],
)
def test_numbers_follow_from_places(wanted: tuple[str, ...], numbers: tuple[int, ...]) -> None:
    """An instance's GPU_I_ID says where it begins and how much memory it has."""
    found = partition(wanted, H100)
    assert found is not None
    assert tuple(own.number for own in found) == numbers
    assert sorted(own.profile for own in found) == sorted(wanted)


@pytest.mark.parametrize(
    "wanted",
    [("3g.40gb",) * 3, ("4g.40gb", "4g.40gb"), ("2g.20gb",) * 4, ("7g.80gb", "1g.10gb"),
     ("3g.40gb", "3g.40gb", "1g.10gb"), ("1g.10gb",) * 8],
)  # fmt: skip
def test_what_has_no_place_is_no_partition(wanted: tuple[str, ...]) -> None:
    """Slices are not enough: a profile begins at some of them only."""
    assert partition(wanted, H100) is None


@pytest.mark.parametrize("key", ["h100-sxm", "h200-sxm", "b200-sxm", "b300-sxm", "gb200", "gb300"])
def test_every_profile_of_a_model_has_a_place_and_its_memory(key: str) -> None:
    """Each fits alone, the last is all of the GPU, and names agree with the framebuffer."""
    model: GpuModel = load_gpu_model(key)
    for profile in model.mig_profiles:
        found = partition((profile,), model.mig_profiles)
        assert found is not None, profile
        (own,) = found
        named = float(profile.partition(".")[2].removesuffix("gb"))
        assert model.framebuffer_mib * own.memory / 1024 == pytest.approx(named, rel=0.04)
    assert own.memory == 1.0
