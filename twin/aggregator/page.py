"""The plain page: key figures and addresses, without a request to anywhere else."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template

from twin.site import Site

__all__ = ["CONTENT_SECURITY_POLICY", "render_page"]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The page may ask its own server for figures, and nobody else for anything."""


def render_page(site: Site, broker: str) -> str:
    """Return the page of a site.

    Args:
        site: the site.
        broker: address of the broker, empty for none to show.
    """
    text = (resources.files("twin.aggregator") / "page.html").read_text(encoding="utf-8")
    return Template(text).substitute(
        site=escape(site.name),
        title=escape(site.title),
        size=f"{site.gpus:,} GPUs in {site.racks:,} racks, {site.arrays:,} arrays",
        broker=escape(broker or "not shown"),
    )
