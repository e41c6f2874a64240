"""Processes that take a part of the work of making a past: how they start, and what they tell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import IO

from twin.errors import ConfigError, ServiceError, TwinError

__all__ = ["raised", "start_beside"]

_ERRORS: Mapping[str, type[TwinError]] = {"wrong": ConfigError, "failed": ServiceError}


def start_beside(
    module: str, *, buffered: bool
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """Start a module of the twin and return the process, its stdin and its stdout.

    Args:
        module: its name.
        buffered: whether what is written waits until there is enough, or the stream is closed.
    """
    # Not by multiprocessing, which runs the caller's script again in each process.
    process = subprocess.Popen(  # noqa: S603 - a module of ours
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=-1 if buffered else 0,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started with pipes")
    return process, process.stdin, process.stdout


def raised(kind: str, says: str) -> TwinError:
    """Return the error that a process told.

    Args:
        kind: ``wrong`` for what the user gave, ``failed`` for what went wrong.
        says: its sentence.
    """
    return _ERRORS[kind](says)
