"""Warning of a site that does not fit together, before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from twin.site import Site

__all__ = ["warn_of_misfits"]


def warn_of_misfits(site: Site, name: str) -> None:
    """Say on standard error, in one line, what of a site does not fit.

    Args:
        site: to be started.
        name: the name or path that it was loaded by.
    """
    from twin.alerts.fit import misfits

    found = misfits(site)
    if not found:
        return
    alerts = dict.fromkeys(alert for misfit in found for alert in misfit.alerts)
    follows = f", and these alerts follow: {', '.join(alerts)}" if alerts else ""
    keys = ", ".join(dict.fromkeys(misfit.key for misfit in found))
    typer.echo(
        f"twin: warning: {keys} of site {site.name} does not fit the rest of it{follows}; "
        f"`twin sites show {name}` says why",
        err=True,
    )
