"""Errors: one tree, one sentence each, and an exit status that says what to do."""

from __future__ import annotations

import inspect

import pytest

from twin import errors
from twin.errors import (
    BusError,
    CheckFailedError,
    ConfigError,
    FrameError,
    TargetError,
    TwinError,
    certificate_fault,
    did_you_mean,
    first_error,
)

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_a_twin_error(kind: type[Exception]) -> None:
    """One except clause at the command line catches all that is raised on purpose."""
    assert issubclass(kind, TwinError)
    assert kind.__doc__


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (TwinError, 1),
        (CheckFailedError, 1),
        (FrameError, 1),
        (ConfigError, 2),
        (TargetError, 2),
        (BusError, 3),
    ],
)
def test_exit_status_says_what_to_do(kind: type[TwinError], status: int) -> None:
    """Scripts tell a broken promise from a wrong argument and from an absent broker."""
    assert kind.exit_status == status


def test_wrong_target_is_a_wrong_argument() -> None:
    """Who handles wrong arguments handles wrong targets."""
    with pytest.raises(ConfigError, match="r9999"):
        raise TargetError("there is no r9999")


def test_frame_error_carries_the_word_it_is_counted_by() -> None:
    """The reason is a label, the detail is for the log."""
    error = FrameError("shape", "gpu.xid must be a list of 64")
    assert str(error) == "shape: gpu.xid must be a list of 64"
    assert (error.reason, error.detail) == ("shape", "gpu.xid must be a list of 64")


def test_first_error_is_found_however_deep() -> None:
    """A tree of task errors becomes the one sentence that a user meets."""
    wanted = BusError("the broker is away")
    tree = BaseExceptionGroup("a", [BaseExceptionGroup("b", [wanted, ValueError("late")])])
    assert first_error(tree) is wanted


def test_module_shows_the_tree_that_it_has() -> None:
    """The drawing in the module's docstring names every class, and __all__ every name."""
    drawing = errors.__doc__ or ""
    for kind in CLASSES:
        assert kind.__name__ in drawing
    own = {
        name
        for name, value in vars(errors).items()
        if getattr(value, "__module__", "") == errors.__name__ and not name.startswith("_")
    }
    assert set(errors.__all__) == own


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    """Only a name that is near is offered."""
    assert did_you_mean("pump-failur", ["gpu-xid", "pump-failure"]) == (
        "; did you mean pump-failure?"
    )
    assert did_you_mean("zzz", ["gpu-xid", "pump-failure"]) == ""


VERIFY = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {} (_ssl.c:1006)"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (VERIFY.format("certificate has expired"), "has expired; renew it"),
        (VERIFY.format("certificate is not yet valid"), "not valid yet; set the clock"),
        (VERIFY.format("Hostname mismatch, certificate is not valid for 'x'."), "another name"),
        (VERIFY.format("IP address mismatch, certificate is not valid for '::1'."), "another name"),
        (VERIFY.format("self-signed certificate"), "trust me"),
        (VERIFY.format("unable to get local issuer certificate"), "trust me"),
        ("[Errno 111] Connection refused", None),
    ],
)
def test_advice_for_a_certificate(reason: str, words: str | None) -> None:
    """Only an unknown CA is mended by trusting another CA; each fault has advice of its own."""
    fault = certificate_fault(reason, "trust me")
    assert (fault is None) is (words is None)
    if fault is not None and words is not None:
        assert words in fault
        assert ("trust me" in fault) is (words == "trust me")
