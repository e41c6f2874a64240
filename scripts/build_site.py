"""The documentation as a site: pages of docs/, and a reference made of the public docstrings.

It is made of what the package has anyway, Jinja2 and the markdown-it of rich, without the network.
"""

from __future__ import annotations

import html
import importlib
import inspect
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jinja2 import Environment
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
MODULES = ("twin", "twin.library.gym")
"""What a user's program imports."""
REFERENCE = "api.md"
TITLE = "A digital twin of a GPU datacenter"
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):$")
_ITEM = re.compile(r"(\*{0,2}[\w.]+): (.*)$")
_CODE = re.compile(r"``([^`]+)``")
_ROLE = re.compile(r":(?:func|class|meth|attr|mod):`~?([^`]+)`")
_QUOTED = re.compile(r"(: |-> )'([^']*)'")
_LINK = re.compile(r"""<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]*)\"""")
_HEADING = re.compile(r"<(h[1-6])>(.*?)</\1>", re.DOTALL)
_PAGE = Environment(autoescape=True).from_string("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ name }} · {{ title }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0; display: flex; color: #222 }
  nav { padding: 1rem 2rem; background: #f4f4f4; min-height: 100vh }
  nav a { display: block; white-space: nowrap }
  main { padding: 1rem 2rem; max-width: 60rem; overflow-x: auto }
  pre, code { background: #f4f4f4 } pre { padding: .7rem; overflow-x: auto }
  table { border-collapse: collapse } td, th { border: 1px solid #ccc; padding: .2rem .5rem }
  img { max-width: 100% }
</style>
<nav>{% for page, label in pages %}<a href="{{ up }}{{ page }}">{{ label }}</a>{% endfor %}</nav>
<main>{{ body | safe }}</main>
</html>
""")


def main() -> int:
    """Build the site and return the exit status: 1 where a link leads nowhere."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/site")
    pages = build(folder)
    dead = dead_links(folder)
    for line in dead:
        print(line, file=sys.stderr)
    print(f"{pages} pages in {folder}, {len(dead)} dead links", file=sys.stderr)
    return 1 if dead else 0


def build(folder: Path) -> int:
    """Write all pages and return how many there are."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = {
        str(path.relative_to(ROOT / "docs")): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "docs").rglob("*.md"))
    }
    sources[REFERENCE] = reference()
    top = [(_target(name), _label(text)) for name, text in sources.items() if "/" not in name]
    for name, text in sources.items():
        path = folder / _target(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        body = _with_anchors(_html(_moved(text, name, sources)))
        up = "../" * name.count("/")
        page = _PAGE.render(name=_label(text), title=TITLE, pages=top, up=up, body=body)
        path.write_text(page, encoding="utf-8")
    for path in (ROOT / "docs").rglob("*"):
        if path.is_file() and path.suffix != ".md":
            own = folder / path.relative_to(ROOT / "docs")
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, own)
    return len(sources)


def reference() -> str:
    """Return the page of the public names, in Markdown."""
    return "# Reference of the library\n\n" + "\n".join(
        line for module in MODULES for line in _module(module)
    )


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    yield f"## `{name}`\n\n{_prose(inspect.getdoc(module) or '')}\n"
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isclass(value) or callable(value):
            yield from _described(f"{name}.{public}", value, "###")
            if inspect.isclass(value) and not issubclass(value, Exception):
                for method, own in sorted(vars(value).items()):
                    if not method.startswith("_") and inspect.getdoc(own) and _is_own(own):
                        yield from _described(f"{public}.{method}", own, "####")


def _is_own(value: object) -> bool:
    return isinstance(value, property | classmethod | staticmethod) or inspect.isfunction(value)


def _described(name: str, value: object, level: str) -> Iterator[str]:
    value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    yield f"{level} {name}\n"
    if not isinstance(value, property):
        try:
            signature = _QUOTED.sub(r"\1\2", str(inspect.signature(value)))
            yield f"```python\n{name}{signature}\n```\n"
        except (TypeError, ValueError):
            pass
    yield _prose(inspect.getdoc(value) or "") + "\n"


def _prose(text: str) -> str:
    """Return a docstring as Markdown: sections as lists, examples as code."""
    lines: list[str] = []
    inside = False
    for line in _ROLE.sub(r"`\1`", _CODE.sub(r"`\1`", text)).replace("::\n", ":\n").splitlines():
        stripped = line.strip()
        item = _ITEM.match(stripped)
        if _SECTION.match(stripped):
            inside = True
            lines += ["", f"**{stripped[:-1]}**", ""]
        elif inside and item and line.startswith("    ") and not line.startswith("     "):
            lines.append(f"- `{item[1]}`: {item[2]}")
        else:
            lines.append(f"  {stripped}" if inside else line)
    return "\n".join(lines)


def _moved(text: str, name: str, sources: Mapping[str, str]) -> str:
    """Return a page whose links to other pages lead to those of the site."""

    def moved(match: re.Match[str]) -> str:
        link, hash_, anchor = match[1].partition("#")
        if urlsplit(link).scheme or not link:
            return match[0]
        place = (ROOT / "docs" / name).parent / link
        try:
            own = str(place.resolve().relative_to(ROOT / "docs"))
        except ValueError:
            own = ""
        if place.is_dir() or (not own and place.exists()):
            # What is in the repository and not in the site is named, and not linked.
            return "]"
        return f"]({_target(link) if own in sources else link}{hash_}{anchor})"

    return re.sub(r"\]\(([^()\s]+)\)", moved, text)


def _html(text: str) -> str:
    made: str = MarkdownIt("commonmark").enable("table").render(text)
    return made


def _with_anchors(body: str) -> str:
    """Return a page whose headings can be linked to, as GitHub names them."""
    seen: Counter[str] = Counter()

    def named(match: re.Match[str]) -> str:
        plain = html.unescape(re.sub(r"<[^>]+>", "", match[2])).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number, seen[anchor] = seen[anchor], seen[anchor] + 1
        own = f"{anchor}-{number}" if number else anchor
        return f'<{match[1]} id="{own}">{match[2]}</{match[1]}>'

    return _HEADING.sub(named, body)


def dead_links(folder: Path) -> list[str]:
    """Return a line for each link within the site that leads nowhere."""
    dead = []
    for page in sorted(folder.rglob("*.html")):
        for link in _LINK.findall(page.read_text(encoding="utf-8")):
            parts = urlsplit(html.unescape(link))
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file():
                dead.append(f"{page.relative_to(folder)}: {link} is not there")
            elif parts.fragment and f'id="{parts.fragment}"' not in target.read_text("utf-8"):
                dead.append(f"{page.relative_to(folder)}: {link} has no such heading")
    return dead


def _target(name: str) -> str:
    """Return the file of a page: the index of docs/ is that of the site."""
    path = Path(name)
    stem = "index" if path.stem == "README" else path.stem
    return str(path.with_name(f"{stem}.html"))


def _label(text: str) -> str:
    return text.lstrip().splitlines()[0].lstrip("# ").replace("`", "")


if __name__ == "__main__":
    sys.exit(main())
