"""The files of the live page: our own, and the Chart.js that the package chartkick ships."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

from twin.site import Site

__all__ = ["CONTENT_SECURITY_POLICY", "File", "page_files", "render_page"]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may connect to its own server only, and has no inline script or style."""

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_OWN = "static"
_CHARTS = ("chartkick", "django/static/chartkick/Chart.bundle.js")
"""Package and path of Chart.js, which draws the lines; its licence is beside it, MIT."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is served.

    Attributes:
        compressed: its bytes, by gzip; nearly all browsers want them so.
        media_type: its type, with the encoding of text.
        tag: changes with the content.
    """

    compressed: bytes
    media_type: str
    tag: str

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return gzip.decompress(self.compressed)

    @classmethod
    def of(cls, name: str, content: bytes) -> File:
        """Return a file by its name, which says its type, and its content."""
        return cls(
            compressed=gzip.compress(content, 6, mtime=0),
            media_type=_TYPES[name.rpartition(".")[2]],
            tag=f'"{hashlib.sha256(content).hexdigest()[:16]}"',
        )


def page_files() -> dict[str, File]:
    """Return all files but the page itself, by their names."""
    own = resources.files("twin.aggregator.page") / _OWN
    files = {
        entry.name: File.of(entry.name, entry.read_bytes())
        for entry in own.iterdir()
        if entry.name.rpartition(".")[2] in _TYPES
    }
    package, path = _CHARTS
    files["chart.js"] = File.of("chart.js", (resources.files(package) / path).read_bytes())
    return files


def render_page(site: Site, broker: str) -> str:
    """Return the page of a site.

    Args:
        site: the site.
        broker: address of the broker, empty for none to show.
    """
    page = resources.files("twin.aggregator.page") / _OWN / "index.html"
    return Template(page.read_text(encoding="utf-8")).substitute(
        site=escape(site.name),
        title=escape(site.title),
        # A site of one's own may have no title: then nothing stands before the size.
        sep=" · " if site.title else "",
        size=", ".join(
            (
                f"{site.gpus:,} GPUs in {_counted(site.racks, 'rack')}",
                _counted(site.arrays, "array"),
            )
        ),
        broker=escape(broker or "not shown"),
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
