"""Results as files: the source of every figure in the docs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from twin.bench.machine import Machine, describe_machine
from twin.errors import ConfigError
from twin.files import write_whole

__all__ = ["Recorded", "load_result", "record", "save_result"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A result, and what it was measured with.

    Attributes:
        command: what was run.
        machine: on which machine and when.
        figures: what came out.
    """

    command: str
    machine: Machine
    figures: Mapping[str, Any]


def record(figures: Mapping[str, Any]) -> Recorded:
    """Return figures of this process with the command that it was started by and the machine."""
    program, *arguments = sys.argv
    path = Path(program)
    module = getattr(sys.modules["__main__"], "__spec__", None)
    if module is not None and module.name.startswith("benchmarks."):
        shown = ["python", "-m", module.name]
    else:
        shown = ["python", f"{path.parent.name}/{path.name}"] if path.suffix == ".py" else ["twin"]
    return Recorded(" ".join((*shown, *_without_file(arguments))), describe_machine(), figures)


def save_result(recorded: Recorded, path: Path) -> None:
    """Write a result, whole or not at all.

    Raises:
        ConfigError: the file cannot be written.
    """
    text = orjson.dumps(asdict(recorded), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error


def load_result(path: Path) -> Recorded | None:
    """Return the result in a file, None when there is no such file.

    Raises:
        ConfigError: it is not one that :func:`save_result` wrote.
    """
    if not path.is_file():
        return None
    try:
        data = orjson.loads(path.read_bytes())
        return Recorded(data["command"], Machine(**data["machine"]), data["figures"])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: is not a benchmark result ({error}); run the benchmark again"
        ) from error


def _without_file(arguments: list[str]) -> list[str]:
    """Return the arguments without ``--save FILE``: where a result lies is no part of it."""
    if "--save" not in arguments:
        return arguments
    place = arguments.index("--save")
    return arguments[:place] + arguments[place + 2 :]
