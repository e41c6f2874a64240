"""What an XID, an ECC error and a bad link do to a GPU, its counters and the job."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twin.catalog import XID_TEXT
from twin.plant.gpu_errors import ENDS_APPLICATION, NEEDS_RESET, WARNS, Codes, GpuErrors
from twin.plant.nvlink import FATAL_ERRORS_PER_SECOND, NvLinks

SHAPE = (2, 8)
NOTHING = np.zeros(SHAPE, dtype=np.float32)
COUNTERS = [
    "pcie_replay",
    "uncorrectable_rows",
    "correctable_rows",
    "ecc_sbe_volatile",
    "ecc_dbe_volatile",
    "ecc_sbe_aggregate",
    "ecc_dbe_aggregate",
]


@pytest.fixture
def errors() -> GpuErrors:
    """Sixteen GPUs without an error."""
    return GpuErrors(SHAPE, np.random.default_rng(0))


def codes(code: int) -> Codes:
    """Return the code on one GPU."""
    xid = np.zeros(SHAPE, dtype=np.int16)
    xid[1, 3] = code
    return xid


def value(errors: GpuErrors, name: str) -> float:
    """Return a signal of that GPU."""
    return float(errors.outputs()[name][1, 3])


def aborted(errors: GpuErrors) -> int:
    """Return on how many GPUs the application has just ended."""
    return 0 if errors.aborted is None else int(errors.aborted.sum())


def test_every_code_has_its_text() -> None:
    """The codes that can be raised are those whose text is in the catalogue, in one group each."""
    groups = NEEDS_RESET, ENDS_APPLICATION, WARNS
    assert sum(len(group) for group in groups) == len(frozenset().union(*groups))
    assert frozenset().union(*groups) == XID_TEXT.keys() - {0}


@pytest.mark.parametrize("code", sorted(XID_TEXT.keys() - {0}))
def test_code_stays_until_the_reset(errors: GpuErrors, code: int) -> None:
    """The last XID is raised once and stays, though its cause ends; only a reset takes it back."""
    for second in range(5):
        errors.step(codes(code), NOTHING, NOTHING, 1.0)
        assert value(errors, "xid") == code
        assert errors.failed.sum() == (code in NEEDS_RESET)
        assert aborted(errors) == (code in ENDS_APPLICATION and second == 0)
        assert (errors.begun is not None) == (second == 0)
    assert errors.outputs()["xid"].sum() == code
    for _ in range(3):
        errors.step(codes(0), NOTHING, NOTHING, 1.0)
    assert value(errors, "xid") == (0 if code in NEEDS_RESET else code)
    assert not errors.failed.any()
    assert aborted(errors) == 0


def test_a_reset_takes_back_an_older_code(errors: GpuErrors) -> None:
    """The reset after a hardware error clears the last XID, whichever it is."""
    for code in (31, 0, 48, 0):
        errors.step(codes(code), NOTHING, NOTHING, 1.0)
    assert value(errors, "xid") == 0


EVERYWHERE = np.ones(SHAPE, dtype=np.bool_)


def without_one() -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return flags of all GPUs but that one."""
    flags = EVERYWHERE.copy()
    flags[1, 3] = False
    return flags


@pytest.mark.parametrize("code", [31, 48])
def test_an_exporter_that_restarts_has_forgotten(errors: GpuErrors, code: int) -> None:
    """After a restart the last XID is 0, even while the cause goes on: nobody raises it again."""
    errors.step(codes(code), NOTHING, NOTHING, 1.0)
    errors.watch(EVERYWHERE, EVERYWHERE, 1.0)
    assert value(errors, "xid") == code
    errors.watch(EVERYWHERE, without_one(), 1.0)
    errors.step(codes(code), NOTHING, NOTHING, 1.0)
    errors.watch(EVERYWHERE, EVERYWHERE, 1.0)
    assert value(errors, "xid") == 0


def test_a_lost_gpu_shows_79_until_the_next_collection(errors: GpuErrors) -> None:
    """For 30 s a GPU off the bus shows XID 79 and nothing else, then nothing, and 0 once back."""
    gone = without_one()
    shown = []
    for _ in range(40):
        errors.watch(gone, EVERYWHERE, 1.0)
        values = errors.reported({**errors.outputs(), "power": np.ones(SHAPE)}, gone)
        assert np.isnan(values["power"][1, 3])
        shown.append(float(values["xid"][1, 3]))
        assert np.delete(values["xid"].ravel(), 11).sum() == 0
    assert shown[:30] == [79.0] * 30
    assert np.isnan(shown[30:]).all()
    errors.watch(EVERYWHERE, EVERYWHERE, 1.0)
    assert errors.reported(errors.outputs(), EVERYWHERE)["xid"][1, 3] == 0


def test_a_host_that_is_down_shows_no_79(errors: GpuErrors) -> None:
    """GPUs that are gone with their host or its exporter show nothing at all."""
    gone = without_one()
    errors.watch(gone, gone, 1.0)
    assert np.isnan(errors.reported(errors.outputs(), gone)["xid"][1, 3])


def test_double_bit_error(errors: GpuErrors) -> None:
    """XID 48 counts one double-bit error and one remapped row, and both stay after the reset."""
    for code in (48, 48, 0, 0):
        errors.step(codes(code), NOTHING, NOTHING, 1.0)
    for name in ("ecc_dbe_volatile", "ecc_dbe_aggregate", "uncorrectable_rows"):
        assert value(errors, name) == 1
    assert value(errors, "row_remap_failure") == 0


def test_row_remap_failure(errors: GpuErrors) -> None:
    """XID 64 remaps nothing and sets the flag until the GPU is replaced."""
    errors.step(codes(64), NOTHING, NOTHING, 1.0)
    assert value(errors, "row_remap_failure") == 1
    assert value(errors, "uncorrectable_rows") == 0
    errors.step(codes(0), NOTHING, NOTHING, 1.0)
    assert value(errors, "row_remap_failure") == 0


def test_second_code_is_raised_after_the_first(errors: GpuErrors) -> None:
    """A GPU whose cause changes shows the later code, and both have counted."""
    errors.step(codes(48), NOTHING, NOTHING, 1.0)
    errors.step(codes(63), NOTHING, NOTHING, 1.0)
    assert value(errors, "xid") == 63
    assert value(errors, "uncorrectable_rows") == 2
    assert aborted(errors) == 1


def test_single_bit_errors(errors: GpuErrors) -> None:
    """Correctable errors come at their rate, and a row is remapped after many of them."""
    rate = NOTHING.copy()
    rate[1, 3] = 20.0
    before = errors.outputs()["ecc_sbe_aggregate"].copy()
    rows = errors.outputs()["correctable_rows"].copy()
    for _ in range(600):
        errors.step(codes(0), rate, NOTHING, 1.0)
    volatile = errors.outputs()["ecc_sbe_volatile"]
    assert value(errors, "ecc_sbe_volatile") == pytest.approx(12_000, rel=0.05)
    assert volatile.sum() == value(errors, "ecc_sbe_volatile")
    np.testing.assert_array_equal(errors.outputs()["ecc_sbe_aggregate"] - before, volatile)
    assert (errors.outputs()["correctable_rows"] - rows).sum() == pytest.approx(12_000 / 512, abs=2)
    assert not errors.failed.any()


@settings(max_examples=30, deadline=None)
@given(
    raised=st.lists(st.sampled_from(sorted(XID_TEXT)), min_size=1, max_size=12),
    rate=st.floats(0, 500),
)
def test_counters_never_fall(raised: list[int], rate: float) -> None:
    """Whatever is raised, in whatever order, no counter falls and none is negative."""
    errors = GpuErrors(SHAPE, np.random.default_rng(1))
    previous = {name: errors.outputs()[name].copy() for name in COUNTERS}
    for code in raised:
        errors.step(codes(code), NOTHING + np.float32(rate), NOTHING + np.float32(rate), 1.0)
        for name in COUNTERS:
            values = errors.outputs()[name]
            assert (values >= previous[name]).all()
            assert (values >= 0).all()
            previous[name] = values.copy()


def test_healthy_links_cost_nothing() -> None:
    """Without errors no link is slow, and nothing is counted."""
    links = NvLinks(SHAPE, np.random.default_rng(0))
    links.step(NOTHING, 1.0)
    assert links.pace is None
    assert links.broken is None
    assert not any(values.any() for values in links.outputs().values())


def test_link_errors_slow_the_links() -> None:
    """Every CRC error is replayed, some need a recovery, and the links lose bandwidth."""
    links = NvLinks(SHAPE, np.random.default_rng(0))
    rate = NOTHING.copy()
    rate[0, 5] = 60.0
    for _ in range(100):
        links.step(rate, 1.0)
    out = {name: float(values[0, 5]) for name, values in links.outputs().items()}
    assert out["nvlink_crc_flit"] == pytest.approx(6000, rel=0.1)
    assert out["nvlink_replay"] == out["nvlink_crc_flit"]
    assert 0 < out["nvlink_recovery"] < out["nvlink_crc_flit"]
    assert links.pace is not None
    assert 0.8 < links.pace[0, 5] < 0.95
    assert (np.delete(links.pace, 5, axis=1) == 1).all()
    assert links.broken is None


def test_links_break_at_a_high_rate() -> None:
    """From the fatal rate on the GPU is lost to the job."""
    links = NvLinks(SHAPE, np.random.default_rng(0))
    rate = NOTHING.copy()
    rate[0, 5] = FATAL_ERRORS_PER_SECOND
    links.step(rate, 1.0)
    assert links.broken is not None
    assert np.argwhere(links.broken).tolist() == [[0, 5]]


def test_xid_119_blanks_what_is_polled_of_its_host() -> None:
    """All GPUs of the host lose all but the XID, those of other hosts nothing, until the repair."""
    errors = GpuErrors((1, 4), np.random.default_rng(0), per_host=2)
    reporting = np.ones((1, 4), dtype=np.bool_)
    nothing = np.zeros((1, 4))
    code = np.array([[0, 119, 0, 0]], dtype=np.int16)
    errors.step(code, nothing, nothing, 1.0)
    shown = errors.reported({"gpu_temp": np.full((1, 4), 50.0), **errors.outputs()}, reporting)
    assert np.isnan(shown["gpu_temp"]).tolist() == [[True, True, False, False]]
    assert shown["xid"].tolist() == [[0.0, 119.0, 0.0, 0.0]]
    errors.step(np.zeros_like(code), nothing, nothing, 1.0)
    shown = errors.reported({"gpu_temp": np.full((1, 4), 50.0), **errors.outputs()}, reporting)
    assert np.isfinite(shown["gpu_temp"]).all()
