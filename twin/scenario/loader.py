"""Scenario loader: shipped ones by name, a user's own by path, errors with file and line."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import ValidationError

from twin.errors import ConfigError, validation_message
from twin.scenario.model import CHAOS, PIPELINE, AlertMatch, MisplacedError, Scenario, ScenarioEvent
from twin.yamls import compose, construct, load, read_text

if TYPE_CHECKING:
    from twin.parameters.site import Site
    from twin.site import Layout

__all__ = [
    "LoadedScenario",
    "find_scenarios",
    "load_scenario",
    "parse_scenario",
    "scenario_names",
    "scenario_text",
    "shipped_scenarios",
]

_LIBRARY = Path(str(resources.files("twin") / "scenarios"))
_WILD = "*?["


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """A scenario, checked against its site.

    Attributes:
        name: its file's name without the ending.
        path: its file.
        shipped: whether it came with the twin.
        scenario: its content.
        layout: its site.
        root: its YAML, which knows the lines.
    """

    name: str
    path: Path
    shipped: bool
    scenario: Scenario
    layout: Layout
    root: yaml.Node

    def place(self, *keys: str | int) -> str:
        """Return file and line of what these keys lead to."""
        return f"{self.path}:{_line(self.root, keys)}"

    def exporting(self, settings: Sequence[str], counters: str = "", where: str = "") -> Self:
        """Return the scenario on a site whose exporters have other editions.

        Args:
            settings: such as ``dcgm=4.9.0``.
            counters: text of a counters file; empty for that of the site.
            where: the counters file, for messages.

        Raises:
            ConfigError: there is no such edition or array, or the file is wrong.
        """
        if not settings and not counters:
            return self
        from twin.site import Layout, exporting  # noqa: PLC0415 - as in _site
        from twin.translation import renaming  # noqa: PLC0415 - as in _site

        layout = Layout(exporting(self.layout.site, settings, counters, where))
        ways = [renaming(self.layout.editions[0], own) for own in dict.fromkeys(layout.editions)]
        shows = [way.name(metric) for metric in self.scenario.shows for way in ways]
        kept = {"shows": tuple(dict.fromkeys(filter(None, shows)))}
        return replace(self, layout=layout, scenario=self.scenario.model_copy(update=kept))

    def ends(self, event: ScenarioEvent) -> float:
        """Return when an event is over, at the latest with the scenario."""
        lasts = event.lasts
        if lasts is None:
            from twin.faults import FAULTS  # noqa: PLC0415 - as in _site

            fault = FAULTS.get(event.kind)
            lasts = self.scenario.duration if fault is None else fault.default_seconds
        return min(event.at + lasts, self.scenario.duration)

    def target(self, event: ScenarioEvent) -> str:
        """Return the address that an event is applied to; empty for a disturbance without one."""
        if not event.is_fault:
            return event.target or ""
        from twin.faults import FAULTS, resolved_target  # noqa: PLC0415 - as in _site

        return resolved_target(FAULTS, self.layout, event.kind, event.target)


def scenario_names() -> tuple[str, ...]:
    """Return the names of the shipped scenarios."""
    return tuple(sorted(path.stem for path in _LIBRARY.glob("*.yaml")))


def shipped_scenarios() -> dict[str, Scenario]:
    """Return the shipped scenarios by name, not checked against their sites, which takes long."""
    return {
        path.stem: Scenario.model_validate(load(read_text(path), str(path)))
        for path in sorted(_LIBRARY.glob("*.yaml"))
    }


def scenario_text(name_or_path: str) -> str:
    """Return the text of a scenario that stands alone: a site's file is written into it.

    Raises:
        ConfigError: there is no such scenario, or it or its site is wrong.
    """
    path = _paths(name_or_path)[0]
    text = read_text(path)
    loaded = parse_scenario(text, path)
    site = loaded.scenario.site
    told = site if isinstance(site, str) else str(site.get("preset", ""))
    if not _is_file(told):
        return text
    if isinstance(site, str):
        values = load(read_text(Path(_beside(site, path))), site)
    else:
        values = _based(site, path)
    values = {"name": path.stem, **values}
    return _with_site(
        text, loaded.root, yaml.safe_dump(values, sort_keys=False, width=96, allow_unicode=True)
    )


def _with_site(text: str, root: yaml.Node, site: str) -> str:
    """Return the text of a scenario with another section for its site, all else as it was."""
    keys = {key.value: (key, value) for key, value in root.value}
    if isinstance(root, yaml.MappingNode) and root.flow_style:
        others = {name: node for name, node in keys.items() if name != "site"}
        kept = {name: construct(value, "") for name, (_, value) in others.items()}
        return yaml.safe_dump({**kept, "site": load(site, "")}, sort_keys=False, allow_unicode=True)
    lines = text.splitlines(keepends=True)
    key, value = keys["site"]
    first, last = key.start_mark.line, value.end_mark.line
    # The end of a block is the beginning of what comes next, with comments before it.
    while last > first and (last >= len(lines) or not lines[last][:1].isspace()):
        last -= 1
    indented = "".join(f"  {line}" for line in site.splitlines(keepends=True))
    return "".join([*lines[:first], "site:\n", indented, *lines[last + 1 :]])


def find_scenarios(patterns: Sequence[str]) -> list[LoadedScenario]:
    """Return the scenarios that these names, paths and patterns mean; all shipped for none.

    Raises:
        ConfigError: a pattern matches no scenario, or a file is wrong.
    """
    found: dict[Path, LoadedScenario] = {}
    for pattern in patterns or ("*",):
        for path in _paths(pattern):
            if path not in found:
                found[path] = load_scenario(str(path))
    return list(found.values())


def _paths(pattern: str) -> list[Path]:
    if "/" in pattern or pattern.endswith((".yaml", ".yml")):
        paths = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207 - absolute patterns too
        if not paths:
            raise ConfigError(f"{pattern}: there is no such scenario file")
        return paths
    paths = sorted(_LIBRARY.glob(f"{pattern}.yaml"))
    if not paths:
        raise ConfigError(
            f"scenario {pattern!r} does not exist; `twin scenario list` names the shipped ones, "
            "and a path to a YAML file works too"
        )
    return paths


def load_scenario(name_or_path: str) -> LoadedScenario:
    """Return one scenario by its name or path.

    Raises:
        ConfigError: there is no such scenario, or it is wrong.
    """
    path = _paths(name_or_path)[0]
    return parse_scenario(read_text(path), path)


def parse_scenario(text: str, path: Path) -> LoadedScenario:
    """Return the scenario that a text describes.

    Args:
        text: YAML.
        path: its file, for error messages and for the site's path.

    Raises:
        ConfigError: with file and line, for the first thing that is wrong.
    """
    from twin.site import Layout  # noqa: PLC0415 - as in _site

    root = compose(text, str(path))
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(f"{path}:1: must be a mapping of keys to values")
    data = construct(root, str(path))
    try:
        scenario = Scenario.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_first(error, root, path)) from error
    layout = Layout(_with_hosts(_site(scenario, path, root)))
    shipped = path.resolve().is_relative_to(_LIBRARY.resolve())
    loaded = LoadedScenario(path.stem, path, shipped, scenario, layout, root)
    _check_events(loaded)
    _check_places(loaded)
    return loaded


def _with_hosts(site: Site) -> Site:
    """Return a site that shows the operating systems of all its hosts.

    What that costs is series in a Prometheus; a scenario costs what its rules read.
    """
    from twin.site import HostPlan  # noqa: PLC0415 - as in _site

    plan = HostPlan.of_site(site)
    telemetry = site.telemetry.model_copy(update={"host": str(plan.at_least_aggregate)})
    return site.model_copy(update={"telemetry": telemetry})


# -- YAML with lines ----------------------------------------------------------


def _line(root: yaml.Node, keys: Iterable[str | int]) -> int:
    """Return the line of what these keys lead to, or of the last that is there."""
    node, line = root, root.start_mark.line + 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            own = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if own is None:
                break
            line, node = own[0].start_mark.line + 1, own[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            if key >= len(node.value):
                break
            node = node.value[key]
            line = node.start_mark.line + 1
    return line


def _first(error: ValidationError, root: yaml.Node, path: Path) -> str:
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    keys = cause.keys if isinstance(cause, MisplacedError) else first["loc"]
    where = f"{path}:{_line(root, keys)}"
    return validation_message(error, where).splitlines()[0]


# -- site and faults ----------------------------------------------------------


def _site(scenario: Scenario, path: Path, root: yaml.Node) -> Any:
    # A list of scenarios needs neither sites nor faults, which take long to import.
    from twin.site import load_site  # noqa: PLC0415
    from twin.site.loader import site_of  # noqa: PLC0415

    where = f"{path}:{_line(root, ('site',))}: site"
    site = scenario.site
    try:
        if isinstance(site, str):
            return load_site(_beside(site, path))
        return site_of({"name": path.stem, **_based(site, path)}, where)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if text.startswith(where) else f"{where}: {text}") from error


def _based(site: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the values of a site's section, with those of the preset that it is based on."""
    from twin.site import load_site  # noqa: PLC0415 - as in _site

    own = dict(site)
    preset = own.pop("preset", None)
    if preset is None:
        return own
    base = load_site(_beside(str(preset), path)).model_dump(mode="json", exclude_unset=True)
    return _merged(base, own)


def _is_file(site: str) -> bool:
    return "/" in site or site.endswith((".yaml", ".yml"))


def _beside(site: str, path: Path) -> str:
    """Return a preset's name as it is, and a path as one from the scenario's folder."""
    return str(path.parent / site) if _is_file(site) else site


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``own`` laid over it, section by section."""
    merged = dict(base)
    for key, value in own.items():
        under = merged.get(key)
        both = isinstance(under, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(under, value) if both else value  # type: ignore[arg-type]  # both are mappings
    return merged


def _check_events(loaded: LoadedScenario) -> None:
    """Refuse an event that this site could not have.

    Raises:
        ConfigError: with file and line.
    """
    from twin.faults import FAULTS, FaultSchedule  # noqa: PLC0415 - as in _site

    schedule = FaultSchedule(loaded.layout, FAULTS)
    for index, event in enumerate(loaded.scenario.faults):
        try:
            if event.is_fault:
                schedule.expire(event.at)
                _check_kind(event.kind)
                where = (event.kind, event.target, event.at, event.lasts, event.parameters)
                schedule.inject(f"fault-{index + 1}", *where)
            elif event.is_chaos:
                _check_chaos(event)
            else:
                _check_disturbance(loaded.layout, event)
        except ConfigError as error:
            raise ConfigError(f"{loaded.place('faults', index)}: {error}") from error


def _check_places(loaded: LoadedScenario) -> None:
    """Refuse an expectation of a rack or an array that the site does not have.

    Raises:
        ConfigError: with file and line.
    """
    from twin.site import find_target  # noqa: PLC0415 - as in _site

    expect = loaded.scenario.expect
    for kind in ("fires", "never", "clears", "inhibited", "notified"):
        matches: tuple[AlertMatch, ...] = getattr(expect, kind)
        for index, match in enumerate(matches):
            for label in ("array", "rack"):
                if label not in match.labels:
                    continue
                try:
                    find_target(loaded.layout, match.labels[label])
                except ConfigError as error:
                    place = loaded.place("expect", kind, index)
                    raise ConfigError(f"{place}: {match.alert}: {error}") from error


def _check_kind(kind: str) -> None:
    from twin.faults import FAULTS  # noqa: PLC0415 - as in _site

    if kind not in FAULTS:
        known = ", ".join((*FAULTS, *PIPELINE, *CHAOS))
        raise ConfigError(f"fault {kind!r} does not exist; there are {known}")


def _check_chaos(event: ScenarioEvent) -> None:
    if event.target is None:
        raise ConfigError(f"{event.kind} needs a service as its target, for example mosquitto")
    if "/" in event.target and event.kind != "service-cut":
        raise ConfigError(f"{event.kind} is not about a network; write only the service as target")
    known = {"share"} if event.kind == "service-slow" else set()
    if unknown := sorted(event.parameters.keys() - known):
        raise ConfigError(f"{event.kind} has no parameter {unknown[0]}; remove it from set")


def _check_disturbance(layout: Layout, event: ScenarioEvent) -> None:
    from twin.site import find_target  # noqa: PLC0415 - as in _site

    if event.parameters:
        raise ConfigError(f"{event.kind} has no parameters; remove set")
    if event.kind != "unit-silent":
        if event.target is not None:
            raise ConfigError(f"{event.kind} is applied to the whole site; remove target")
    elif event.target is None:
        raise ConfigError("unit-silent needs a target, for example mp001")
    elif find_target(layout, event.target).kind not in ("megapack", "genset", "grid"):
        raise ConfigError(
            f"unit-silent is applied to a Megapack, a generator or grid, not {event.target}"
        )
