"""Site loader: shipped presets by name, a user's own by path.

Every failure is a :class:`~twin.errors.ConfigError` that names the key, the value it
had and what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twin.catalog import DEVICES
from twin.errors import ConfigError, validation_message
from twin.parameters import GpuModel
from twin.parameters.campus import Campus
from twin.parameters.site import Site
from twin.site.campus import campus_names, campus_of, check_no_campus, is_campus, is_path, refused
from twin.site.detail import DetailPlan, HostPlan
from twin.site.editions import editions_of
from twin.site.mig import partitions_of
from twin.site.mixes import mix_of
from twin.site.numbering import numbered_on
from twin.site.profiles import BUILT_IN, profile_names, profile_of, shipped_profiles
from twin.site.sizing import sized
from twin.site.target import is_address
from twin.yamls import load, read_text

__all__ = [
    "campus_sites",
    "gpu_model_names",
    "load_gpu_model",
    "load_site",
    "parse_site",
    "preset_names",
    "rack_names",
    "short_model_name",
    "site_of",
    "site_text",
]

_PRESETS = resources.files("twin.site") / "presets"
_DEFAULT_MODEL = "h100-sxm"
_DEVICES = resources.files("twin.site") / "devices"
_RACKS = resources.files("twin.site") / "racks"


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


def rack_names() -> tuple[str, ...]:
    """Return the names of the shipped builds of racks."""
    return tuple(
        sorted(Path(entry.name).stem for entry in _RACKS.iterdir() if entry.name.endswith(".yaml"))
    )


def load_site(name_or_path: str) -> Site:
    """Return the site of that name, or the one that the YAML file describes.

    Args:
        name_or_path: a preset's name, a path that ends in ``.yaml`` or ``.yml`` or
            contains a slash, or a campus and one of its sites, ``campus-demo/nvl72-rack``.

    Raises:
        ConfigError: there is no such preset or file, or it does not describe a site.
    """
    campus, _, name = name_or_path.rpartition("/")
    if _holds_sites(campus):
        return _of_campus(campus, name)
    if is_path(name_or_path):
        path = Path(name_or_path)
        return parse_site(read_text(path), str(path))
    _check_preset(name_or_path)
    return _preset(name_or_path)


def campus_sites(campus: Campus) -> tuple[Site, ...]:
    """Return the sites of a campus, whose units are numbered through.

    Raises:
        ConfigError: one of them does not exist, or two have the same names.
    """
    return numbered_on((load_site(block.site) for block in campus.blocks), f"campus {campus.name}")


def _text_of_campus(where: str, name: str) -> str:
    """Return the text of a site of a campus, with its numbers."""
    site, campus = _of_campus(where, name), campus_of(where)
    blocks = () if campus is None else campus.blocks
    source = next(block.site for block in blocks if load_site(block.site).name == name)
    values = load(site_text(source), source)
    return json.dumps({"numbers": site.numbers.model_dump(mode="json"), **values})


def _holds_sites(name: str) -> bool:
    return name in campus_names() or (name.endswith((".yaml", ".yml")) and Path(name).is_file())


def _of_campus(where: str, name: str) -> Site:
    """Return a site of a campus.

    Raises:
        ConfigError: it is no campus, or has no such site.
    """
    campus = campus_of(where)
    if campus is None:
        raise ConfigError(f"{where} is a site and no campus, so it has no site {name!r}")
    sites = {site.name: site for site in campus_sites(campus)}
    if name not in sites:
        raise ConfigError(f"campus {where} has no site {name!r}; its sites are {', '.join(sites)}")
    return sites[name]


def site_text(name_or_path: str) -> str:
    """Return the text of the file of a site, a preset's or one of one's own.

    Raises:
        ConfigError: there is no such preset or file.
    """
    campus, _, name = name_or_path.rpartition("/")
    if _holds_sites(campus):
        return _text_of_campus(campus, name)
    if is_path(name_or_path):
        return read_text(Path(name_or_path))
    _check_preset(name_or_path)
    return _preset_text(name_or_path)


def _check_preset(name: str) -> None:
    if not (_PRESETS / f"{name}.yaml").is_file():
        check_no_campus(name)
        known = ", ".join(preset_names())
        raise ConfigError(
            f"site {name!r} does not exist; the presets are {known}, "
            "and a path to a YAML file works too"
        )


def _preset_text(name: str) -> str:
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def _preset(name: str) -> Site:
    return parse_site(_preset_text(name), f"preset {name}")


def parse_site(text: str, where: str) -> Site:
    """Return the site that ``text`` describes.

    Args:
        text: YAML.
        where: the file or preset, for error messages.

    Raises:
        ConfigError: the text is not YAML or does not describe a site.
    """
    data = load(text, where)
    if not isinstance(data, Mapping):
        raise ConfigError(
            f"{where}: must be a mapping of keys to values, not {type(data).__name__}"
        )
    if is_campus(data):
        raise refused(where, [str(b["site"]) for b in data["blocks"] if isinstance(b, Mapping)])
    return site_of(data, where)


def site_of(values: Mapping[str, Any], where: str) -> Site:
    """Return the site that these values describe.

    Args:
        values: as a file has them.
        where: the file or preset, for error messages.

    Raises:
        ConfigError: they do not describe a site.
    """
    try:
        site = sized(Site.model_validate(_with_models(values, where)))
    except ValidationError as error:
        raise ConfigError(validation_message(error, where)) from error
    _check_words(site, where)
    return _with_served(site)


def _with_served(site: Site) -> Site:
    """Return the site with the shipped workloads that its jobs serve, as if they were its own."""
    names = [job.workload for job in site.jobs] + [kind.workload or "" for kind in site.job_mix]
    named = {name: profile_of(site, name) for name in names}
    served = (each for each in named.values() if each is not None and each.kind == "serving")
    shipped = tuple(each for each in served if each not in site.workloads)
    return site.model_copy(update={"workloads": (*site.workloads, *shipped)}) if shipped else site


def _check_served(site: Site, where: str) -> None:
    """Check that what the scheduler's jobs serve is a workload that serves.

    Raises:
        ConfigError: it is none.
    """
    for kind in site.job_mix:
        profile = None if kind.workload is None else profile_of(site, kind.workload)
        if kind.workload is None or (profile is not None and profile.kind == "serving"):
            continue
        both = (*site.workloads, *shipped_profiles())
        served = dict.fromkeys(own.name for own in both if own.kind == "serving")
        raise ConfigError(
            f"{where}: job_mix: {kind.name}: workload {kind.workload!r} serves nothing; "
            f"choose {' or '.join(served)}"
        )


def _check_words(site: Site, where: str) -> None:
    """Check what a site's own words must not be taken for, and what they must name.

    Raises:
        ConfigError: nothing shows the GPUs, a job has the name of a place, or the detail or an
            exporter's edition is of no array.
    """
    shown = sorted({device.accelerators for device in DEVICES} - {""})
    if site.gpu.exporter not in shown:
        raise ConfigError(
            f"{where}: gpu.exporter: is {site.gpu.exporter!r}; write {' or '.join(shown)}"
        )
    for job in site.jobs:
        if job.workload not in BUILT_IN and profile_of(site, job.workload) is None:
            own = (profile.name for profile in site.workloads)
            known = ", ".join((*BUILT_IN, *own, *profile_names()))
            raise ConfigError(
                f"{where}: jobs: workload {job.workload!r} does not exist; choose {known}"
            )
        if is_address(job.name):
            raise ConfigError(
                f"{where}: jobs: the name {job.name!r} is that of another place, which faults "
                "could not tell from the job; choose another"
            )
    _check_served(site, where)
    try:
        editions_of(site)
    except ConfigError as error:
        raise ConfigError(f"{where}: telemetry.exporters: {error}") from error
    try:
        DetailPlan.of_site(site)
        HostPlan.of_site(site)
        partitions_of(site)
    except ConfigError as error:
        raise ConfigError(f"{where}: telemetry.{error}") from error


def _with_models(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the site's values with the names of GPU models and mixes replaced by these."""
    values = _with_rack(data, where)
    if isinstance(values.get("job_mix"), str):
        values["job_mix"] = mix_of(values["job_mix"], where)
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


def _with_rack(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the site's values with those of its build of racks where it has none.

    Raises:
        ConfigError: there is no such build.
    """
    name = data.get("rack", "")
    if not name:
        return dict(data)
    if name not in rack_names():
        known = " or ".join(rack_names())
        raise ConfigError(f"{where}: rack: is {name!r}; write {known}, or leave it out")
    build = load((_RACKS / f"{name}.yaml").read_text(encoding="utf-8"), f"rack {name}")
    values = {**build, **data}
    for key, own in build.items():
        given = data.get(key)
        if isinstance(own, Mapping) and isinstance(given, Mapping):
            values[key] = {**own, **given}
    return values


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
    """Return the values of a shipped model by its name, or by the first part of it."""
    names = gpu_model_names()
    full = next((known for known in names if name in (known, short_model_name(known))), None)
    if full is None:
        known = ", ".join(names)
        raise ConfigError(f"{where}: {key}: is {name!r}; the shipped models are {known}")
    return load((_DEVICES / f"{full}.yaml").read_text(encoding="utf-8"), f"model {full}")


def short_model_name(name: str) -> str:
    """Return how a shipped GPU model may be called too: ``h200`` for ``h200-sxm``."""
    return name.partition("-")[0]


def load_gpu_model(name: str) -> GpuModel:
    """Return a shipped GPU model.

    Raises:
        ConfigError: there is none of that name.
    """
    return GpuModel.model_validate(_gpu_model(name, "GPU model", "name"))
