"""The errors a user can meet.

Every one names the place and the remedy in one sentence, and says by its class
what the caller must do::

    TwinError
    ├── ConfigError      fix the file or the argument (exit status 2)
    │   └── TargetError  name a device that the site has (exit status 2)
    ├── FrameError       drop this message, count it by ``reason``, go on
    ├── BusError         the broker is away: wait or give its address (exit status 3)
    ├── ServiceError     Prometheus or Grafana is away or refuses us (exit status 3)
    └── CheckFailedError the run ended and a promise did not hold (exit status 1)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = [
    "BusError",
    "CheckFailedError",
    "ConfigError",
    "FrameError",
    "ServiceError",
    "TargetError",
    "TwinError",
    "certificate_fault",
    "did_you_mean",
    "first_error",
    "not_installed",
    "validation_message",
]


class TwinError(Exception):
    """Base of all errors that the twin raises on purpose."""

    exit_status = 1


class ConfigError(TwinError):
    """A site, a fault, a workload or an argument is not what it must be."""

    exit_status = 2


class TargetError(ConfigError):
    """A target names no device of this site."""


class FrameError(TwinError):
    """A message that came over the bus is not a valid frame.

    Attributes:
        reason: one of the fixed words that the drop counter is labelled with.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BusError(TwinError):
    """The MQTT broker could not be reached or refused us."""

    exit_status = 3


class ServiceError(TwinError):
    """A server that was asked over HTTP did not answer or refused us."""

    exit_status = 3


class CheckFailedError(TwinError):
    """A run under ``--check`` lost something or fell short."""

    exit_status = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question after the known name that is most like a wrong one; empty for none."""
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def certificate_fault(reason: str, trust: str) -> str | None:
    """Return what is wrong with a server's certificate and what to do, None for anything else.

    Args:
        reason: what OpenSSL says.
        trust: how to trust another CA, as a sentence's end.
    """
    if "CERTIFICATE_VERIFY_FAILED" not in reason:
        return None
    if "certificate has expired" in reason:
        return "its certificate has expired; renew it, or set the clock of this machine right"
    if "not yet valid" in reason:
        return "its certificate is not valid yet; set the clock of this machine right"
    if "mismatch" in reason:
        return (
            f"its certificate is for another name ({reason}); use a name that it has, or have one "
            "issued for this name"
        )
    return f"its certificate is not signed by a CA that is trusted ({reason}); {trust}"


def not_installed(what: str, *requirements: str) -> ConfigError:
    """Return the error of something that needs packages which the base install leaves out.

    Args:
        what: needs them.
        requirements: the packages, with versions as pyproject.toml has them.
    """
    names = " and ".join(re.split(r"[<>=]", own, maxsplit=1)[0] for own in requirements)
    written = " ".join(f"'{own}'" if re.search(r"[<>]", own) else own for own in requirements)
    verb = "are" if len(requirements) > 1 else "is"
    return ConfigError(
        f"{what} needs {names}, which {verb} not installed; install with: pip install {written}"
    )


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error inside a task group's error, however deep.

    A user meets one sentence, not a tree: the first task that failed says what is
    wrong, the others were only cancelled for it.
    """
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def validation_message(error: ValidationError, where: str) -> str:
    """Return one line a problem: the place, the key, the value and what is allowed."""
    return "\n".join(_problem(dict(detail), where) for detail in error.errors(include_url=False))


def _problem(detail: Mapping[str, Any], where: str) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"{where}: {key}: there is no such key; remove it or correct its spelling"
    if detail["type"] == "missing":
        return f"{where}: {key}: is missing and must be given"
    if detail["type"] == "model_type":
        return f"{where}: {key}: is {detail['input']!r}; it must be a section of keys and values"
    if not key:
        return f"{where}: {message}"
    return f"{where}: {key}: is {detail['input']!r}; {message[0].lower()}{message[1:]}"
