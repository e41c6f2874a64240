"""A digital twin of a GPU datacenter, for the people who monitor one.

As a library::

    import twin

    site = twin.load_site("demo")
    run = twin.simulate(site, "2h", faults=[twin.Fault("grid-outage", at="10m")])
    run["gpu", "power_usage"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twin.errors import ConfigError, TwinError
    from twin.library.events import RunEvent
    from twin.library.plans import PlannedFault as Fault
    from twin.library.run import FinishedRun as Run
    from twin.library.sites import load_site
    from twin.library.stepping import SteppedTwin as Twin
    from twin.library.summary import RunSummary
    from twin.library.sweeping import SweepTable, simulate, sweep
    from twin.parameters.site import Site

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
    "Fault",
    "Run",
    "RunEvent",
    "RunSummary",
    "Site",
    "SweepTable",
    "Twin",
    "TwinError",
    "__version__",
    "load_site",
    "simulate",
    "sweep",
]

_PLACES = {
    "ConfigError": "errors:ConfigError",
    "Fault": "library.plans:PlannedFault",
    "Run": "library.run:FinishedRun",
    "RunEvent": "library.events:RunEvent",
    "RunSummary": "library.summary:RunSummary",
    "Site": "parameters.site:Site",
    "SweepTable": "library.sweeping:SweepTable",
    "Twin": "library.stepping:SteppedTwin",
    "TwinError": "errors:TwinError",
    "load_site": "library.sites:load_site",
    "simulate": "library.sweeping:simulate",
    "sweep": "library.sweeping:sweep",
}
"""Where the public names stand: imported when they are first used, as commands need none."""


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Return a public name."""
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415 - see above

        module, _, attribute = _PLACES[name].partition(":")
        value: object = getattr(import_module(f"{__name__}.{module}"), attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
