"""``python -m twin.alerts [--check]``: write the rule files, or compare them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from twin.alerts.render import RUNBOOKS, rule_file
from twin.alerts.tables import RULES
from twin.alerts.thresholds import THRESHOLDS
from twin.errors import ConfigError, TwinError

_FOLDER = Path(__file__).parents[2] / "deploy/prometheus/rules"


def limits(settings: Iterable[str] = ()) -> dict[str, float]:
    """Return all thresholds by name, with some set to other values.

    Args:
        settings: ``name=value`` each.

    Raises:
        ConfigError: there is no such threshold, or the value is not a number.
    """
    values = {threshold.name: threshold.value for threshold in THRESHOLDS}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in values:
            raise ConfigError(
                f"--set {setting}: there is no threshold {name!r}; "
                "docs/runbooks/README.md lists them"
            )
        try:
            values[name] = float(value)
        except ValueError:
            raise ConfigError(f"--set {setting}: {value!r} is not a number") from None
    return values


def files(values: Mapping[str, float], runbooks: str) -> dict[str, str]:
    """Return the text of every rule file by its name."""
    return {f"{rules.group}.yml": rule_file(rules, values, runbooks) for rules in RULES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every rule file, or with ``--check`` compare; return the exit status.

    Args:
        arguments: of the command line; None for the process's own.
    """
    given = _parser().parse_args(arguments)
    try:
        texts = files(limits(given.set), given.runbooks)
    except TwinError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    present = {path.name: path.read_text(encoding="utf-8") for path in given.out.glob("*.yml")}
    different = sorted(
        name for name in texts.keys() | present.keys() if texts.get(name) != present.get(name)
    )
    if given.check:
        if different:
            sys.stderr.write(f"{', '.join(different)}: outdated; run python -m twin.alerts\n")
        return 1 if different else 0
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (given.out / name).write_text(text, encoding="utf-8")
    for name in present.keys() - texts.keys() if given.out == _FOLDER else ():
        (given.out / name).unlink()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m twin.alerts", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument(
        "--out", type=Path, default=_FOLDER, metavar="DIR", help="folder of the rule files"
    )
    parser.add_argument(
        "--runbooks", default=RUNBOOKS, metavar="URL", help="base URL of the runbooks"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a threshold"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
