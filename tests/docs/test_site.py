"""The documentation as a site: every page is there, every public name is told, no link is dead."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

import twin

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """Return what builds the site."""
    spec = spec_from_file_location("build_site", ROOT / "scripts/build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site."""
    folder = tmp_path_factory.mktemp("site")
    builder.build(folder)
    return folder


def test_no_link_is_dead(builder: ModuleType, site: Path) -> None:
    """Every link leads to a page or a heading, and one that does not is found."""
    assert builder.dead_links(site) == []
    (site / "zz.html").write_text('<a href="gone.html">x</a><a href="start.html#gone">y</a>')
    assert builder.dead_links(site) == [
        "zz.html: gone.html is not there",
        "zz.html: start.html#gone has no such heading",
    ]
    (site / "zz.html").unlink()


def test_every_page_is_there(site: Path) -> None:
    """Each page of docs/ is one of the site, and its index is the site's."""
    names = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    assert names | {"index", "api"} == {path.stem for path in site.glob("*.html")}


def test_reference_has_every_public_name(site: Path) -> None:
    """What a program may import has its signature, its docstring and its arguments there."""
    page = (site / "api.html").read_text(encoding="utf-8")
    names = [name for name in twin.__all__ if name != "__version__"]
    assert [name for name in names if f">twin.{name}</h3>" not in page] == []
    assert "<strong>Args</strong>" in page
    assert "<code>duration</code>" in page
    assert ">twin.library.gym." in page
