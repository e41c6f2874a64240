"""Cache of what took long to compute: files under content keys, checked when read, bounded in size.

A key is made of all that the content depends on, the code among it. Entries are shared by
processes without locks: each is written beside its place and moved there, a reader keeps what it
opened, and an entry that is cut or changed counts as absent. Nothing in an entry is executed, so a
cache from another machine can be used.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin.errors import ConfigError

__all__ = [
    "CACHE_FOLDER",
    "DEFAULT_LIMIT",
    "Cache",
    "CacheUse",
    "code_key",
    "default_folder",
    "digest",
    "user_folder",
]

CACHE_FOLDER = "TWIN_RULES_CACHE"
"""Environment variable that names the folder of rule tests."""
DEFAULT_LIMIT = 2 << 30
"""Bytes that all entries together may take."""

_STATIC = frozenset({".pyc", ".html", ".css", ".js", ".svg"})
"""Suffixes of files that no result depends on."""
_MAGIC = b"twin-rules-cache-1\n"
_DIGEST_BYTES = 32
_FAST = 1
_SUFFIX = ".entry"
_MOST_INFLATED = 4 << 30
"""Bytes that one entry may become when it is inflated: far more than any scenario has."""


def digest(*parts: bytes | str) -> str:
    """Return a key of these parts, in their order."""
    own = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        own.update(len(data).to_bytes(8, "big"))
        own.update(data)
    return own.hexdigest()


def code_key(parts: Iterable[str]) -> str:
    """Return a key of the code and data in these parts of the package, and of what runs it.

    Args:
        parts: files and folders below ``twin/``.
    """
    root = Path(__file__).parent
    found: list[bytes | str] = [platform.machine(), platform.python_version(), np.__version__]
    for path in _files(root, parts):
        found += [str(path.relative_to(root)), path.read_bytes()]
    return digest(*found)


def _files(root: Path, parts: Iterable[str]) -> list[Path]:
    found: list[Path] = []
    for part in parts:
        place = root / part
        found += [place] if place.is_file() else [own for own in place.rglob("*") if own.is_file()]
    return sorted(own for own in found if own.suffix not in _STATIC)


def default_folder() -> Path:
    """Return the folder of rule tests: that of the environment, or one of the user's own."""
    named = os.environ.get(CACHE_FOLDER)
    return Path(named) if named else user_folder("rules")


def user_folder(name: str) -> Path:
    """Return a folder of this name in the user's own cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "datacenter-twin" / name


@dataclass(frozen=True, slots=True)
class CacheUse:
    """How full a cache is.

    Attributes:
        entries: how many there are.
        size: their bytes on disk.
    """

    entries: int
    size: int


@dataclass(frozen=True, slots=True)
class Cache:
    """Entries of one folder.

    Attributes:
        folder: where they are; made with the first entry.
        limit: bytes that all may take; the ones unused for longest go first.
    """

    folder: Path
    limit: int = DEFAULT_LIMIT

    def __contains__(self, key: str) -> bool:
        return self._path(key).is_file()

    def read(self, key: str) -> bytes | None:
        """Return the content under a key, None where there is none that is whole."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        head = len(_MAGIC) + _DIGEST_BYTES
        body = data[head:]
        if data[:head] != _MAGIC + _sum(key, body):
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # used just now
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(body, _MOST_INFLATED)
        except (zlib.error, MemoryError):
            return None
        return content if inflater.eof else None

    def write(self, key: str, content: bytes) -> None:
        """Keep a content under a key, and drop the oldest entries above the limit.

        A folder that cannot be written to keeps nothing: a cache is no condition of a run.
        """
        body = zlib.compress(content, _FAST)
        if len(body) > self.limit:
            return
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_MAGIC + _sum(key, body) + body)
                Path(name).replace(self._path(key))
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._shrink()

    def use(self) -> CacheUse:
        """Return how full it is."""
        sizes = [size for _, size, _ in self._entries()]
        return CacheUse(len(sizes), sum(sizes))

    def clear(self) -> CacheUse:
        """Drop all entries and return what they were.

        Raises:
            ConfigError: one cannot be dropped.
        """
        before = self.use()
        for _, _, path in list(self._entries()):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror or error}") from error
        return before

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """Yield when each entry was last used, its size and its path."""
        with suppress(OSError), os.scandir(self.folder) as found:
            for entry in found:
                if entry.name.endswith(_SUFFIX):
                    with suppress(OSError):
                        status = entry.stat()
                        yield status.st_mtime, status.st_size, Path(entry.path)

    def _shrink(self) -> None:
        entries = sorted(self._entries())
        excess = sum(size for _, size, _ in entries) - self.limit
        for _, size, path in entries:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size


def _sum(key: str, body: bytes) -> bytes:
    """Return what an entry says of itself: no other key may have its content."""
    own = hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES)
    own.update(body)
    return own.digest()
