"""Output of every command: encodings, full devices, readers that are gone."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from twin.errors import TwinError

__all__ = ["run"]

_WRONG = 2
"""Exit status for a wrong file or argument; 1 would say that a promise did not hold."""


def run(command: Callable[[], object]) -> int:
    """Run a command line and return its exit status.

    Whatever the locale, names of any language are written, as UTF-8. Output that cannot be
    written is one sentence; a reader that has gone away, as ``head`` does, is none.

    Args:
        command: raises SystemExit at its end, as that of typer.
    """
    _speak_utf8()
    status: object = 0
    try:
        command()
    except SystemExit as end:
        # click and rich say 1 when a reader is gone.
        status = _WRONG if isinstance(end.__context__, BrokenPipeError) else end.code
    except TwinError as error:
        status = error.exit_status
        _complain(str(error))
    except OSError as error:
        status = _WRONG
        _unwritten(error)
    except UnicodeEncodeError as error:
        status = _WRONG
        _complain(
            f"the locale has no {error.object[error.start : error.end]!r} in names of files; set "
            "LC_ALL=C.UTF-8, or leave PYTHONUTF8=0 out"
        )
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _WRONG
        _unwritten(error)
    except ValueError:
        pass  # it was closed
    return status if isinstance(status, int) else int(status is not None)


def _unwritten(error: OSError) -> None:
    """Say what could not be written, and give up what is left of it."""
    reason = error.strerror or str(error)
    if not isinstance(error, BrokenPipeError):
        place = "the output" if error.filename is None else str(error.filename)
        _complain(
            f"{place} cannot be written or read: {reason}; make room, or choose another place"
        )
    # Else the interpreter tries once more at its end, and complains in its own way.
    with suppress(OSError, ValueError):  # it may be no file, as in a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str) -> None:
    with suppress(OSError):  # the reader may be gone
        sys.stderr.write(f"twin: {sentence}\n")
        sys.stderr.flush()


def _speak_utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An argument that was no text for the locale is written as the bytes that it was.
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
