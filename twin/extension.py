"""Extensions: device classes, their physics, faults and alerts from outside the package.

An extension is one value. Nothing of it is known until it is installed, and nothing is left
when the context ends::

    with EXTENSION.installed():
        ...
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Container, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from twin.alerts import ALERTS, PROOFS, RULES, Proof, Rules
from twin.catalog import DEVICES, DeviceClass
from twin.errors import ConfigError
from twin.faults import FAULT_CLASSES, FAULTS, Fault
from twin.plant.device_model import MODELS, MakeModel

__all__ = ["Extension", "load_extension"]

_NAME = "EXTENSION"


@dataclass(frozen=True, slots=True)
class Extension:
    """What a program adds to the twin.

    Attributes:
        devices: device classes; what they report is filled by the models.
        models: what makes the models, one for each plant.
        faults: kinds of fault.
        rules: alert rules, with names of their own for their groups.
        proofs: which alerts each fault fires.
    """

    devices: tuple[DeviceClass, ...] = ()
    models: tuple[MakeModel, ...] = ()
    faults: tuple[type[Fault], ...] = ()
    rules: tuple[Rules, ...] = ()
    proofs: tuple[Proof, ...] = ()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have it for as long as the context lasts.

        Raises:
            ConfigError: something of it has the name of something that is there already.
        """
        self._check_names()
        with ExitStack() as stack:
            stack.enter_context(DEVICES.extended(self.devices))
            stack.enter_context(MODELS.extended(self.models))
            stack.enter_context(FAULT_CLASSES.extended(self.faults))
            stack.enter_context(RULES.extended(self.rules))
            stack.enter_context(PROOFS.extended(self.proofs))
            yield

    def _check_names(self) -> None:
        alerts = [alert.name for rules in self.rules for alert in rules.alerts]
        taken: tuple[tuple[str, list[str], Container[str]], ...] = (
            ("device class", [each.name for each in self.devices], {d.name for d in DEVICES}),
            ("address", _addresses(self.devices), _addresses(DEVICES)),
            ("floor value", _floor(self.devices), (*_floor(DEVICES), "surprise", "trouble")),
            ("fault", [each.kind for each in self.faults], FAULTS),
            ("group of rules", [each.group for each in self.rules], {r.group for r in RULES}),
            ("alert", alerts, ALERTS),
        )
        for what, names, known in taken:
            for name in names:
                if name in known or names.count(name) > 1:
                    raise ConfigError(f"{what} {name!r} already exists; choose another name")


def _floor(devices: Iterable[DeviceClass]) -> list[str]:
    """Return the names of what device classes colour the floor by."""
    return [value.key for device in devices for value in device.floor]


def _addresses(devices: Iterable[DeviceClass]) -> list[str]:
    """Return how the addresses of device classes begin, as far as they have any."""
    return [
        f"{device.frame}/{'server/' * device.address.in_server}{device.address.word}"
        for device in devices
        if device.address is not None
    ]


def load_extension(path: Path) -> Extension:
    """Return the extension that a Python file defines as ``EXTENSION``.

    Raises:
        ConfigError: the file cannot be read or run, or defines none.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigError(f"extension {path}: is no Python file; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    # A kept state names the classes of its objects by their module.
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[path.stem]
        raise ConfigError(f"extension {path}: {type(error).__name__}: {error}") from error
    found = getattr(module, _NAME, None)
    if not isinstance(found, Extension):
        raise ConfigError(
            f"extension {path}: defines no {_NAME}; make it a twin.extension.Extension"
        )
    return found
