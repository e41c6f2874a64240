"""Site loader: shipped presets by name, a user's own by path.

Every failure is a :class:`~twin.errors.ConfigError` that names the key, the value it
had and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from twin.errors import ConfigError
from twin.parameters.site import Site
from twin.site.detail import DetailPlan
from twin.site.target import is_address
from twin.site.yamls import VALUE_ERRORS, refuse_bombs

__all__ = ["gpu_model_names", "load_site", "parse_site", "preset_names", "validation_message"]

_PRESETS = resources.files("twin.site") / "presets"
_DEFAULT_MODEL = "h100-sxm"
_DEVICES = resources.files("twin.site") / "devices"


def preset_names() -> tuple[str, ...]:
    """Return the names of the shipped sites, smallest first."""
    names = [Path(entry.name).stem for entry in _PRESETS.iterdir() if entry.name.endswith(".yaml")]
    return tuple(sorted(names, key=lambda name: (load_site(name).gpus, name)))


def gpu_model_names() -> tuple[str, ...]:
    """Return the names of the shipped GPU models."""
    return tuple(
        sorted(
            Path(entry.name).stem for entry in _DEVICES.iterdir() if entry.name.endswith(".yaml")
        )
    )


def load_site(name_or_path: str) -> Site:
    """Return the site of that name, or the one that the YAML file describes.

    Args:
        name_or_path: a preset's name, or a path that ends in ``.yaml`` or ``.yml`` or
            contains a slash.

    Raises:
        ConfigError: there is no such preset or file, or it does not describe a site.
    """
    if "/" in name_or_path or name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
        return parse_site(text, str(path))
    entry = _PRESETS / f"{name_or_path}.yaml"
    if not entry.is_file():
        known = ", ".join(preset_names())
        raise ConfigError(
            f"site {name_or_path!r} does not exist; the presets are {known}, "
            "and a path to a YAML file works too"
        )
    return parse_site(entry.read_text(encoding="utf-8"), f"preset {name_or_path}")


def parse_site(text: str, where: str) -> Site:
    """Return the site that ``text`` describes.

    Args:
        text: YAML.
        where: the file or preset, for error messages.

    Raises:
        ConfigError: the text is not YAML or does not describe a site.
    """
    data = _read(text, where)
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{where}: must be a mapping of keys to values, not {type(data).__name__}"
        )
    values = _with_models(data, where)
    try:
        site = Site.model_validate(values)
    except ValidationError as error:
        raise ConfigError(validation_message(error, where)) from error
    _check_words(site, where)
    return site


def _check_words(site: Site, where: str) -> None:
    """Check what a site's own words must not be taken for, and what they must name.

    Raises:
        ConfigError: a job has the name of a place, or the detail is of no array.
    """
    for job in site.jobs:
        if is_address(job.name):
            raise ConfigError(
                f"{where}: jobs: the name {job.name!r} is that of another place, which faults "
                "could not tell from the job; choose another"
            )
    try:
        DetailPlan.of(site.arrays).changed([site.telemetry.detail])
    except ConfigError as error:
        raise ConfigError(f"{where}: telemetry.{error}") from error


class _Loader(yaml.SafeLoader):
    """Reads YAML and refuses a key that is given twice, of which one would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of ``node``."""
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [key.value for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            problem = f"the key {twice!r} is given twice"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return mapping


def _read(text: str, where: str) -> Any:
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        refuse_bombs(root)
        return None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"{where}: is not YAML: {line}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not YAML: {error}") from error
    except VALUE_ERRORS as error:
        raise ConfigError(f"{where}: a value is neither a number nor a date: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: is not YAML: it is nested too deeply") from error


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


def _with_models(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the site's values with the names of GPU models replaced by the models."""
    values = dict(data)
    blocks = values.get("blocks")
    if isinstance(blocks, list) and all(isinstance(block, Mapping) for block in blocks) and blocks:
        values["blocks"] = [
            _with_model(block, where, f"blocks.{index}.gpu") for index, block in enumerate(blocks)
        ]
        values.setdefault("gpu", values["blocks"][0]["gpu"])
        racks = [block.get("racks") for block in blocks]
        if all(isinstance(count, int) for count in racks):
            values.setdefault("racks", sum(racks))
    return _with_model(values, where, "gpu")


def _with_model(section: Mapping[str, Any], where: str, key: str) -> dict[str, Any]:
    gpu = section.get("gpu", _DEFAULT_MODEL)
    if isinstance(gpu, str):
        return {**section, "gpu": _gpu_model(gpu, where, key)}
    if not isinstance(gpu, Mapping):
        known = ", ".join(gpu_model_names())
        raise ConfigError(
            f"{where}: {key}: is {gpu!r}; give a shipped model ({known}) or a section"
        )
    return dict(section)


def _gpu_model(name: str, where: str, key: str) -> Any:
    entry = _DEVICES / f"{name}.yaml"
    if "/" in name or not entry.is_file():
        known = ", ".join(gpu_model_names())
        raise ConfigError(f"{where}: {key}: is {name!r}; the shipped models are {known}")
    return yaml.safe_load(entry.read_text(encoding="utf-8"))
